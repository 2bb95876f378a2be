// Following what an issuer revokes, through every kind of trouble, by clocks that the tests move.

import assert from "node:assert/strict";
import { test } from "node:test";

import { Lists } from "../../../clients/js/verify/lib/following/lists.js";
import { follow, LIST, live, liveOn, makeKey, pass, quiet, ScriptedIssuer, soon, ISSUER } from "./issuer.mjs";
import { codeOf } from "./support.mjs";

const SNAPSHOT = `${ISSUER}/revocations/snapshot`;
const STREAM = `${ISSUER}/revocations`;

/** "good", or the code of the refusal. */
const verdict = (verifier, token) => codeOf(async () => (await verifier.verify(token), "good"));

test("the first token waits for keys, snapshot and list; then every revocation arrives by the stream", async () => {
  const issuer = await ScriptedIssuer.make();
  const [byIdx, byJti, byKey] = [
    await issuer.token({ ...issuer.at(7), jti: "a" }),
    await issuer.token({ jti: "b" }),
    await issuer.token({ jti: "c" }, issuer.keys[1]),
  ];
  const verifier = await live(issuer);
  for (const token of [byIdx, byJti, byKey]) assert.equal(await verdict(verifier, token), "good");
  await issuer.revoke({ idx: 7 });
  await issuer.revoke({ jti: "b" });
  await issuer.revoke({ kid: "k2" });
  await soon(() => verifier.health().eventId === 3);
  for (const token of [byIdx, byJti, byKey]) assert.equal(await verdict(verifier, token), "revoked");
  assert.equal(await verdict(verifier, await issuer.token(issuer.at(6))), "good");
  const { feed, epoch, lists, knownWithin, ready, refusals } = verifier.health();
  assert.deepEqual(
    { feed, epoch, lists, knownWithin, ready, refusals },
    { feed: "live", epoch: "e1", lists: 1, knownWithin: 5, ready: true, refusals: 0 },
  );
  verifier.close();
});

test("what was revoked before a start is known by the first token", async () => {
  const issuer = await ScriptedIssuer.make();
  await issuer.revoke({ idx: 7 });
  await issuer.revoke({ jti: "b" });
  await issuer.revoke({ kid: "k2" });
  for (const made of [
    issuer.token(issuer.at(7)),
    issuer.token({ jti: "b" }),
    issuer.token({ jti: "c" }, issuer.keys[1]),
  ]) {
    const verifier = follow(issuer);
    const told = await verdict(verifier, await made);
    assert.equal(told, "revoked");
    verifier.close();
  }
});

for (const stale of ["serve", "refuse"]) {
  test(`an issuer that is away: what was revoked stays so, and after a minute "${stale}" decides`, async () => {
    const issuer = await ScriptedIssuer.make();
    const [good, bad] = [await issuer.token(issuer.at(5)), await issuer.token({ ...issuer.at(7), jti: "x" })];
    const verifier = await live(issuer, { stale });
    await issuer.revoke({ idx: 7 });
    await soon(() => verifier.health().eventId === 1);
    issuer.isAway = true;
    issuer.end();
    await soon(() => verifier.health().feed === "list only");
    for (let seconds = 0; seconds < 59; seconds++) {
      issuer.advance(1);
      verifier.tick();
    }
    assert.deepEqual([await verdict(verifier, good), await verdict(verifier, bad)], ["good", "revoked"]);
    issuer.advance(2);
    verifier.tick();
    assert.equal(verifier.health().feed, "stale");
    assert.equal(verifier.health().ready, stale === "serve");
    assert.deepEqual(
      [await verdict(verifier, good), await verdict(verifier, bad)],
      [stale === "serve" ? "good" : "revocation_stale", "revoked"],
    );
    issuer.isAway = false;
    await pass(issuer, verifier, () => verifier.health().feed === "live");
    assert.equal(await verdict(verifier, good), "good");
    verifier.close();
  });
}

