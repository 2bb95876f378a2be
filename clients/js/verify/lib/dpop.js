// DPoP (RFC 9449) at an API: which proofs are accepted, how nonces are issued, and which proofs were used before.

import { ALPHABET, isObject, octetsOf } from "./encoding.js";
import { VerifyError } from "./errors.js";
import { ASYMMETRIC, Key, KeySet } from "./keys.js";
import { checkPolicy, checkTypes, isNullOr, isText, open, readHeader } from "./token.js";

/** @import { DPoP, DPoPOptions, Replays } from "../index.d.ts" */

const MOST_CHARACTERS = 8192;
const SKEW_SECONDS = 10; // of `nbf` (FAPI 2.0 Security Profile §5.3.2.1)
const NONCE_SECONDS = 300; // issued for so long, accepted for up to twice as long
const MOST_REPLAYS = 500_000;

/** @type {import("./token.js").Test} */
const isJti = (value) => isText(value) && value.length > 0 && [...value].length <= 256;

const CLAIMS = Object.entries({ jti: isJti, htm: isText, htu: isText, ath: isNullOr(isText), nonce: isNullOr(isText) });

/** @param {string} message */
const invalidProof = (message) => new VerifyError("invalid_dpop_proof", message);

/**
 * The proofs that this process has seen, in two generations: what is older than both has expired. A generation lasts
 * by both clocks, since a wall clock that is set back makes old proofs young again. A full one accepts no more.
 *
 * @implements {Replays}
 */
export class InMemoryReplays {
  #young = new Set();
  #old = new Set();
  #seconds = 0;
  #began = { wall: -Infinity, run: -Infinity };

  /** @param {number} [size] How many to remember in each generation. */
  constructor(size = MOST_REPLAYS) {
    this.size = size;
  }

