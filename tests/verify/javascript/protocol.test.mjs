// The vectors of docs/protocol/revocation.md: the follower judges each as the file says (revocation.json).

import assert from "node:assert/strict";
import { test } from "node:test";

import {
  readEvent,
  readHeartbeat,
  readList,
  readSnapshot,
} from "../../../clients/js/verify/lib/following/documents.js";
import { Revocations } from "../../../clients/js/verify/lib/following/revocations.js";
import { Lost } from "../../../clients/js/verify/lib/following/stream.js";
import { KeySet } from "../../../clients/js/verify/lib/keys.js";
import { codeOf, vectors } from "./support.mjs";

const protocol = vectors("revocation");
const { issuer, uri, now, jwks, revoked_kids: revokedKids, bits, documents, messages } = protocol;
const keys = await KeySet.read(jwks);
const moment = { wall: now, run: 1000 };

function follower() {
  const revocations = new Revocations(issuer, { mode: "feed", stale: "serve", staleAfter: 60 });
  revocations.learnOffer({ stream: `${issuer}/revocations`, snapshot: `${issuer}/revocations/snapshot` });
  return revocations;
}

function bitsOf(octets) {
  const found = [];
  octets.forEach((octet, at) => {
    for (let bit = 0; bit < 8; bit++) if ((octet >> bit) & 1) found.push(8 * at + bit);
  });
  return found;
}

function followerAt(position) {
  const revocations = follower();
  const [epoch, number] = position.split(":");
  revocations.known.startAt({ epoch, eventId: Number(number) });
  return revocations;
}

const READERS = { snapshot: readSnapshot, event: readEvent, heartbeat: readHeartbeat };

const read = ({ document, token }, { known }) =>
  document === "status_list" ? readList(uri, token, keys, now, known) : READERS[document](token, keys, now, known);

test("every document is judged as the vectors say", async () => {
  const wrong = [];
  for (const one of documents) {
    const revocations = follower();
    revocations.known.revokeKeys(revokedKids);
    const told = await codeOf(() => read(one, revocations));
    const code = typeof told === "string" ? told : undefined;
    if (code !== one.error || (one.verdict === "accept") !== (code === undefined))
      wrong.push([one.name, one.document, code]);
  }
  assert.deepEqual(wrong, []);
});

test("the bits of the good list are those that the vectors name", async () => {
  const { octets } = await read(
    documents.find(({ name, document }) => name === "good" && document === "status_list"),
    follower(),
  );
  assert.deepEqual(bitsOf(octets), bits);
});

test("every message means what the vectors say", async () => {
  const wrong = [];
  for (const one of messages) {
    const { known, stream } = followerAt(one.position);
    const [before, proof] = [known.position, known.byStream];
    const heard = await read(one, { known });
    let verdict;
    try {
      if (one.document === "event") stream.hearEvent(stream.opened(moment), heard, moment);
      else stream.hearHeartbeat(heard, moment);
      verdict = known.position !== before ? "apply" : known.byStream !== proof ? "prove" : "ignore";
    } catch (error) {
      assert(error instanceof Lost && known.position === null);
      verdict = "start over";
    }
    if (verdict !== one.verdict) wrong.push([one.name, verdict]);
  }
  assert.deepEqual(wrong, []);
});

test("every greeting means what the vectors say", () => {
  const wrong = [];
  for (const { name, data, position, verdict } of protocol.greetings) {
    const { known, stream } = followerAt(position);
    let told = "go on";
    try {
      stream.hearGreeting(stream.opened(moment), data, moment);
    } catch (error) {
      assert(error instanceof Lost && known.position === null);
      told = "start over";
    }
    if (told !== verdict) wrong.push([name, told]);
  }
  assert.deepEqual(wrong, []);
});

test("a list that comes after events has the bits that the vectors name", async () => {
  for (const { name, position, events, list, bits: expected } of protocol.joined) {
    const revocations = followerAt(position);
    const { known, stream } = revocations;
    const connection = stream.opened(moment);
    for (const token of events) stream.hearEvent(connection, await readEvent(token, keys, now, known), moment);
    revocations.learnList(await readList(uri, list, keys, now, known), moment);
    assert.deepEqual(bitsOf(known.lists.find(uri).octets), expected, name);
  }
});

test("a list that comes after starting over has the bits that the vectors name", async () => {
  for (const { name, position, held, events, list, error, bits: expected } of protocol.replaced) {
    const revocations = followerAt(position);
    const { known, stream } = revocations;
    revocations.learnList(await readList(uri, held, keys, now, known), moment);
    const connection = stream.opened(moment);
    for (const token of events) stream.hearEvent(connection, await readEvent(token, keys, now, known), moment);
    known.startOver();
    const told = await codeOf(async () => revocations.learnList(await readList(uri, list, keys, now, known), moment));
    assert.deepEqual([told, bitsOf(known.lists.find(uri).octets)], [error, expected], name);
  }
});

test("a key set is split as the vectors say", async () => {
  for (const { name, jwks: set, documents: ofDocuments, tokens } of protocol.key_sets) {
    const marked = await KeySet.read(set, undefined, "revocations");
    const others = await KeySet.read(set);
    const kids = (found) => found.keys.map(({ kid }) => kid);
    assert.deepEqual(kids(marked.keys.length || marked.leftOut ? marked : others), ofDocuments, name);
    assert.deepEqual(kids(others), tokens, name);
  }
});
