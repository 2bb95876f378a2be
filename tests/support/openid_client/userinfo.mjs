// What npm's openid-client makes of an issuer: discovery by both documents, a refresh, the ID token, UserInfo.
// It reads what it is to use as JSON from standard input, and writes what it has found as JSON.
import { createRemoteJWKSet, jwtVerify } from "jose";
import * as client from "openid-client";

const chunks = [];
for await (const chunk of process.stdin) chunks.push(chunk);
const { issuer, client_id, client_secret, refresh_token, metadata = {} } = JSON.parse(Buffer.concat(chunks));

const found = {};
let config;
for (const algorithm of ["oauth2", "oidc"]) {
  config = await client.discovery(new URL(issuer), client_id, { client_secret, ...metadata }, undefined, {
    algorithm,
    execute: [client.allowInsecureRequests],
  });
  found[algorithm] = config.serverMetadata();
}
client.enableNonRepudiationChecks(config); // the ID token's signature is checked, too

const tokens = await client.refreshTokenGrant(config, refresh_token);
found.claims = tokens.claims();
found.userinfo = await client.fetchUserInfo(config, tokens.access_token, tokens.claims().sub);

const keys = createRemoteJWKSet(new URL(config.serverMetadata().jwks_uri));
found.header = (await jwtVerify(tokens.id_token, keys, { issuer, audience: client_id, currentDate: new Date(tokens.claims().iat * 1000) })).protectedHeader;

try {
  await client.fetchUserInfo(config, "nonsense", tokens.claims().sub);
} catch (error) {
  found.refused = { code: error.code, status: error.status, challenge: error.cause?.[0]?.parameters?.error };
}
console.log(JSON.stringify(found));