test("while the issuer does not answer, one document is asked for at a time", async () => {
  const issuer = await ScriptedIssuer.make();
  const verifier = await live(issuer);
  issuer.isAway = true;
  issuer.end();
  await soon(() => verifier.health().feed !== "live");
  issuer.asked.length = 0;
  for (let seconds = 0; seconds < 60; seconds += 0.25) {
    issuer.advance(0.25);
    verifier.tick();
    await quiet();
  }
  assert(issuer.count(LIST) + issuer.count(SNAPSHOT) < 200, String(issuer.asked.length));
  verifier.close();
});

test("a stream that is half open: another beside it after 3 seconds, and it is dead after 5", async () => {
  const issuer = await ScriptedIssuer.make();
  const token = await issuer.token(issuer.at(7));
  const verifier = await live(issuer);
  issuer.streams.length = 0; // the stream stays open, and never says anything again
  issuer.advance(2.9);
  verifier.tick();
  assert.equal(issuer.count(STREAM), 1);
  issuer.advance(0.1);
  verifier.tick();
  await soon(() => issuer.count(STREAM) === 2);
  await soon(() => verifier.health().provedSecondsAgo === 0);
  await issuer.revoke({ idx: 7 });
  await soon(() => verifier.health().eventId === 1);
  assert.equal(await verdict(verifier, token), "revoked");
  verifier.close();
});

test("nothing is called live that has not been proved for 8 seconds, and documents are polled then", async () => {
  const issuer = await ScriptedIssuer.make();
  const verifier = await live(issuer);
  for (let seconds = 0; seconds < 20; seconds += 2) {
    issuer.advance(2);
    issuer.say(": alive\n\n"); // the connection is open; that proves nothing
    await quiet();
    verifier.tick();
  }
  assert.equal(verifier.health().feed, "list only");
  await soon(() => issuer.count(SNAPSHOT) >= 2);
  verifier.close();
});

test("a node without its store goes on saying how old its knowledge is", async () => {
  const issuer = await ScriptedIssuer.make();
  const verifier = await live(issuer);
  issuer.asOf = issuer.wall;
  issuer.scripts.set(SNAPSHOT, () => new Response("", { status: 503 }));
  issuer.scripts.set(LIST, () => new Response("", { status: 503 }));
  for (let seconds = 0; seconds < 62; seconds += 2) {
    issuer.advance(2);
    await issuer.beat();
    await quiet();
    verifier.tick();
  }
  assert.equal(verifier.health().feed, "stale");
  verifier.close();
});

test("a restart with another epoch: everything anew, and what was revoked stays so meanwhile", async () => {
  const issuer = await ScriptedIssuer.make();
  const [bad, worse] = [await issuer.token(issuer.at(7)), await issuer.token({ ...issuer.at(8), jti: "x" })];
  const verifier = await live(issuer);
  await issuer.revoke({ idx: 7 });
  await soon(() => verifier.health().eventId === 1);
  issuer.end();
  issuer.advance(1);
  [issuer.epoch, issuer.eventId, issuer.log] = ["e2", 100, []];
  issuer.bits.add(8);
  await pass(issuer, verifier, () => verifier.health().epoch === "e2" && verifier.health().feed === "live");
  assert.equal(await verdict(verifier, bad), "revoked");
  await soon(() => issuer.count(LIST) === 2);
  while ((await verdict(verifier, worse)) !== "revoked") await quiet(); // until the list has been read
  verifier.close();
});

test("a list from before an event takes its bits back neither then nor after a new start", async () => {
  const issuer = await ScriptedIssuer.make();
  const token = await issuer.token(issuer.at(7));
  const old = await issuer.list();
  issuer.scripts.set(LIST, () => new Response(old)); // a cache keeps it, or a relay replays it and forges resync
  const verifier = await live(issuer);
  await issuer.revoke({ idx: 7 });
  await soon(() => verifier.health().eventId === 1);
  for (let count = 2; count < 5; count++) {
    issuer.say("event: resync\ndata: {}\n\n");
    await pass(issuer, verifier, () => issuer.count(LIST) >= count);
    await quiet();
    assert.equal(await verdict(verifier, token), "revoked");
    await pass(issuer, verifier, () => verifier.health().feed === "live");
  }
  verifier.close();
});

