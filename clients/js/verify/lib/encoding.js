// Base64url and JSON as JOSE means them (RFC 7515 §2, §4): no padding, no stray bits, no name twice, bounded nesting.

import { malformed } from "./errors.js";

const DEPTH = 32;

export const ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
const VALUES = new Int8Array(0x10000).fill(-1); // for every UTF-16 code unit, so that no lookup misses
[...ALPHABET].forEach((character, value) => (VALUES[character.charCodeAt(0)] = value));

const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const encoder = new TextEncoder();

/** @param {string} text */
export const octetsOf = (text) => /** @type {Uint8Array<ArrayBuffer>} */ (encoder.encode(text));

/** Decode what is exactly as `encode` writes it. @param {string} text @returns {Uint8Array<ArrayBuffer>} */
export function decode(text) {
  const octets = new Uint8Array((text.length * 3) >> 2);
  let [at, bits, pending] = [0, 0, 0];
  let seen = 0; // negative once one character is not of the alphabet
  for (let index = 0; index < text.length; index++) {
    const value = VALUES[text.charCodeAt(index)];
    seen |= value;
    bits = (bits << 6) | value;
    pending += 6;
    if (pending >= 8) octets[at++] = bits >> (pending -= 8);
  }
  const stray = bits & ((1 << pending) - 1);
  if (seen < 0 || pending === 6 || stray) throw malformed("not base64url");
  return octets;
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
  if (!isBounded(value, DEPTH)) throw malformed("too deep, or a number too large");
  if (!isPlain) lookClosely(text);
  return value;
}

/** @param {unknown} value @returns {value is Record<string, any>} */
export const isObject = (value) => typeof value === "object" && value !== null && !Array.isArray(value);

/** @param {any} value @param {number} depth @returns {boolean} */
function isBounded(value, depth) {
  if (typeof value !== "object" || value === null) return value !== Infinity && value !== -Infinity;
  return depth > 0 && Object.values(value).every((member) => isBounded(member, depth - 1));
}

/** Refuse names that occur twice, and halves of surrogate pairs. @param {string} text Valid JSON. */
function lookClosely(text) {
  /** @type {Set<string>[]} */
  const levels = [];
  let last = "";
  for (const [part] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"|[{}[\]:]/g)) {
    if (part === "{" || part === "[") levels.push(new Set());
    else if (part === "}" || part === "]") levels.pop();
    else if (part !== ":") last = JSON.parse(part);
    else if (levels.at(-1)?.has(last)) throw malformed("the JSON names a member twice");
    else levels.at(-1)?.add(last);
    if (/\p{Surrogate}/u.test(last)) throw malformed("half of a surrogate pair");
  }
}
