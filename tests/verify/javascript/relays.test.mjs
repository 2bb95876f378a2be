// Relays: what is revoked is learned from them in order, and from the issuer at last. And bridges, in so far as options say so.

import assert from "node:assert/strict";
import { test } from "node:test";

import { follow, ISSUER, LIST, live, pass, ScriptedIssuer, soon } from "./issuer.mjs";
import { codeOf } from "./support.mjs";

const NEAR = "http://near.internal:8082";
const FAR = "http://far.internal:8082/relay";
const STREAM = "/revocations";

/** Relays that pass everything on, but for what a test says they do; `seen` is what they were asked. */
function relayed(issuer, does = {}) {
  const seen = [];
  const fetch = async (url, init = {}) => {
    const relay = [NEAR, FAR].find((one) => url.startsWith(one));
    const path = url.slice((relay ?? ISSUER).length);
    seen.push({ at: relay ?? ISSUER, path, authorization: init.headers?.authorization });
    const answer = relay && does[relay];
    return (await answer?.(path, init)) ?? issuer.fetch(ISSUER + path, init);
  };
  const asked = (at) => [...new Set(seen.filter((one) => one.at === at).map(({ path }) => path))].sort();
  return { fetch, seen, asked };
}

const away = () => {
  throw new TypeError("fetch failed");
};

test("everything but metadata and keys comes from the nearest relay, which sees no secret", async () => {
  const issuer = await ScriptedIssuer.make();
  const { fetch, seen, asked } = relayed(issuer);
  const verifier = await live(issuer, { fetch, relays: [NEAR, FAR], clientId: "api", clientSecret: "s" });
  const token = await issuer.token({ jti: "b" });
  await issuer.revoke({ jti: "b" });
  await soon(() => verifier.health().eventId === 1);
  assert.equal(await codeOf(() => verifier.verify(token)), "revoked");
  assert.deepEqual(asked(NEAR), [STREAM, `${STREAM}/snapshot`, LIST.slice(ISSUER.length)].sort());
  assert.deepEqual(asked(FAR), []);
  assert.deepEqual(asked(ISSUER), ["/.well-known/oauth-authorization-server", "/jwks"]);
  assert.deepEqual(new Set(seen.map(({ authorization }) => authorization)), new Set([undefined]));
  verifier.close();
});

test("relays that are away are passed over, and the issuer comes last, and is told who asks", async () => {
  const issuer = await ScriptedIssuer.make();
  const { fetch, seen } = relayed(issuer, { [NEAR]: away, [FAR]: away });
  const verifier = follow(issuer, { fetch, relays: [NEAR, FAR], clientId: "api", clientSecret: "s" });
  await verifier.verify(await issuer.token());
  await pass(issuer, verifier, () => verifier.health().feed === "live");
  const streams = seen.filter(({ path }) => path === STREAM);
  assert.deepEqual(new Set(streams.map(({ at }) => at)), new Set([NEAR, FAR, ISSUER]));
  assert.equal(streams.at(-1).authorization, `Basic ${btoa("api:s")}`);
  assert(streams.slice(0, -1).every(({ at, authorization }) => at !== ISSUER && !authorization));
  verifier.close();
});

test("a relay that proves nothing new for 3 seconds is left, beside the stream that it has", async () => {
  const issuer = await ScriptedIssuer.make();
  let isSilent = false;
  const silent = (path) => {
    if (path !== STREAM || !isSilent) return null;
    const body = new ReadableStream({
      start: (controller) => controller.enqueue(Buffer.from('event: hello\ndata: {"epoch":"e1","event_id":0}\n\n')),
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  const { fetch, seen } = relayed(issuer, { [NEAR]: silent });
  isSilent = true;
  const verifier = follow(issuer, { fetch, relays: [NEAR, FAR] });
  await verifier.verify(await issuer.token());
  await pass(issuer, verifier, () => seen.some(({ at, path }) => at === NEAR && path === STREAM));
  const began = issuer.run;
  await pass(issuer, verifier, () => seen.some(({ at, path }) => at === FAR && path === STREAM));
  assert(issuer.run - began >= 3 && issuer.run - began <= 4.5, `after ${issuer.run - began} s`);
  await soon(() => verifier.health().feed === "live");
  verifier.close();
});

test("a list that a relay does not have is fetched at the next one, at once", async () => {
  const issuer = await ScriptedIssuer.make();
  issuer.bits.add(7);
  const lacks = (path) => (path.startsWith("/status/") ? new Response("", { status: 404 }) : null);
  const { fetch, asked } = relayed(issuer, { [NEAR]: lacks });
  const verifier = follow(issuer, { fetch, relays: [NEAR, FAR], stale: "refuse" });
  const [good, bad] = [await issuer.token(issuer.at(5)), await issuer.token(issuer.at(7))];
  assert.equal(await codeOf(() => verifier.verify(good)), "revocation_stale");
  await pass(issuer, verifier, () => verifier.health().lists === 1);
  assert(asked(FAR).includes("/status/7"));
  await verifier.verify(good);
  assert.equal(await codeOf(() => verifier.verify(bad)), "revoked");
  verifier.close();
});

test("a relay that forges is left, and nothing of it is believed", async () => {
  const issuer = await ScriptedIssuer.make();
  const thief = await ScriptedIssuer.make();
  const forges = async (path, { signal }) => {
    if (path !== STREAM) return null;
    const event = await issuer.event(1, 0, { jtis: { b: 1_800_036_000 } }, { key: thief.keys[0] });
    const body = new ReadableStream({
      start: (controller) => {
        controller.enqueue(
          Buffer.from(`event: hello\ndata: {"epoch":"e1","event_id":1}\n\nevent: revoked\ndata: ${event}\n\n`),
        );
        signal.addEventListener("abort", () => controller.error(new Error("closed")));
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  };
  const { fetch, asked } = relayed(issuer, { [NEAR]: forges });
  const verifier = follow(issuer, { fetch, relays: [NEAR, FAR] });
  const token = await issuer.token({ jti: "b" });
  await verifier.verify(token);
  await pass(issuer, verifier, () => asked(FAR).includes(STREAM));
  await soon(() => verifier.health().feed === "live");
  await verifier.verify(token);
  assert.equal(verifier.health().refusals, 1);
  verifier.close();
});

test("a relay that is no URL refuses every token", async () => {
  const issuer = await ScriptedIssuer.make();
  for (const relay of ["ftp://near.internal", "near.internal", `${NEAR}?a=b`, 1]) {
    const verifier = follow(issuer, { relays: [relay] });
    const token = await issuer.token();
    assert.equal(await codeOf(() => verifier.verify(token)), "invalid_policy");
    assert.equal(await codeOf(() => verifier.verify(token)), "invalid_policy");
    verifier.close();
  }
});

test("a bridge is never silently left out: where nothing is followed, it cannot be named", async () => {
  const issuer = await ScriptedIssuer.make();
  const keys = { keys: issuer.keys.map(({ jwk }) => jwk) };
  const feed = { feedUrl: "https://bridge.example.com/revocations", feedIssuer: "https://bridge.example.com" };
  for (const options of [{ keys }, { revocation: null }, { revocation: { isRevoked: () => false } }]) {
    assert.throws(() => follow(issuer, { ...feed, feedSecret: "s".repeat(32), ...options }), { code: "invalid_policy" });
  }
});
