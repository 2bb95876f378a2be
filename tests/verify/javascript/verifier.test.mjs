// The verifier itself: finding keys, remembering tokens, DPoP, requirements, and what is asked of an issuer how often.

import assert from "node:assert/strict";
import { test } from "node:test";

import { follow, makeKey, ScriptedIssuer, sign, soon, ISSUER } from "./issuer.mjs";
import { anyOf } from "../../../clients/js/verify/any_of.js";
import { InMemoryReplays } from "../../../clients/js/verify/lib/dpop.js";
import { Key } from "../../../clients/js/verify/lib/keys.js";
import { challenge, codeOf, credentials, examples, Principal, Verifier, VerifyError } from "./support.mjs";

const JWKS = `${ISSUER}/jwks`;
const METADATA = `${ISSUER}/.well-known/oauth-authorization-server`;
const OPENID_METADATA = `${ISSUER}/.well-known/openid-configuration`;

const verdict = (verifier, token, dpop) => codeOf(async () => (await verifier.verify(token, dpop), "good"));

// ── keys ──

test("keys are found by the issuer alone, fetched once for many tokens, and fresh for as long as it says", async () => {
  const issuer = await ScriptedIssuer.make();
  issuer.scripts.set(JWKS, () =>
    Response.json({ keys: issuer.keys.map(({ jwk }) => jwk) }, { headers: { "cache-control": "max-age=120" } }),
  );
  const tokens = await Promise.all([1, 2, 3].map((jti) => issuer.token({ jti: String(jti) })));
  const verifier = follow(issuer, { revocation: null });
  assert.deepEqual(await Promise.all(tokens.map((token) => verdict(verifier, token))), ["good", "good", "good"]);
  assert.equal(issuer.count(JWKS), 1);
  issuer.advance(119);
  await verdict(verifier, tokens[0]);
  assert.equal(issuer.count(JWKS), 1);
  issuer.advance(1);
  assert.equal(await verdict(verifier, tokens[0]), "good"); // in the background
  await soon(() => issuer.count(JWKS) === 2);
});

test("points of small order, and those that are not reduced, are no keys; real ones are", async () => {
  const points = [
    "0100000000000000000000000000000000000000000000000000000000000000",
    "0000000000000000000000000000000000000000000000000000000000000080",
    "ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc85",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
    "edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
    "ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff",
  ];
  for (const point of points) {
    const x = Buffer.from(point, "hex").toString("base64url");
    assert.equal(await codeOf(() => Key.read({ kty: "OKP", crv: "Ed25519", x })), "weak_key", point);
  }
  const { publicKey } = await crypto.subtle.generateKey("Ed25519", true, ["sign", "verify"]);
  const jwk = await crypto.subtle.exportKey("jwk", publicKey);
  assert.deepEqual((await Key.read({ kty: jwk.kty, crv: jwk.crv, x: jwk.x })).algs, ["Ed25519", "EdDSA"]);
});

test("a rotated key is found at once, and a withdrawn one is dropped", async () => {
  const issuer = await ScriptedIssuer.make();
  const [old, verifier] = [await issuer.token(), follow(issuer, { revocation: null })];
  assert.equal(await verdict(verifier, old), "good");
  issuer.keys = [await makeKey("k3")];
  assert.equal(await verdict(verifier, await issuer.token()), "good");
  assert.equal(await verdict(verifier, old), "unknown_key");
});

test("tokens of unknown keys cause one fetch in half a minute", async () => {
  const issuer = await ScriptedIssuer.make();
  const verifier = follow(issuer, { revocation: null });
  await verdict(verifier, await issuer.token());
  for (let number = 0; number < 50; number++) {
    assert.equal(
      await verdict(verifier, await issuer.token({}, { ...issuer.keys[0], kid: `x${number}` })),
      "unknown_key",
    );
  }
  assert.equal(issuer.count(JWKS), 2);
  issuer.advance(30);
  await verdict(verifier, await issuer.token({}, { ...issuer.keys[0], kid: "y" }));
  assert.equal(issuer.count(JWKS), 3);
});

