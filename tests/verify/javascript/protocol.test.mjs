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

const { issuer, uri, now, jwks, revoked_kids: revokedKids, bits, documents, messages } = vectors("revocation");
const keys = await KeySet.read(jwks);
const moment = { wall: now, run: 1000 };

function follower() {
  const revocations = new Revocations(issuer, { mode: "feed", stale: "serve", staleAfter: 60 });
  revocations.learnOffer({ stream: `${issuer}/revocations`, snapshot: `${issuer}/revocations/snapshot` });
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
  const found = [];
  octets.forEach((octet, at) => {
    for (let bit = 0; bit < 8; bit++) if ((octet >> bit) & 1) found.push(8 * at + bit);
  });
  assert.deepEqual(found, bits);
});

test("every message means what the vectors say", async () => {
  const wrong = [];
  for (const one of messages) {
    const { known, stream } = follower();
    const [epoch, number] = one.position.split(":");
    known.startAt({ epoch, eventId: Number(number) });
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