  /** @param {string} name @param {number} seconds How long to keep it. @param {number} [wall] */
  spend(name, seconds, wall = Date.now() / 1000, run = performance.now() / 1000) {
    this.#turn({ wall, run }, seconds);
    if (this.#young.has(name) || this.#old.has(name)) return false;
    if (this.#young.size >= this.size) {
      const retryAfter = Math.ceil(this.#seconds);
      throw new VerifyError("replays_unavailable", "too many proofs to remember", { retryAfter });
    }
    this.#young.add(name);
    return true;
  }

  /** @param {{ wall: number, run: number }} now @param {number} seconds */
  #turn(now, seconds) {
    this.#seconds = Math.max(this.#seconds, seconds);
    const lasted = Math.min(now.wall - this.#began.wall, now.run - this.#began.run);
    if (lasted < this.#seconds) return;
    this.#old = lasted >= 2 * this.#seconds ? new Set() : this.#young;
    this.#young = new Set();
    this.#began = now;
  }
}

/** Which proofs a verifier accepts. */
export class DPoPPolicy {
  #seconds;
  /** @type {Replays} */
  #replays;
  #secret;
  /** @type {Promise<CryptoKey> | undefined} */
  #key;

  /** @param {DPoPOptions & { seconds: number }} options */
  constructor({ seconds, replays = new InMemoryReplays(), nonceSecret }) {
    this.#seconds = seconds;
    this.#replays = replays;
    this.#secret = nonceSecret;
  }

  /**
   * Check everything about a proof except whether it was used before (RFC 9449 §4.3).
   *
   * @param {DPoP} dpop
   * @param {string} token
   * @param {number} now
   */
  async check({ proof, method, url }, token, now) {
    const { claims, thumbprint } = await opened(proof, now);
    if (claims.htm !== method) throw invalidProof("the proof is for another method");
    if (!isSameTarget(claims.htu, url)) throw invalidProof("the proof is for another URL");
    if (Math.abs(now - claims.iat) > this.#seconds || ("exp" in claims && claims.exp <= now)) {
      throw invalidProof("the proof has expired, or is from the future");
    }
    if (claims.ath !== (await sha256(token))) throw invalidProof("the proof is for another token");
    if (this.#secret && !(await this.#isOurs(claims.nonce, now))) {
      throw new VerifyError("use_dpop_nonce", "the proof must repeat our nonce", { nonce: await this.nonce(now) });
    }
    return { thumbprint, jti: claims.jti, iat: claims.iat };
  }

  /**
   * Record that a proof is used; another may have the same `jti` only under another key.
   *
   * @param {{ thumbprint: string, jti: string, iat: number }} proof
   * @param {number} now
   */
  async spend({ thumbprint, jti, iat }, now) {
    const name = await sha256(`${thumbprint}.${jti}`);
    const isNew = await asked(() => this.#replays.spend(name, iat + this.#seconds - now + 1, now));
    if (!isNew) throw invalidProof("the proof was used before");
  }

  /** What proofs must repeat now, or undefined where they need not. @param {number} now */
  async nonce(now) {
    return this.#secret && this.#nonceOf(Math.floor(now / NONCE_SECONDS));
  }

  /** It is no secret: anyone may ask for one. @param {unknown} nonce @param {number} now */
  async #isOurs(nonce, now) {
    const slot = Math.floor(now / NONCE_SECONDS);
    return nonce === (await this.#nonceOf(slot)) || nonce === (await this.#nonceOf(slot - 1));
  }

  /** @param {number} slot */
  async #nonceOf(slot) {
    const secret = /** @type {BufferSource} */ (this.#secret);
    this.#key ??= crypto.subtle.importKey("raw", secret, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]);
    const tag = await crypto.subtle.sign("HMAC", await this.#key, octetsOf(`dpop nonce ${slot}`));
    return encode(new Uint8Array(tag, 0, 16));
  }
}

/** @param {string} proof @param {number} now */
async function opened(proof, now) {
  try {
    if (proof.length > MOST_CHARACTERS) throw new VerifyError("token_too_long", "the proof is too long");
    const { jwk, alg } = readHeader(proof.split(".", 1)[0]);
    if (!isObject(jwk) || !ASYMMETRIC.includes(alg)) throw invalidProof("the proof has no key of its own");
    const key = await Key.read(jwk, alg);
    const { typ, claims } = await open(proof, only(key));
    const required = ["jti", "htm", "htu", "iat"];
    checkPolicy(typ, claims, { typ: "dpop+jwt", required, leeway: SKEW_SECONDS }, now);
    checkTypes(claims, CLAIMS);
    return { claims, thumbprint: await sha256(key.canonical) };
  } catch (error) {
    throw invalidProof(`the proof was refused: ${error instanceof VerifyError ? error.code : "malformed"}`);
  }
}

/** A set of one key, whatever name the proof gives it. @param {Key} key */
function only(key) {
  const keys = new KeySet([key]);
  return Object.assign(keys, { select: (/** @type {string} */ alg) => KeySet.prototype.select.call(keys, alg) });
}

/** The answer of a place for used proofs, which may be elsewhere. @param {() => boolean | Promise<boolean>} ask */
async function asked(ask) {
  try {
    return await ask();
  } catch (error) {
    if (error instanceof VerifyError) throw error;
    throw new VerifyError("replays_unavailable", "used proofs cannot be looked up", { retryAfter: 5 });
  }
}

/** Whether two URLs are equal without query and fragment, in any spelling (RFC 3986 §6.2.2, §6.2.3). */
export function isSameTarget(/** @type {string} */ htu, /** @type {string} */ url) {
  try {
    return target(htu) === target(url);
  } catch {
    return false;
  }
}

const URL_OF_HTTP =
  /^(https?):\/\/(\[[0-9a-f:.]+\]|(?:[a-z0-9._~!$&'()*+,;=-]|%[0-9a-f]{2})+)(?::([0-9]{0,5}))?(\/[!"$->@-[\]-~]*)?(?:[?#][!-[\]-~]*)?$/i;

/** @param {string} url */
function target(url) {
  // RFC 3986 §3.2.2 without user information. Parsers repair, and disagree: on blanks, backslashes, numbers in hosts.
  const found = URL_OF_HTTP.exec(url);
  const [, scheme, host, port, pathname = "/"] = found ?? [];
  if (!scheme || Number(port ?? 0) > 65_535) throw new TypeError("not a URL of HTTP");
  const usual = scheme.length === 5 ? 443 : 80;
  const origin = `${scheme}://${host}:${Number(port) || usual}`.toLowerCase();
  // What need not be encoded is decoded: an encoded slash stays different from a plain one.
  const path = pathname.replace(/%([0-9a-f]{2})/gi, (escape, digits) => {
    const character = String.fromCharCode(parseInt(digits, 16));
    return /[A-Za-z0-9._~-]/.test(character) ? character : escape.toUpperCase();
  });
  return origin + path;
}

/** @param {Uint8Array} octets */
function encode(octets) {
  let text = "";
  for (let index = 0; index < octets.length; index += 3) {
    const [a, b = 0, c = 0] = octets.subarray(index, index + 3);
    const group = (a << 16) | (b << 8) | c;
    for (let shift = 18; shift >= 0; shift -= 6) text += ALPHABET[(group >> shift) & 63];
  }
  return text.slice(0, Math.ceil((octets.length * 4) / 3));
}

/** @param {string} text */
async function sha256(text) {
  return encode(new Uint8Array(await crypto.subtle.digest("SHA-256", octetsOf(text))));
}