test("a token that no key could verify fetches nothing", async () => {
  const issuer = await ScriptedIssuer.make();
  const verifier = follow(issuer, { revocation: null });
  const stranger = { ...issuer.keys[0], kid: "x" };
  assert.equal(await verdict(verifier, await issuer.token({ iss: "https://evil.example" }, stranger)), "wrong_issuer");
  assert.equal(await verdict(verifier, await sign({ iss: ISSUER }, stranger, "JWT")), "wrong_typ");
  const hs = [{ alg: "HS256", typ: "at+jwt" }, { iss: ISSUER }].map((part) =>
    Buffer.from(JSON.stringify(part)).toString("base64url"),
  );
  assert.equal(await verdict(verifier, `${hs.join(".")}.AAAA`), "alg_not_allowed");
  assert.equal(issuer.asked.length, 0);
});

test("an issuer that is away: 503 at first, and the keys that were known go on verifying for three days", async () => {
  const issuer = await ScriptedIssuer.make();
  const token = await issuer.token({ exp: issuer.wall + 9 * 86_400 });
  issuer.isAway = true;
  const verifier = follow(issuer, { revocation: null });
  const refused = await verifier.verify(token).catch((error) => error);
  assert.deepEqual([refused.code, refused.retryAfter, verifier.health().ready], ["issuer_unavailable", 5, false]);
  const asked = issuer.asked.length;
  await verdict(verifier, token);
  assert.equal(issuer.asked.length, asked); // not before the back-off is over
  issuer.isAway = false;
  issuer.advance(5);
  assert.equal(await verdict(verifier, token), "good");
  issuer.isAway = true;
  issuer.advance(3 * 86_400 - 1);
  assert.equal(await verdict(verifier, token), "good");
  issuer.advance(1);
  assert.equal(await verdict(verifier, token), "issuer_unavailable");
});

test("metadata must be the issuer's own; where there is none of OAuth, that of OpenID counts", async () => {
  const cases = [
    [{ [METADATA]: { issuer: `${ISSUER}/`, jwks_uri: JWKS } }, "issuer_unavailable"],
    [{ [METADATA]: { issuer: ISSUER } }, "issuer_unavailable"],
    [{ [METADATA]: { issuer: ISSUER, jwks_uri: "http://auth.example.com/jwks" } }, "issuer_unavailable"],
    [{ [METADATA]: { issuer: ISSUER, jwks_uri: "https://127.0.0.1/jwks" } }, "issuer_unavailable"],
    [{ [METADATA]: { issuer: ISSUER, jwks_uri: "https://user@auth.example.com/jwks" } }, "issuer_unavailable"],
    [{ [METADATA]: null, [OPENID_METADATA]: { issuer: ISSUER, jwks_uri: JWKS } }, "good"],
    [{ [METADATA]: null, [OPENID_METADATA]: null }, "issuer_unavailable"],
  ];
  for (const [documents, expected] of cases) {
    const issuer = await ScriptedIssuer.make();
    for (const [url, document] of Object.entries(documents)) {
      issuer.scripts.set(url, () => (document ? Response.json(document) : new Response("", { status: 404 })));
    }
    assert.equal(
      await verdict(follow(issuer, { revocation: null }), await issuer.token()),
      expected,
      JSON.stringify(documents),
    );
  }
});

// ── remembering ──

test("a token that was seen before is still judged by the clock, and by what is revoked", async () => {
  const issuer = await ScriptedIssuer.make();
  const token = await issuer.token({ exp: issuer.wall + 60, nbf: issuer.wall });
  const denied = new Set();
  const verifier = follow(issuer, { revocation: { isRevoked: ({ tokenId }) => denied.has(tokenId) } });
  const principal = await verifier.verify(token);
  assert.equal(await verifier.verify(token), principal); // the very same: it was remembered
  denied.add("tok_1");
  assert.equal(await verdict(verifier, token), "revoked");
  denied.clear();
  issuer.wall -= 1;
  assert.equal(await verdict(verifier, token), "not_yet_valid");
  issuer.wall += 60;
  assert.equal(await verdict(verifier, token), "good");
  issuer.wall += 1;
  assert.equal(await verdict(verifier, token), "expired");
});

test("only the very same text is recognized", async () => {
  const issuer = await ScriptedIssuer.make();
  const token = await issuer.token();
  const verifier = follow(issuer, { revocation: null });
  await verifier.verify(token);
  for (const other of [
    `${token} `,
    token.slice(0, -1),
    token.replace(/.$/, (last) => (last === "A" ? "B" : "A")),
    token.toLowerCase(),
  ]) {
    assert.notEqual(await verdict(verifier, other), "good");
  }
});

