// The documents that an issuer signs (docs/protocol/revocation.md): reading them changes nothing.

import { decode, isObject } from "../encoding.js";
import { badClaim, VerifyError } from "../errors.js";
import {
  areTexts,
  checkPolicy,
  checkTypes,
  isDate,
  isListOf,
  isNullOr,
  isText,
  open,
  readHeader,
  refuseFuture,
} from "../token.js";

/** @import { KeySet } from "../keys.js" */
/** @import { Known } from "./known.js" */

const LIST_OCTETS = 131_072;
const MOST_SNAPSHOT_CHARACTERS = 4_000_000;
const REVOKED = "urn:gatepass:revoked";

/** @type {import("../token.js").Test} */
const isCount = Number.isSafeInteger;
/** @type {import("../token.js").Test} */
const isTimes = (value) => isObject(value) && Object.values(value).every(isCount);
/** @type {import("../token.js").Test} */
const isBits = (value) => isObject(value) && isCount(value.bits) && isText(value.lst);
/** @type {import("../token.js").Test} */
const isEntries = (value) =>
  isObject(value) &&
  Object.values(value).every((one) => isListOf(isCount)(one) && /** @type {number[]} */ (one).length === 2);
/** @type {import("../token.js").Test} */
const isPair = (value) =>
  isListOf(() => true)(value) && value.length === 2 && isText(value[0]) && isListOf(isIndex)(value[1]);
/** @type {import("../token.js").Test} */
const isIndex = (value) => isCount(value) && value >= 0 && value < 8 * LIST_OCTETS;

const KINDS = {
  list: {
    typ: "statuslist+jwt",
    required: ["iat", "sub"],
    types: {
      iat: isCount,
      exp: isNullOr(isCount),
      status_list: isBits,
      ttl: isNullOr(isCount),
      epoch: isNullOr(isText),
      event_id: isCount,
    },
    members: ["status_list"],
  },
  snapshot: {
    typ: "revocations+jwt",
    required: ["exp", "iat"],
    types: {
      iat: isCount,
      exp: isCount,
      epoch: isText,
      event_id: isCount,
      jtis: isTimes,
      kids: areTexts,
      issued_before: isEntries,
    },
    members: ["epoch", "event_id", "jtis", "kids"],
  },
  event: {
    typ: "secevent+jwt",
    required: ["iat", "jti"],
    types: { iat: isCount, events: isObject },
    members: ["events"],
  },
  heartbeat: {
    typ: "heartbeat+jwt",
    required: ["iat"],
    types: { epoch: isText, head: isCount, as_of: isDate },
    members: ["epoch", "head", "as_of"],
  },
};

/**
 * Verify a document by the steps that all of them share.
 *
 * @param {keyof typeof KINDS} kind
 * @param {string} token
 * @param {KeySet} keys
 * @param {number} now
 * @param {Known} known
 */
async function read(kind, token, keys, now, known) {
  const { typ, required, types, members } = KINDS[kind];
  const { kid } = readHeader(token.split(".", 1)[0]);
  if (kid === undefined) throw new VerifyError("invalid_key", "the document does not name its key");
  known.refuseSigner(kid);
  const opened = await open(token, keys, kind === "snapshot" ? MOST_SNAPSHOT_CHARACTERS : undefined);
  const { claims } = opened;
  checkPolicy(opened.typ, claims, { issuer: kind === "list" ? undefined : known.issuer, typ, required }, now);
  checkTypes(claims, Object.entries(types));
  const missing = members.find((name) => !Object.hasOwn(claims, name));
  if (missing) throw badClaim(missing, `${missing} is missing`);
  return { claims, kid };
}

/**
 * @param {string} uri Where it was fetched from: a list for another URL is refused.
 * @param {string} token
 * @param {KeySet} keys
 * @param {number} now
 * @param {Known} known
 */
