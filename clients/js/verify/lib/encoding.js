// Base64url and JSON as JOSE means them (RFC 7515 §2, §4): no padding, no stray bits, no name twice, bounded nesting.

import { malformed } from "./errors.js";

const DEPTH = 32;

const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VALUES = new Int8Array(0x10000).fill(-1); // for every UTF-16 code unit, so that no lookup misses
[...ALPHABET].forEach((character, value) => (VALUES[character.charCodeAt(0)] = value));

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** @param {string} text */
export const octetsOf = (text) => /** @type {Uint8Array<ArrayBuffer>} */ (encoder.encode(text));

/** Decode what is exactly as `encode` writes it. @param {string} text @returns {Uint8Array<ArrayBuffer>} */
export function decode(text) {
  const { length } = text;
  const octets = new Uint8Array((length * 3) >> 2);
  let at = 0;
  let bits = 0;
  let seen = 0; // negative once one character is not of the alphabet
  let index = 0;
  for (const whole = length & ~3; index < whole; index += 4) {
    const a = VALUES[text.charCodeAt(index)];
    const b = VALUES[text.charCodeAt(index + 1)];
    const c = VALUES[text.charCodeAt(index + 2)];
    const d = VALUES[text.charCodeAt(index + 3)];
    seen |= a | b | c | d;
    octets[at++] = (a << 2) | (b >> 4);
    octets[at++] = (b << 4) | (c >> 2);
    octets[at++] = (c << 6) | d;
  }
  for (; index < length; index++) {
    const value = VALUES[text.charCodeAt(index)];
    seen |= value;
    bits = (bits << 6) | value;
  }
  const rest = length & 3;
  if (rest === 2) octets[at] = bits >> 4;
  if (rest === 3) [octets[at], octets[at + 1]] = [bits >> 10, bits >> 2];
  const stray = rest === 2 ? bits & 15 : bits & 3; // without a rest there are no bits
  if (seen < 0 || rest === 1 || stray) throw malformed("not base64url without padding");
  return octets;
}

/** @param {Uint8Array} octets */
export function encode(octets) {
  let text = "";
  for (let index = 0; index < octets.length; index += 3) {
    const [a, b = 0, c = 0] = octets.subarray(index, index + 3);
    const group = (a << 16) | (b << 8) | c;
    for (let shift = 18; shift >= 0; shift -= 6) text += ALPHABET[(group >> shift) & 63];
  }
  return text.slice(0, Math.ceil((octets.length * 4) / 3));
}

/** @param {string} text */
export async function sha256(text) {
  return encode(new Uint8Array(await crypto.subtle.digest("SHA-256", octetsOf(text))));
}

/**
 * Decode a JSON object.
 *
 * @param {Uint8Array} octets
 * @returns {Record<string, any>}
 */
export function parseObject(octets) {
  let text, value, isPlain;
  try {
    text = utf8.decode(octets);
    value = JSON.parse(text);
    // Writing cannot repeat a name: equal texts prove that none was repeated. Most tokens end here.
    isPlain = JSON.stringify(value) === text && !text.includes("\\u");
  } catch {
    throw malformed("not strict JSON");
  }
  if (!isObject(value)) throw malformed("the JSON is not an object");
  if (!isSound(value, DEPTH)) throw malformed("the JSON nests too deeply, or holds a number or text that is none");
  if (!isPlain) refuseRepeatedNames(text);
  return value;
}

/** @param {unknown} value @returns {value is Record<string, any>} */
export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

const LONE_SURROGATE = /\p{Surrogate}/u;

/** @param {any} value @param {number} depth @returns {boolean} */
function isSound(value, depth) {
  if (typeof value === "number") return Number.isFinite(value);
  if (typeof value === "string") return !LONE_SURROGATE.test(value);
  if (typeof value !== "object" || value === null) return true;
  if (!depth) return false;
  for (const name in value) {
    if (!isSound(value[name], depth - 1) || LONE_SURROGATE.test(name)) return false;
  }
  return true;
}

/** @param {string} text Valid JSON. */
function refuseRepeatedNames(text) {
  /** @type {Set<string>[]} */
  const levels = [];
  let last = "";
  for (const [part] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/g)) {
    if (part === "{" || part === "[") levels.push(new Set());
    else if (part === "}" || part === "]") levels.pop();
    else if (part !== ":") last = part;
    else {
      const names = /** @type {Set<string>} */ (levels.at(-1));
      const name = JSON.parse(last);
      if (names.has(name)) throw malformed("the JSON names a member twice");
      names.add(name);
    }
  }
}
