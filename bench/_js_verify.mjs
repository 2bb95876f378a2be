// Tokens a second of the JavaScript verifier and of npm's jose, in turns: `node _js_verify.mjs FOLDER`, where jose is installed.

import { createRequire } from "node:module";
import { pathToFileURL } from "node:url";

import { Verifier } from "../clients/js/verify/index.js";
import { live, ScriptedIssuer } from "../tests/verify/javascript/issuer.mjs";

const { jwtVerify, importJWK } = await import(pathToFileURL(createRequire(`${process.argv[2]}/`).resolve("jose")).href);

const ISSUER = "https://auth.example.com";
const AUDIENCE = "my-api";
const TOKENS = 1_000;
const REPEATS = 20; // of tokens that were seen before, in a round
const ROUNDS = 15;
const AT_ONCE = 16;

const base64url = (octets) => Buffer.from(octets).toString("base64url");
const { subtle } = crypto;
const { privateKey, publicKey } = await subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
  "sign",
  "verify",
]);
const { kty, crv, x, y } = await subtle.exportKey("jwk", publicKey);
const jwk = { kty, crv, x, y, kid: "k", alg: "ES256", use: "sig" };

async function makeToken(_, number) {
  const now = Math.floor(Date.now() / 1000);
  const claims = {
    iss: ISSUER,
    sub: "usr_01J0000000000000000000",
    aud: AUDIENCE,
    exp: now + 3600,
    iat: now,
    jti: `tok_${number}`,
    client_id: "first-party",
    sid: "ses_01J0000000000000000000",
    scope: "openid orders:read orders:write",
    roles: ["editor"],
  };
  const message = [{ alg: "ES256", typ: "at+jwt", kid: "k" }, claims]
    .map((part) => base64url(JSON.stringify(part)))
    .join(".");
  return `${message}.${base64url(await subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, Buffer.from(message)))}`;
}

const tokens = await Promise.all(Array.from({ length: TOKENS }, makeToken));

/** The same text in a new string, as each request brings it. */
const again = (token) => Buffer.from(token).toString("latin1");

const key = await importJWK(jwk);
const policy = { issuer: ISSUER, audience: AUDIENCE, typ: "at+jwt", algorithms: ["ES256"] };
const options = { issuer: ISSUER, audience: AUDIENCE, keys: { keys: [jwk] } };
const first = new Verifier({ ...options, cacheSize: 0 });
const seen = new Verifier(options);
for (const token of tokens) await seen.verify(token);

// With revocations: each token names a place in a list that a live stream keeps up to date.
const issuer = await ScriptedIssuer.make();
const followed = await live(issuer);
const listed = await Promise.all(
  Array.from({ length: TOKENS }, (_, idx) => issuer.token({ jti: `tok_${idx}`, ...issuer.at(idx) })),
);
for (const token of listed) await followed.verify(token);

const CALLS = {
  jose: { verify: (token) => jwtVerify(token, key, policy), repeats: 1 },
  first: { verify: (token) => first.verify(token), repeats: 1 },
  seen: { verify: (token) => seen.verify(token), repeats: REPEATS },
  followed: { verify: (token) => followed.verify(token), repeats: REPEATS, of: listed },
};

/** Verify every token, as many at once as a busy server does; tokens a second, and microseconds of CPU for one. */
async function round({ verify, repeats, of = tokens }) {
  const fresh = Array.from({ length: repeats }, () => of.map(again)).flat();
  const [began, cpu] = [performance.now(), process.cpuUsage()];
  for (let at = 0; at < fresh.length; at += AT_ONCE) await Promise.all(fresh.slice(at, at + AT_ONCE).map(verify));
  const { user, system } = process.cpuUsage(cpu);
  return { perSecond: (1000 * fresh.length) / (performance.now() - began), cpu: (user + system) / fresh.length };
}

const rounds = Object.fromEntries(Object.keys(CALLS).map((name) => [name, []]));
for (let number = 0; number < ROUNDS; number++) {
  for (const name of Object.keys(CALLS)) rounds[name].push(await round(CALLS[name]));
}
console.log(JSON.stringify(rounds));
followed.close();
