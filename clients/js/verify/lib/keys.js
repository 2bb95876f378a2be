// Keys that verify: what WebCrypto can do, a row for each algorithm. A key is bound to one; headers can only agree.

import { decode, isObject } from "./encoding.js";
import { VerifyError } from "./errors.js";

/** @param {string} name @param {number} bits */
const rsa = (name, bits) => ({
  kty: "RSA",
  members: ["e", "kty", "n"],
  algorithm: { name, hash: `SHA-${bits}`, saltLength: bits / 8 }, // RFC 7518 §3.5: a salt as long as the hash
});

/** @param {string} namedCurve @param {number} bits @param {number} size */
const ecdsa = (namedCurve, bits, size) => ({
  kty: "EC",
  crv: namedCurve,
  members: ["crv", "kty", "x", "y"],
  size,
  algorithm: { name: "ECDSA", namedCurve, hash: `SHA-${bits}` },
});

/**
 * @typedef {object} Row
 * @property {string} kty
 * @property {string} [crv]
 * @property {string[]} members What makes the key, in the order of RFC 7638.
 * @property {number} [size] Octets of a coordinate.
 * @property {any} algorithm What WebCrypto calls it.
 */

/** @type {Record<string, Row>} */
const ALGORITHMS = {
  RS256: rsa("RSASSA-PKCS1-v1_5", 256),
  RS384: rsa("RSASSA-PKCS1-v1_5", 384),
  RS512: rsa("RSASSA-PKCS1-v1_5", 512),
  PS256: rsa("RSA-PSS", 256),
  PS384: rsa("RSA-PSS", 384),
  PS512: rsa("RSA-PSS", 512),
  ES256: ecdsa("P-256", 256, 32),
  ES384: ecdsa("P-384", 384, 48),
  ES512: ecdsa("P-521", 512, 66),
  Ed25519: { kty: "OKP", crv: "Ed25519", members: ["crv", "kty", "x"], size: 32, algorithm: { name: "Ed25519" } },
};

/** What a proof or a token may be signed by; `EdDSA` is the old name of Ed25519 (RFC 9864). */
export const ASYMMETRIC = [...Object.keys(ALGORITHMS), "EdDSA"];

/**
 * Whether a header may name it: not `none`. No key here is a shared secret, so HMAC never verifies.
 *
 * @param {string} alg
 */
export const isKnownAlgorithm = (alg) => ASYMMETRIC.includes(alg) || /^HS(256|384|512)$/.test(alg);

const PRIVATE = ["d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"];
const [LEAST_BITS, MOST_BITS] = [2048, 8192]; // RFC 7518 §3.3; above, verifying is slow enough to be an attack

/** @param {string} message */
const invalid = (message) => new VerifyError("invalid_key", message);

/** A public key, bound to an algorithm. */
export class Key {
  #material;
  #algorithm;

  /**
   * @param {CryptoKey} material
   * @param {string} alg
   * @param {string | undefined} kid
   * @param {string} canonical Its members as RFC 7638 §3 writes them.
   */
  constructor(material, alg, kid, canonical) {
    this.#material = material;
    this.#algorithm = ALGORITHMS[alg].algorithm;
    this.algs = alg === "Ed25519" ? [alg, "EdDSA"] : [alg];
    this.kid = kid;
    this.canonical = canonical;
  }