export async function readList(uri, token, keys, now, known) {
  const { claims, kid } = await read("list", token, keys, now, known);
  if (claims.iss !== undefined && claims.iss !== known.issuer) {
    throw new VerifyError("wrong_issuer", "the list is another issuer's", { claim: "iss" });
  }
  if (claims.sub !== uri) throw badClaim("sub", "the list is for another URL");
  refuseFuture(claims.iat, now);
  if (claims.status_list.bits !== 1) throw badClaim("status_list", "only statuses of one bit are supported");
  return { claims, kid, octets: await inflated(decode(claims.status_list.lst), typeof claims.epoch === "string") };
}

/** @param {string} token @param {KeySet} keys @param {number} now @param {Known} known */
export async function readSnapshot(token, keys, now, known) {
  const { claims, kid } = await read("snapshot", token, keys, now, known);
  refuseFuture(claims.iat, now);
  refuseOwnKey(kid, claims.kids);
  return { claims, kid };
}

/** @param {string} token @param {KeySet} keys @param {number} now @param {Known} known */
export async function readEvent(token, keys, now, known) {
  const { claims, kid } = await read("event", token, keys, now, known);
  const revoked = claims.events[REVOKED];
  if (!isObject(revoked) || !isCount(revoked.after)) throw badClaim("events");
  const { after, status = [], jtis = {}, kids = [], issued_before: issuedBefore = {} } = revoked;
  const isGood = isListOf(isPair)(status) && isTimes(jtis) && areTexts(kids) && isEntries(issuedBefore);
  if (!isGood) throw badClaim("events");
  refuseOwnKey(kid, kids);
  const position = positionIn(claims.jti);
  if (!position) throw badClaim("jti", "jti is not a position");
  return { position, after, status, jtis, kids, issuedBefore };
}

/** @param {string} token @param {KeySet} keys @param {number} now @param {Known} known */
export async function readHeartbeat(token, keys, now, known) {
  const { epoch, head, as_of: asOf, iat } = (await read("heartbeat", token, keys, now, known)).claims;
  return { epoch, head, asOf, iat };
}

/**
 * The thief of a key could revoke honest ones, but a key does not revoke itself.
 *
 * @param {string} kid
 * @param {string[]} kids
 */
function refuseOwnKey(kid, kids) {
  if (kids.includes(kid)) throw badClaim("kids", "a key cannot revoke itself");
}

/** @param {string} text @returns {import("./known.js").Position | null} */
function positionIn(text) {
  const found = /^([A-Za-z0-9]+):([0-9]{1,18})$/.exec(text);
  return found && { epoch: found[1], eventId: Number(found[2]) };
}

/**
 * Inflate the bits of a list, which the stream of the platform does, up to their bound.
 *
 * @param {Uint8Array<ArrayBuffer>} deflated
 * @param {boolean} isWhole Whether it must have its full size: lists of other issuers may be shorter.
 */
async function inflated(deflated, isWhole) {
  const octets = new Uint8Array(LIST_OCTETS);
  let size = 0;
  try {
    const reader = new Blob([deflated]).stream().pipeThrough(new DecompressionStream("deflate")).getReader();
    for (let part; !(part = await reader.read()).done; size += part.value.length) {
      if (size + part.value.length > LIST_OCTETS) {
        reader.cancel().catch(() => {});
        throw badClaim("status_list", "the list has too many bits");
      }
      octets.set(part.value, size);
    }
  } catch (error) {
    throw error instanceof VerifyError ? error : badClaim("status_list", "lst is not compressed by ZLIB");
  }
  const bits = octets.subarray(0, size);
  // ZLIB ends with a checksum (RFC 1950 §2.2). Some platforms ignore what follows it, so look for it at the very end.
  const end = new DataView(deflated.buffer, deflated.byteLength - 4).getUint32(0);
  if (!size || (isWhole && size !== LIST_OCTETS) || end !== adler32(bits)) {
    throw badClaim("status_list", "the list has another size");
  }
  return bits;
}

/** @param {Uint8Array} octets */
function adler32(octets) {
  let [a, b] = [1, 0];
  for (let start = 0; start < octets.length; start += 4096) {
    for (const octet of octets.subarray(start, start + 4096)) b += a += octet;
    a %= 65521;
    b %= 65521;
  }
  return b * 65536 + a;
}