test("an older list replaces no newer one, and is counted", async () => {
  const issuer = await ScriptedIssuer.make();
  const token = await issuer.token(issuer.at(7));
  const old = await issuer.list();
  await issuer.revoke({ idx: 7 });
  const verifier = await live(issuer);
  issuer.scripts.set(LIST, () => new Response(old));
  issuer.say("event: resync\ndata: {}\n\n");
  await pass(issuer, verifier, () => verifier.health().refusals > 0);
  assert.match(verifier.warnings.join("\n"), /bad_claim: it is older than what we have/);
  assert.equal(await verdict(verifier, token), "revoked");
  verifier.close();
});

test("bits of events that a list does not know yet are set in it", async () => {
  const issuer = await ScriptedIssuer.make();
  const token = await issuer.token({ ...issuer.at(9), jti: "x" });
  const verifier = await live(issuer);
  await issuer.revoke({ idx: 9 });
  await soon(() => verifier.health().eventId === 1);
  issuer.bits.delete(9); // from now on, a node answers that is behind
  issuer.scripts.set(LIST, async () => new Response(await issuer.list({ event_id: 0 })));
  await liveOn(issuer, verifier, 602);
  await soon(() => issuer.count(LIST) === 2);
  assert.equal(await verdict(verifier, token), "revoked");
  verifier.close();
});

const TROUBLES = {
  "a gap": (issuer) => issuer.event(5, 4, { jtis: {} }).then((made) => `event: revoked\ndata: ${made}\n\n`),
  "an event of another epoch": (issuer) =>
    issuer.event(1, 0, {}, { epoch: "e0" }).then((made) => `event: revoked\ndata: ${made}\n\n`),
  "a heartbeat that knows more": (issuer) => issuer.heartbeat({ head: 1 }).then((made) => `: heartbeat ${made}\n\n`),
  "a heartbeat of another epoch": (issuer) =>
    issuer.heartbeat({ epoch: "e0" }).then((made) => `: heartbeat ${made}\n\n`),
  resync: async () => "event: resync\ndata: {}\n\n",
  "a greeting of another epoch": async () => 'event: hello\ndata: {"epoch":"e0","event_id":0}\n\n',
  "a greeting that is rubbish": async () => `event: hello\ndata: ${"[".repeat(10_000)}\n\n`,
  "a greeting behind us": async () => 'event: hello\ndata: {"epoch":"e1","event_id":-1}\n\n',
};

test("who loses the thread starts over from the documents, and listens again from there", async () => {
  for (const [name, make] of Object.entries(TROUBLES)) {
    const issuer = await ScriptedIssuer.make();
    const verifier = await live(issuer);
    issuer.say(await make(issuer));
    await soon(() => verifier.health().epoch === null, name);
    await pass(issuer, verifier, () => verifier.health().feed === "live");
    for (const url of [SNAPSHOT, LIST, STREAM]) assert(issuer.count(url) >= 2, `${name}: ${url}`);
    verifier.close();
  }
});

test("what is forged is refused, counted, and followed by a new start", async () => {
  const stranger = await makeKey("k1");
  const forgeries = {
    "by another key": (issuer) => issuer.event(1, 0, { jtis: { tok_1: 1 } }, { key: stranger }),
    "by an unknown key": (issuer) =>
      issuer.event(1, 0, { jtis: { tok_1: 1 } }, { key: { ...stranger, kid: "no one's" } }),
    "a heartbeat as an event": (issuer) => issuer.heartbeat(),
    "a key that revokes itself": (issuer) => issuer.event(1, 0, { kids: ["k1"] }),
    "an index that no list has": (issuer) => issuer.event(1, 0, { status: [[LIST, [1_048_576]]], jtis: { tok_1: 1 } }),
  };
  for (const [name, make] of Object.entries(forgeries)) {
    const issuer = await ScriptedIssuer.make();
    const token = await issuer.token(issuer.at(5));
    const verifier = await live(issuer);
    issuer.say(`event: revoked\ndata: ${await make(issuer)}\n\n`);
    await soon(() => verifier.health().refusals === 1, name);
    assert.equal(await verdict(verifier, token), "good", name);
    await pass(issuer, verifier, () => verifier.health().feed === "live");
    verifier.close();
  }
});