  /** @param {Uint8Array<ArrayBuffer>} message @param {Uint8Array<ArrayBuffer>} signature */
  async verify(message, signature) {
    const isGood = await crypto.subtle.verify(this.#algorithm, this.#material, signature, message).catch(() => false);
    if (!isGood) throw new VerifyError("bad_signature", "the signature does not fit");
  }

  /**
   * Read a JWK that someone else sent: a public key.
   *
   * @param {unknown} jwk
   * @param {string} [fallback] The algorithm, if the JWK names none and its type leaves a choice.
   */
  static async read(jwk, fallback) {
    if (!isObject(jwk)) throw invalid("not an object");
    if (PRIVATE.some((name) => Object.hasOwn(jwk, name))) throw invalid("a private key");
    if ("kid" in jwk && typeof jwk.kid !== "string") throw invalid("kid is not a string");
    const alg = algorithmOf(jwk, fallback);
    checkUse(jwk);
    const canonical = checkMembers(jwk, ALGORITHMS[alg]);
    const { algorithm } = ALGORITHMS[alg];
    const material = await crypto.subtle
      .importKey("jwk", JSON.parse(canonical), algorithm, true, ["verify"])
      .catch(() => {
        throw invalid("not a key");
      });
    checkRsa(/** @type {any} */ (material.algorithm));
    if (alg === "Ed25519") (await import("./ed25519.js")).checkPoint(decode(jwk.x));
    return new Key(material, alg, jwk.kid, canonical);
  }
}

/** @param {Record<string, any>} jwk @param {string} [fallback] */
function algorithmOf(jwk, fallback) {
  const implied = Object.keys(ALGORITHMS).find((name) => jwk.crv && ALGORITHMS[name].crv === jwk.crv);
  let alg = Object.hasOwn(jwk, "alg") ? jwk.alg : (implied ?? fallback);
  if (alg === "EdDSA") alg = "Ed25519";
  if (alg === undefined) throw invalid("no alg");
  if (!Object.hasOwn(ALGORITHMS, alg)) throw invalid("unknown alg");
  const { kty, crv } = ALGORITHMS[alg];
  if (jwk.kty !== kty || (crv && jwk.crv !== crv)) throw invalid(`not a key for ${alg}`);
  return alg;
}

/** RFC 7517 §4.2, §4.3: an operation is a text, and named once. @param {Record<string, any>} jwk */
function checkUse({ use = "sig", key_ops: operations = ["verify"] }) {
  const names = [...new Set(operations)].filter((name) => typeof name === "string");
  if (use !== "sig" || !names.includes("verify") || names.length !== operations.length) throw invalid("for another use");
}

/** Return the members that make the key, and no others. @param {Record<string, any>} jwk @param {Row} row */
function checkMembers(jwk, { members, size }) {
  for (const name of members.filter(({ length }) => length === 1)) {
    const length = lengthOf(jwk[name]);
    // RFC 7518 §6.2.1.2: a coordinate has its full length.
    if (!length || (size && length !== size)) throw invalid(`${name} has another length`);
  }
  return JSON.stringify(Object.fromEntries(members.map((name) => [name, jwk[name]])));
}

/** @param {string} text */
function lengthOf(text) {
  try {
    return decode(text).length;
  } catch {
    return 0;
  }
}

/** @param {{ modulusLength?: number, publicExponent?: Uint8Array }} algorithm */
function checkRsa({ modulusLength: bits = LEAST_BITS, publicExponent = new Uint8Array([1, 0, 1]) }) {
  const isOdd = publicExponent[publicExponent.length - 1] & 1;
  const isUsable = isOdd && publicExponent.length <= 4 && String(publicExponent) !== "1";
  if (bits < LEAST_BITS || bits > MOST_BITS || !isUsable)
    throw new VerifyError("weak_key", `no usable RSA key: ${bits} bits`);
}

/** @typedef {{ key: Key, alg: string, typ?: string, kid?: string }} KnownHeader */

const MOST_KEYS = 100; // reading one takes time
const MOST_HEADERS = 64;

/** Keys that may verify a token, found by `kid` (RFC 7517 §5). */
export class KeySet {
  /** @param {Key[]} keys @param {number} [skipped] @param {Iterable<string>} [reasons] */
  constructor(keys, skipped = 0, reasons = []) {
    this.keys = keys;
    /** Why published keys are not here, or null. */
    this.leftOut = skipped ? `${skipped} published keys are not used: ${[...reasons].join("; ")}` : null;
    /** Headers that good signatures came with. @type {Map<string, KnownHeader>} */
    this.headers = new Map();
  }

  /**
   * Read a JWK Set; members that cannot be used are left out.
   *
   * @param {any} document
   * @param {string} [fallback]
   * @param {string} [what] What the keys sign, if not tokens.
   */
  static async read(document, fallback, what) {
    if (!Array.isArray(document?.keys)) throw invalid("not a JWK Set");
    const members = document.keys.filter((/** @type {any} */ member) => member?.["urn:gatepass:signs"] === what);
    if (members.length > MOST_KEYS) throw invalid("too many keys");
    const read = await Promise.allSettled(members.map((/** @type {any} */ member) => Key.read(member, fallback)));
    const keys = read.flatMap((one) => (one.status === "fulfilled" ? [one.value] : []));
    const reasons = read.flatMap((one) => (one.status === "rejected" ? [one.reason.message] : []));
    return new KeySet(keys, reasons.length, new Set(reasons));
  }

  /** @param {ReadonlySet<string>} kids */
  without(kids) {
    return kids.size ? new KeySet(this.keys.filter(({ kid }) => kid === undefined || !kids.has(kid))) : this;
  }

  /**
   * Find the one key for a token's header.
   *
   * @param {string} alg
   * @param {string} [kid]
   */
  select(alg, kid) {
    const named = kid === undefined ? this.keys : this.keys.filter((key) => key.kid === kid);
    if (!named.length && kid !== undefined) throw new VerifyError("unknown_key", "no key has this kid");
    const fitting = named.filter(({ algs }) => algs.includes(alg));
    if (!fitting.length) throw new VerifyError("alg_not_allowed", "no key is for this alg");
    if (new Set(fitting.map(({ canonical }) => canonical)).size > 1) {
      throw new VerifyError("unknown_key", "several keys fit");
    }
    return fitting[0];
  }

  /** @param {string} segment @param {KnownHeader} header */
  remember(segment, header) {
    if (this.headers.size >= MOST_HEADERS) this.headers.clear(); // an issuer writes a handful
    this.headers.set(segment, header);
  }
}
