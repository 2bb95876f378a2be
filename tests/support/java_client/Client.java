// A relying party in Java, by Nimbus' OAuth 2.0 SDK: prints where to sign in, and at its redirect URI redeems the code,
// checks the ID token, verifies the access token as an API does, refreshes, asks UserInfo, and answers with what it has
// learnt.

import com.nimbusds.jose.JOSEObjectType;
import com.nimbusds.jose.JWSAlgorithm;
import com.nimbusds.jose.jwk.source.JWKSourceBuilder;
import com.nimbusds.jose.proc.DefaultJOSEObjectTypeVerifier;
import com.nimbusds.jose.proc.JWSVerificationKeySelector;
import com.nimbusds.jose.proc.SecurityContext;
import com.nimbusds.jwt.JWTClaimsSet;
import com.nimbusds.jwt.SignedJWT;
import com.nimbusds.jwt.proc.DefaultJWTClaimsVerifier;
import com.nimbusds.jwt.proc.DefaultJWTProcessor;
import com.nimbusds.oauth2.sdk.AuthorizationCodeGrant;
import com.nimbusds.oauth2.sdk.RefreshTokenGrant;
import com.nimbusds.oauth2.sdk.ResponseType;
import com.nimbusds.oauth2.sdk.Scope;
import com.nimbusds.oauth2.sdk.TokenRequest;
import com.nimbusds.oauth2.sdk.auth.ClientSecretBasic;
import com.nimbusds.oauth2.sdk.auth.Secret;
import com.nimbusds.oauth2.sdk.id.ClientID;
import com.nimbusds.oauth2.sdk.id.Issuer;
import com.nimbusds.oauth2.sdk.id.State;
import com.nimbusds.oauth2.sdk.pkce.CodeChallengeMethod;
import com.nimbusds.oauth2.sdk.pkce.CodeVerifier;
import com.nimbusds.oauth2.sdk.token.AccessToken;
import com.nimbusds.openid.connect.sdk.AuthenticationRequest;
import com.nimbusds.openid.connect.sdk.AuthenticationResponse;
import com.nimbusds.openid.connect.sdk.AuthenticationResponseParser;
import com.nimbusds.openid.connect.sdk.Nonce;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponse;
import com.nimbusds.openid.connect.sdk.OIDCTokenResponseParser;
import com.nimbusds.openid.connect.sdk.UserInfoRequest;
import com.nimbusds.openid.connect.sdk.UserInfoResponse;
import com.nimbusds.openid.connect.sdk.claims.AccessTokenHash;
import com.nimbusds.openid.connect.sdk.claims.IDTokenClaimsSet;
import com.nimbusds.openid.connect.sdk.claims.UserInfo;
import com.nimbusds.openid.connect.sdk.op.OIDCProviderMetadata;
import com.nimbusds.openid.connect.sdk.validators.AccessTokenValidator;
import com.nimbusds.openid.connect.sdk.validators.IDTokenValidator;
import com.sun.net.httpserver.HttpServer;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.Map;
import java.util.Set;
import net.minidev.json.JSONObject;

public final class Client {
    private final OIDCProviderMetadata provider;
    private final ClientID id;
    private final Secret secret;
    private final URI redirectUri;
    private final State state = new State();
    private final Nonce nonce = new Nonce();
    private final CodeVerifier verifier = new CodeVerifier();

    private Client(String issuer, String id, String secret, String listensAt) throws Exception {
        provider = OIDCProviderMetadata.resolve(new Issuer(issuer));
        this.id = new ClientID(id);
        this.secret = new Secret(secret);
        redirectUri = URI.create("http://" + listensAt + "/callback");
    }

    private URI signInUri() {
        return new AuthenticationRequest.Builder(new ResponseType("code"), new Scope("openid", "email"), id, redirectUri)
                .endpointURI(provider.getAuthorizationEndpointURI())
                .state(state)
                .nonce(nonce)
                .codeChallenge(verifier, CodeChallengeMethod.S256)
                .build()
                .toURI();
    }