test("documents of unknown keys cause one fetch of keys in half a minute", async () => {
  const issuer = await ScriptedIssuer.make();
  const stranger = await makeKey("no one's");
  const verifier = await live(issuer);
  const [jwks, began] = [`${ISSUER}/jwks`, issuer.run];
  const before = issuer.count(jwks);
  const forged = `: heartbeat ${await issuer.heartbeat({}, stranger)}\n\n`;
  while (issuer.run - began < 29) {
    const { refusals } = verifier.health();
    await soon(() => (issuer.say(forged), verifier.health().refusals > refusals));
    await pass(issuer, verifier, () => verifier.health().feed === "live");
  }
  assert.equal(issuer.count(jwks), before + 1);
  verifier.close();
});

test("a key that signs from now on is found by the first document that it signed", async () => {
  const issuer = await ScriptedIssuer.make();
  const verifier = await live(issuer);
  issuer.keys = [await makeKey("k3"), ...issuer.keys];
  await issuer.revoke({ jti: "x" });
  await soon(() => verifier.health().eventId === 1);
  assert.equal(verifier.health().refusals, 0);
  verifier.close();
});

test("a message without end closes the stream", async () => {
  const issuer = await ScriptedIssuer.make();
  const verifier = await live(issuer);
  issuer.say(`data: ${"a".repeat(600_000)}`);
  await soon(() => issuer.streams.length === 0);
  verifier.close();
});

for (const [name, step] of [
  ["back", -3600],
  ["forward", 3600],
]) {
  test(`a wall clock that is set ${name}: what was proved counts no more until the next heartbeat`, async () => {
    const issuer = await ScriptedIssuer.make();
    const token = await issuer.token({ iat: issuer.wall - 7200, jti: "old" });
    const verifier = await live(issuer, { stale: "refuse" });
    for (const url of [SNAPSHOT, LIST]) issuer.scripts.set(url, () => new Response("", { status: 503 }));
    issuer.wall += step;
    assert.notEqual(verifier.health().feed, "live");
    assert.equal(await verdict(verifier, token), "revocation_stale");
    await issuer.beat();
    await soon(() => verifier.health().feed === "live");
    assert.equal(await verdict(verifier, token), "good");
    verifier.close();
  });
}

test("a process that has slept asks for news before it accepts a token", async () => {
  const issuer = await ScriptedIssuer.make();
  const token = await issuer.token(issuer.at(7));
  const verifier = await live(issuer);
  issuer.streams.length = 0; // the connection died meanwhile, and neither side knows
  issuer.bits.add(7);
  issuer.log.push([++issuer.eventId, await issuer.event(1, 0, { status: [[LIST, [7]]] })]);
  issuer.advance(30);
  assert.equal(await verdict(verifier, token), "revoked");
  verifier.close();
});

test("a list at another origin is never fetched, and the token counts as stale", async () => {
  for (const uri of [
    "https://evil.example/status/1",
    "http://auth.example.com/status/1",
    "https://auth.example.com:444/s",
    "file:///etc/passwd",
  ]) {
    const issuer = await ScriptedIssuer.make();
    const token = await issuer.token(issuer.at(1, uri));
    for (const [stale, expected] of [
      ["serve", "good"],
      ["refuse", "revocation_stale"],
    ]) {
      const verifier = await live(issuer, { stale });
      assert.equal(await verdict(verifier, token), expected);
      assert.deepEqual([verifier.health().feed, verifier.health().listsMissing], ["stale", 1]);
      verifier.close();
    }
    assert.equal(issuer.count(uri), 0);
  }
});

