// The whole road with npm's openid-client: discovery, an authorization request (pushed or not), the code, ID token,
// UserInfo, refresh, introspection, revocation; with tokens that are bound to a key or not.
// The first line of standard input says what to use; it writes where the browser is to go, reads where that came out,
// and writes what it has found as JSON.
import { createInterface } from "node:readline";
import * as client from "openid-client";

const lines = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
const next = async () => (await lines.next()).value;
const { issuer, client_id, client_secret, redirect_uri, pushes, binds } = JSON.parse(await next());

const config = await client.discovery(new URL(issuer), client_id, client_secret, undefined, {
  execute: [client.allowInsecureRequests],
});
client.enableNonRepudiationChecks(config); // the ID token's signature is checked, too
const options = binds ? { DPoP: client.getDPoPHandle(config, await client.randomDPoPKeyPair()) } : undefined;

const verifier = client.randomPKCECodeVerifier();
const asked = {
  redirect_uri,
  scope: "openid email offline_access",
  code_challenge: await client.calculatePKCECodeChallenge(verifier),
  code_challenge_method: "S256",
  state: client.randomState(),
  nonce: client.randomNonce(),
};
const url = pushes
  ? await client.buildAuthorizationUrlWithPAR(config, asked, options)
  : client.buildAuthorizationUrl(config, asked);
console.log(url.href);

const checks = {
  pkceCodeVerifier: verifier,
  expectedState: asked.state,
  expectedNonce: asked.nonce,
  idTokenExpected: true,
};
const first = await client.authorizationCodeGrant(config, new URL(await next()), checks, undefined, options);
const sub = first.claims().sub;
const userinfo = await client.fetchUserInfo(config, first.access_token, sub, options);
const second = await client.refreshTokenGrant(config, first.refresh_token, undefined, options);
const active = await client.tokenIntrospection(config, second.access_token);
await client.tokenRevocation(config, second.refresh_token);
const after = await client.tokenIntrospection(config, second.access_token);
const refused = await client.fetchUserInfo(config, second.access_token, sub, options).catch((error) => error.status ?? error.code);
console.log(
  JSON.stringify({
    token_type: first.token_type,
    scope: first.scope,
    claims: first.claims(),
    refreshed: second.claims(),
    userinfo,
    introspected: { active: active.active, sub: active.sub, after: after.active },
    refused,
    asked: Object.fromEntries(url.searchParams),
  }),
);
