// An application on Spring Boot and Spring Security: people sign in at it, sign out at it or elsewhere, and its API takes
// access tokens. Its settings are words of the command line, as they would be lines of application.yaml.

package client;

import static org.springframework.security.config.Customizer.withDefaults;

import java.util.Map;
import org.springframework.beans.factory.annotation.Value;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.context.annotation.Bean;
import org.springframework.core.annotation.Order;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.core.annotation.AuthenticationPrincipal;
import org.springframework.security.oauth2.client.OAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.annotation.RegisteredOAuth2AuthorizedClient;
import org.springframework.security.oauth2.client.oidc.web.logout.OidcClientInitiatedLogoutSuccessHandler;
import org.springframework.security.oauth2.client.registration.ClientRegistrationRepository;
import org.springframework.security.oauth2.client.web.DefaultOAuth2AuthorizationRequestResolver;
import org.springframework.security.oauth2.client.web.OAuth2AuthorizationRequestCustomizers;
import org.springframework.security.oauth2.core.oidc.user.OidcUser;
import org.springframework.security.oauth2.jwt.Jwt;
import org.springframework.security.oauth2.jwt.JwtDecoder;
import org.springframework.security.oauth2.jwt.JwtValidators;
import org.springframework.security.oauth2.jwt.NimbusJwtDecoder;
import org.springframework.security.web.SecurityFilterChain;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.RestController;

@SpringBootApplication
@RestController
public class Client {
    public static void main(String[] words) {
        SpringApplication.run(Client.class, words);
    }

    @GetMapping("/me")
    Map<String, Object> me(
            @AuthenticationPrincipal OidcUser user,
            @RegisteredOAuth2AuthorizedClient("gatepass") OAuth2AuthorizedClient client) {
        return Map.of(
                "sub", user.getSubject(),
                "email", user.getEmail(),
                "access_token", client.getAccessToken().getTokenValue());
    }

    @GetMapping("/bye")
    String bye() {
        return "Bye";
    }

    @GetMapping("/api/me")
    Map<String, Object> api(@AuthenticationPrincipal Jwt token) {
        return Map.of("sub", token.getSubject());
    }

    @Bean
    @Order(1)
    SecurityFilterChain api(HttpSecurity http) throws Exception {
        return http.securityMatcher("/api/**")
                .authorizeHttpRequests(asked -> asked.anyRequest().hasAuthority("SCOPE_email"))
                .oauth2ResourceServer(server -> server.jwt(withDefaults()))
                .build();
    }

    @Bean
    SecurityFilterChain site(
            HttpSecurity http,
            ClientRegistrationRepository registrations,
            @Value("${client.pkce}") boolean addsPkce)
            throws Exception {
        // Spring Security 7 adds PKCE (RFC 7636) by itself.
        var requests = new DefaultOAuth2AuthorizationRequestResolver(registrations, "/oauth2/authorization");
        if (addsPkce) {
            requests.setAuthorizationRequestCustomizer(OAuth2AuthorizationRequestCustomizers.withPkce());
        }
        var goodbye = new OidcClientInitiatedLogoutSuccessHandler(registrations);
        goodbye.setPostLogoutRedirectUri("{baseUrl}/bye");
        return http.authorizeHttpRequests(asked -> asked.requestMatchers("/bye").permitAll().anyRequest().authenticated())
                .oauth2Login(login -> login.authorizationEndpoint(at -> at.authorizationRequestResolver(requests)))
                .oidcLogout(logout -> logout.backChannel(withDefaults()))
                .logout(logout -> logout.logoutSuccessHandler(goodbye))
                .build();
    }

    // Access tokens have the type at+jwt (RFC 9068), which Spring's own decoder does not expect.
    @Bean
    JwtDecoder jwtDecoder(
            @Value("${api.issuer}") String issuer,
            @Value("${api.audience}") String audience,
            @Value("${spring.security.oauth2.client.registration.gatepass.client-id}") String clientId) {
        var decoder = NimbusJwtDecoder.withIssuerLocation(issuer).validateType(false).build();
        decoder.setJwtValidator(
                JwtValidators.createAtJwtValidator().issuer(issuer).audience(audience).clientId(clientId).build());
        return decoder;
    }
}