test("a list that is not there is not asked for again for half a minute", async () => {
  const issuer = await ScriptedIssuer.make();
  const uri = `${ISSUER}/status/none`;
  const verifier = await live(issuer);
  const token = await issuer.token(issuer.at(1, uri));
  assert.equal(await verdict(verifier, token), "good");
  issuer.advance(29);
  verifier.tick();
  assert.equal(issuer.count(uri), 1);
  issuer.advance(1);
  verifier.tick();
  assert.equal(issuer.count(uri), 2);
  verifier.close();
});

test("tokens may cause only so many lists to be fetched", () => {
  const lists = new Lists(ISSUER);
  for (let number = 0; number < 3000; number++) lists.ask(`${ISSUER}/status/${number}`, 0);
  assert.equal(lists.held.size + lists.awaited.size, 1024);
  for (let number = 3000; number < 6000; number++) lists.ask(`${ISSUER}/status/${number}`, 1);
  assert.equal(lists.held.size + lists.awaited.size, 1024);
  assert(lists.missing(1) >= 1024);
});

test("without a stream, documents are polled as tokens come, and revocations are known within the ttl", async () => {
  const issuer = await ScriptedIssuer.make();
  const token = await issuer.token(issuer.at(7));
  const verifier = follow(issuer, { revocation: "list" });
  assert.equal(await verdict(verifier, token), "good");
  assert.deepEqual([verifier.health().feed, verifier.tick, issuer.count(STREAM)], ["list only", undefined, 0]);
  issuer.bits.add(7);
  issuer.advance(31);
  assert.equal(await verdict(verifier, token), "revoked");
  assert.deepEqual([issuer.count(LIST), issuer.count(SNAPSHOT)], [2, 2]);
});

test("what has not changed is not sent again", async () => {
  const issuer = await ScriptedIssuer.make();
  const body = await issuer.snapshot();
  const seen = [];
  issuer.scripts.set(SNAPSHOT, ({ headers }) => {
    seen.push(headers["if-none-match"]);
    return headers["if-none-match"]
      ? new Response(null, { status: 304 })
      : new Response(body, { headers: { etag: '"1"' } });
  });
  const token = await issuer.token();
  const verifier = follow(issuer, { revocation: "list" });
  await verdict(verifier, token);
  issuer.advance(40);
  await verdict(verifier, token);
  await soon(() => seen.length === 2);
  assert.deepEqual([seen, verifier.health().refusals], [[undefined, '"1"'], 0]);
});

test("no redirect is followed, and no answer is read without end", async () => {
  const answers = {
    "a redirect": () => new Response(null, { status: 302, headers: { location: "https://evil.example/" } }),
    "5 MB": () => new Response("a".repeat(5_000_000)),
    "no token": () => new Response("rubbish"),
    "an outage": () => new Response("", { status: 503 }),
  };
  for (const [name, answer] of Object.entries(answers)) {
    const issuer = await ScriptedIssuer.make();
    issuer.scripts.set(SNAPSHOT, answer);
    const verifier = follow(issuer, { stale: "refuse" });
    assert.equal(await verdict(verifier, await issuer.token()), "revocation_stale", name);
    assert.equal(verifier.health().ready, false);
    verifier.close();
  }
});

test("a stream that is refused is asked for again when the issuer says so", async () => {
  const issuer = await ScriptedIssuer.make();
  issuer.scripts.set(STREAM, () => new Response("", { status: 503, headers: { "retry-after": "20" } }));
  const verifier = follow(issuer);
  await verdict(verifier, await issuer.token());
  verifier.tick();
  await soon(() => issuer.count(STREAM) === 1);
  const began = issuer.run;
  while (issuer.count(STREAM) === 1) {
    await quiet();
    issuer.advance(1);
    verifier.tick();
  }
  assert(issuer.run - began >= 20);
  assert.equal(verifier.health().feed, "list only");
  verifier.close();
});

test("an issuer that offers nothing is not followed; one that stops offering is let go", async () => {
  const issuer = await ScriptedIssuer.make();
  issuer.offers = {};
  const verifier = follow(issuer, { stale: "refuse" });
  assert.equal(await verdict(verifier, await issuer.token()), "good");
  assert.deepEqual([verifier.health().feed, verifier.health().ready], ["off", true]);
  verifier.close();
});