test("the memory is bounded, the oldest goes first, and no refusal is remembered", async () => {
  const issuer = await ScriptedIssuer.make();
  const verifier = follow(issuer, { revocation: null, cacheSize: 2 });
  const tokens = await Promise.all([1, 2, 3].map((jti) => issuer.token({ jti: String(jti) })));
  const seen = [];
  for (const token of tokens) seen.push(await verifier.verify(token));
  assert.equal(await verifier.verify(tokens[2]), seen[2]);
  assert.equal(await verifier.verify(tokens[1]), seen[1]);
  assert.notEqual(await verifier.verify(tokens[0]), seen[0]);
});

test("what several requests share cannot be changed", async () => {
  const issuer = await ScriptedIssuer.make();
  const principal = await follow(issuer, { revocation: null }).verify(
    await issuer.token({ roles: ["a"], act: { sub: "x" } }),
  );
  for (const change of [
    () => principal.roles.push("admin"),
    () => (principal.subject = "x"),
    () => (principal.claims.act.sub = "y"),
  ]) {
    assert.throws(change, TypeError);
  }
});

// ── DPoP ──

async function bound(issuer) {
  const holder = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, ["sign"]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", holder.publicKey);
  const jkt = await digest(JSON.stringify({ crv, kty, x, y }));
  const token = await issuer.token({ cnf: { jkt } });
  const url = "https://api.example.com/orders";
  const dpop = async (changes = {}) => {
    const claims = {
      jti: String(Math.random()),
      htm: "GET",
      htu: url,
      iat: issuer.wall,
      ath: await digest(token),
      ...changes,
    };
    const message = [{ typ: "dpop+jwt", alg: "ES256", jwk: { kty, crv, x, y } }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    const signature = await crypto.subtle.sign(
      { name: "ECDSA", hash: "SHA-256" },
      holder.privateKey,
      Buffer.from(message),
    );
    return { proof: `${message}.${Buffer.from(signature).toString("base64url")}`, method: "GET", url };
  };
  return { token, dpop };
}

const digest = async (text) =>
  Buffer.from(await crypto.subtle.digest("SHA-256", Buffer.from(text))).toString("base64url");

test("each proof counts once, also for a token that was seen before, and a refused token spends none", async () => {
  const issuer = await ScriptedIssuer.make();
  const { token, dpop } = await bound(issuer);
  const verifier = follow(issuer, { revocation: null });
  const proof = await dpop();
  assert.equal(await verdict(verifier, token), "unproven_cnf");
  assert.equal(await verdict(verifier, token, proof), "good");
  assert.equal(await verdict(verifier, token, proof), "invalid_dpop_proof");
  assert.equal(await verdict(verifier, token), "unproven_cnf"); // remembering a bound token opens nothing
  assert.equal(await verdict(verifier, token, await dpop()), "good");
});

test("a wall clock that is set back makes no used proof new; a full memory accepts none", () => {
  const replays = new InMemoryReplays(2);
  assert.equal(replays.spend("a", 61, 1000, 0), true);
  assert.equal(replays.spend("b", 61, 1070, 70), true);
  assert.equal(replays.spend("a", 61, 1020, 140), false);
  const full = new InMemoryReplays(1);
  full.spend("a", 61, 1000, 0);
  assert.throws(() => full.spend("b", 61, 1000, 0), { code: "replays_unavailable" });
});

test("proofs have to repeat a nonce where one is asked for", async () => {
  const issuer = await ScriptedIssuer.make();
  const { token, dpop } = await bound(issuer);
  const verifier = follow(issuer, { revocation: null, dpop: { nonceSecret: new Uint8Array(32) } });
  const refused = await verifier.verify(token, await dpop()).catch((error) => error);
  assert.equal(refused.code, "use_dpop_nonce");
  const { headers } = challenge(refused);
  assert.equal(headers["dpop-nonce"], refused.nonce);
  assert.equal(await verdict(verifier, token, await dpop({ nonce: refused.nonce })), "good");
  issuer.advance(301);
  assert.equal(await verdict(verifier, token, await dpop({ nonce: refused.nonce })), "good");
  issuer.advance(300);
  assert.equal(await verdict(verifier, token, await dpop({ nonce: refused.nonce })), "use_dpop_nonce");
});

test("a store of proofs that does not answer: 503", async () => {
  const issuer = await ScriptedIssuer.make();
  const { token, dpop } = await bound(issuer);
  const replays = { spend: () => Promise.reject(new Error("down")) };
  assert.equal(
    await verdict(follow(issuer, { revocation: null, dpop: { replays } }), token, await dpop()),
    "replays_unavailable",
  );
});

// ── algorithms that no shared case has ──

test("PS256, PS384 and PS512 verify, each by its own key alone", async () => {
  const { alg: _, ...jwk } = examples("rfc7515")
    .compact.map(({ key }) => key)
    .find(({ kty }) => kty === "RSA");
  const { n, e } = jwk;
  for (const bits of [256, 384, 512]) {
    const privateKey = await crypto.subtle.importKey("jwk", jwk, { name: "RSA-PSS", hash: `SHA-${bits}` }, false, [
      "sign",
    ]);
    const issuer = await ScriptedIssuer.make();
    const claims = {
      iss: ISSUER,
      sub: "u",
      aud: "my-api",
      exp: issuer.wall + 9,
      iat: issuer.wall,
      jti: "j",
      client_id: "c",
    };
    const message = [{ alg: `PS${bits}`, typ: "at+jwt", kid: "r" }, claims]
      .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
      .join(".");
    for (const [saltLength, expected] of [
      [bits / 8, "good"],
      [0, "bad_signature"],
    ]) {
      const signature = await crypto.subtle.sign({ name: "RSA-PSS", saltLength }, privateKey, Buffer.from(message));
      const keys = { keys: [{ kty: "RSA", n, e, kid: "r", alg: `PS${bits}` }] };
      const verifier = new Verifier({ issuer: ISSUER, audience: "my-api", keys, clock: () => issuer.wall });
      assert.equal(await verdict(verifier, `${message}.${Buffer.from(signature).toString("base64url")}`), expected);
    }
  }
});

// ── several issuers ──

test("of several issuers each token is verified by its own, whatever it claims", async () => {
  const [ours, theirs] = [await ScriptedIssuer.make(), await ScriptedIssuer.make()];
  const verifier = (issuer, { keys }) =>
    new Verifier({ issuer, audience: "my-api", keys: { keys: keys.map(({ jwk }) => jwk) }, clock: () => ours.wall });
  const other = "https://other.example.com";
  const both = anyOf(verifier(ISSUER, ours), verifier(other, theirs));
  assert.equal(await verdict(both, await ours.token()), "good");
  assert.equal(await verdict(both, await theirs.token({ iss: other })), "good");
  assert.equal(await verdict(both, await theirs.token()), "bad_signature");
  assert.equal(await verdict(both, await ours.token({ iss: "https://evil.example" })), "wrong_issuer");
  assert.equal(await verdict(both, "rubbish"), "malformed");
  for (const none of [[], [verifier(ISSUER, ours), verifier(ISSUER, theirs)]]) {
    assert.throws(() => anyOf(...none), { code: "invalid_policy" });
  }
});

// ── policy, requirements, challenges ──

test("a policy that makes no sense fails when it is made", () => {
  const good = { issuer: ISSUER, audience: "a" };
  const bad = [
    { issuer: "" },
    { issuer: "http://auth.example.com" },
    { issuer: "https://a/?b" },
    { issuer: "https://u@a" },
    { issuer: "https://a\\b" },
    { audience: [] },
    { audience: "" },
    { audience: undefined },
    { typ: "" },
    { leeway: -1 },
    { leeway: 301 },
    { leeway: NaN },
    { roles: [] },
    { audienceClaim: "azp" },
    { cacheSize: -1 },
    { revocation: "push" },
    { stale: "maybe" },
    { staleAfter: 0 },
    { staleAfter: Infinity },
    { clientId: "a" },
    { dpop: { seconds: 0 } },
    { dpop: { nonceSecret: new Uint8Array(8) } },
    { revocation: {} },
  ];
  for (const changes of bad) {
    assert.throws(() => new Verifier({ ...good, ...changes }), { code: "invalid_policy" }, JSON.stringify(changes));
  }
  new Verifier({ ...good, issuer: "http://localhost:8000" });
  new Verifier({ ...good, issuer: "a name", keys: { keys: [] }, revocation: { isRevoked: () => false } });
  new Verifier({ ...good, issuer: "http://auth:8000", allowHttpInDevelopment: true });
});

const ADA = new Principal({
  subject: "user_1",
  scopes: ["read", "write"],
  roles: ["admin"],
  permissions: ["books:read", "books:write"],
  authTime: 1000,
  acr: "2",
  amr: ["pwd"],
  organization: { id: "org_1", slug: null, roles: ["owner"], permissions: ["seats:buy"] },
});

test("what holds, and what does not", () => {
  const holds = [
    {},
    { scope: "read" },
    { scope: "  read   write " },
    { role: "admin" },
    { role: ["x", "admin"] },
    { permission: "books:write books:read" },
    { acr: "1 2" },
    { amr: "pwd" },
    { maxAge: 100 },
    { organization: "org_1", role: "owner" },
    { organization: "*", permission: "seats:buy" },
  ];
  for (const requirement of holds) ADA.require(requirement, 1100);
  const fails = {
    insufficient_scope: [
      { scope: "delete" },
      { scope: "read delete" },
      { scope: "READ" },
      { role: "adm" },
      { role: "read" },
      { permission: "admin" },
      { role: "owner" },
      { permission: "seats:buy" },
      { organization: "org_2" },
      { organization: "org_1", role: "admin" },
      { scope: "delete", acr: "3" },
    ],
    insufficient_user_authentication: [{ acr: "3" }, { acr: "22" }, { amr: "otp" }, { maxAge: 99 }],
    invalid_policy: [
      { scope: "" },
      { role: "" },
      { role: [] },
      { permission: "" },
      { acr: "a\nb" },
      { maxAge: -1 },
      { organization: "a b" },
      { roles: "admin" },
    ],
  };
  for (const [code, requirements] of Object.entries(fails)) {
    for (const requirement of requirements)
      assert.throws(() => ADA.require(requirement, 1100), { code }, JSON.stringify(requirement));
  }
});

test("each refusal has its answer (RFC 6750 §3, RFC 9449 §7.1, RFC 9470 §3)", () => {
  const error = (code, more) => new VerifyError(code, "x", more);
  const answers = [
    [error("missing_token"), 401, { "www-authenticate": "Bearer" }],
    [
      error("expired"),
      401,
      { "www-authenticate": 'Bearer error="invalid_token", error_description="the access token was refused: expired"' },
    ],
    [error("invalid_request"), 400, { "www-authenticate": 'Bearer error="invalid_request", error_description="x"' }],
    [
      error("insufficient_scope", { scope: "a b" }),
      403,
      { "www-authenticate": 'Bearer error="insufficient_scope", error_description="x", scope="a b"' },
    ],
    [
      error("insufficient_user_authentication", { maxAge: 0 }),
      401,
      { "www-authenticate": 'Bearer error="insufficient_user_authentication", error_description="x", max_age="0"' },
    ],
    [error("issuer_unavailable", { retryAfter: 7 }), 503, { "retry-after": "7" }],
  ];
  for (const [refused, status, headers] of answers) {
    const answer = challenge(refused);
    assert.deepEqual([answer.status, answer.headers], [status, headers]);
  }
  assert.match(
    challenge(error("invalid_dpop_proof")).headers["www-authenticate"],
    /^DPoP error="invalid_dpop_proof".*algs="RS256 /,
  );
  assert.match(challenge(error("expired"), { dpop: true }).headers["www-authenticate"], /^DPoP error="invalid_token"/);
  assert.match(
    challenge(error("missing_token"), { resourceMetadata: "https://a/b" }).headers["www-authenticate"],
    /^Bearer resource_metadata="https:\/\/a\/b"$/,
  );
  const hostile = challenge(error("insufficient_scope", { scope: 'a"b\\c\r\nSet-Cookie: d=é😀' })).headers[
    "www-authenticate"
  ];
  assert(hostile.endsWith(', scope="a\\"b\\\\c??Set-Cookie: d=??"'), hostile);
  for (const code of ["invalid_policy", "invalid_key", "weak_key"])
    assert.throws(() => challenge(error(code)), { code });
  assert.throws(() => challenge(new TypeError("ours")), TypeError);
});

test("the header gives up one token", async () => {
  assert.deepEqual(credentials("Bearer abc"), { token: "abc", isDPoP: false });
  assert.deepEqual(credentials(" dpop  abc "), { token: "abc", isDPoP: true });
  for (const value of [undefined, null, "", "Basic abc", "abc", "Bearer\tabc"])
    assert.equal(await codeOf(() => credentials(value)), "missing_token");
  for (const value of ["Bearer", "Bearer a b", "Bearer a, Bearer a", "Bearer a,"])
    assert.equal(await codeOf(() => credentials(value)), "invalid_request");
});