    private OIDCTokenResponse tokens(com.nimbusds.oauth2.sdk.AuthorizationGrant grant) throws Exception {
        var request = new TokenRequest.Builder(provider.getTokenEndpointURI(), new ClientSecretBasic(id, secret), grant);
        var response = OIDCTokenResponseParser.parse(request.build().toHTTPRequest().send());
        if (!response.indicatesSuccess()) {
            throw new IllegalStateException(response.toErrorResponse().getErrorObject().toString());
        }
        return (OIDCTokenResponse) response.toSuccessResponse();
    }

    private IDTokenClaimsSet identity(OIDCTokenResponse tokens) throws Exception {
        var idToken = (SignedJWT) tokens.getOIDCTokens().getIDToken();
        JWSAlgorithm algorithm = idToken.getHeader().getAlgorithm();
        if (!provider.getIDTokenJWSAlgs().contains(algorithm)) {
            throw new IllegalStateException("an algorithm that the metadata does not name: " + algorithm);
        }
        var validator = new IDTokenValidator(provider.getIssuer(), id, algorithm, provider.getJWKSetURI().toURL());
        IDTokenClaimsSet claims = validator.validate(idToken, nonce);
        AccessTokenHash hash = claims.getAccessTokenHash();
        AccessTokenValidator.validate(tokens.getOIDCTokens().getAccessToken(), algorithm, hash);
        return claims;
    }

    /** As an API does (RFC 9068 §4). */
    private String subjectOf(AccessToken token) throws Exception {
        SignedJWT signed = SignedJWT.parse(token.getValue());
        var processor = new DefaultJWTProcessor<SecurityContext>();
        processor.setJWSTypeVerifier(new DefaultJOSEObjectTypeVerifier<>(new JOSEObjectType("at+jwt")));
        processor.setJWSKeySelector(new JWSVerificationKeySelector<>(
                signed.getHeader().getAlgorithm(),
                JWKSourceBuilder.create(provider.getJWKSetURI().toURL()).build()));
        processor.setJWTClaimsSetVerifier(new DefaultJWTClaimsVerifier<>(
                new JWTClaimsSet.Builder().issuer(provider.getIssuer().getValue()).build(),
                Set.of("sub", "aud", "exp", "iat", "jti", "client_id")));
        return processor.process(signed, null).getSubject();
    }

    private Map<String, Object> learn(URI answer) throws Exception {
        AuthenticationResponse response = AuthenticationResponseParser.parse(answer);
        if (!response.indicatesSuccess() || !state.equals(response.getState())
                || !provider.getIssuer().equals(response.getIssuer())) {
            throw new IllegalStateException("not the answer to this request: " + answer);
        }
        var code = response.toSuccessResponse().getAuthorizationCode();
        OIDCTokenResponse first = tokens(new AuthorizationCodeGrant(code, redirectUri, verifier));
        IDTokenClaimsSet identity = identity(first);
        OIDCTokenResponse second = tokens(new RefreshTokenGrant(first.getOIDCTokens().getRefreshToken()));
        AccessToken token = second.getOIDCTokens().getAccessToken();
        UserInfo info = UserInfoResponse
                .parse(new UserInfoRequest(provider.getUserInfoEndpointURI(), token).toHTTPRequest().send())
                .toSuccessResponse()
                .getUserInfo();
        return Map.of(
                "sub", identity.getSubject().getValue(),
                "userinfo", info.getSubject().getValue(),
                "api", subjectOf(token),
                "email", info.getEmailAddress(),
                "refreshed", !token.equals(first.getOIDCTokens().getAccessToken()));
    }

    public static void main(String[] words) throws Exception {
        var client = new Client(words[0], words[1], words[2], words[3]);
        var address = URI.create("http://" + words[3]);
        var server = HttpServer.create(new InetSocketAddress(address.getHost(), address.getPort()), 0);
        server.createContext("/callback", exchange -> {
            String body;
            int status = 200;
            try {
                body = JSONObject.toJSONString(client.learn(exchange.getRequestURI()));
            } catch (Exception error) {
                body = error.toString();
                status = 500;
            }
            exchange.sendResponseHeaders(status, body.getBytes().length);
            exchange.getResponseBody().write(body.getBytes());
            exchange.close();
        });
        server.start();
        System.out.println(client.signInUri());
    }
}
