// Opening a signed token (RFC 7515 §5.2, RFC 7519 §7.2). The order is: shape, key, `alg`, signature, `typ`, claims; an
// error about a later step says that the earlier ones passed.

import { decode, octetsOf, parseObject } from "./encoding.js";
import { badClaim, malformed, VerifyError } from "./errors.js";
import { isKnownAlgorithm } from "./keys.js";

/** @import { Key, KeySet } from "./keys.js" */

/** @typedef {Record<string, any>} Claims */
/** @typedef {(value: any) => boolean} Test */

const MOST_CHARACTERS = 250_000; // RFC 8725bis §3.15
const MOST_HEADER_CHARACTERS = 20_000;

/** How many seconds `iat` may be ahead of our clock. */
export const MAX_CLOCK_LEAD = 60;

const TEXTS = ["alg", "enc", "zip", "kid", "typ", "cty", "jku", "x5u", "x5t", "x5t#S256"];
const REGISTERED = new Set([...TEXTS, "jwk", "x5c", "crit", "epk", "apu", "apv", "iv", "tag", "p2s", "p2c"]);

// ── header and signature ──

/** @param {string} segment @returns {Claims} */
export function readHeader(segment) {
  if (segment.length > MOST_HEADER_CHARACTERS) throw new VerifyError("token_too_long", "the header is too long");
  const header = parseObject(decode(segment));
  for (const name of TEXTS) {
    if (Object.hasOwn(header, name) && typeof header[name] !== "string") {
      throw malformed(`the header's ${name} is not a string`);
    }
  }
  if (!Object.hasOwn(header, "alg")) throw malformed("the header has no alg");
  if (!isKnownAlgorithm(header.alg)) throw new VerifyError("alg_not_allowed", "alg is unknown");
  if (Object.hasOwn(header, "crit")) checkCrit(header, header.crit);
  if (Object.hasOwn(header, "b64") && header.b64 !== true) throw malformed("b64 is not in crit");
  return header;
}

/** RFC 7515 §4.1.11. No extension is understood here. @param {Claims} header @param {any} names */
function checkCrit(header, names) {
  if (!areTexts(names) || !names.length || new Set(names).size < names.length) {
    throw malformed("crit is no list of names");
  }
  if (names.some((/** @type {string} */ name) => REGISTERED.has(name) || !Object.hasOwn(header, name))) {
    throw malformed("crit names a wrong parameter");
  }
  throw new VerifyError("unsupported_crit", "the token needs an extension");
}

/** Split a token of bounded length. @param {unknown} token @param {number} [most] */
function split(token, most = MOST_CHARACTERS) {
  if (typeof token !== "string") throw malformed("not a string");
  if (token.length > most) throw new VerifyError("token_too_long", "the token is too long");
  const parts = token.split(".", 4);
  if (parts.length !== 3) throw malformed("a JWS has three parts");
  return parts;
}

/** Read a token without verifying anything. @param {unknown} token */
export function peek(token) {
  const [segment, payload] = split(token);
  return { header: readHeader(segment), claims: parseObject(decode(payload)) };
}

/**
 * Verify the signature of a token, and return its header and claims.
 *
 * @param {string} token
 * @param {KeySet} keys
 * @param {number} [most] How many characters it may have.
 */
export async function open(token, keys, most) {
  const [segment, encodedPayload, encodedSignature] = split(token, most);
  const known = keys.headers.get(segment);
  const { alg, typ, kid } = /** @type {Claims} */ (known ?? readHeader(segment));
  const payload = decode(encodedPayload);
  const signature = decode(encodedSignature);
  const key = known?.key ?? keys.select(alg, kid);
  await key.verify(octetsOf(`${segment}.${encodedPayload}`), signature);
  if (!known) keys.remember(segment, { key, alg, typ, kid });
  return { typ, kid, claims: parseObject(payload) };
}

// ── claims ──

/** @type {Test} */
export const isText = (value) => typeof value === "string";
/** @type {Test} */
export const isName = (value) => isText(value) && value !== "";
/** @type {Test} */
export const isDate = (value) => typeof value === "number" && Math.abs(value) < 2 ** 53;
/** @param {Test} test @returns {Test} */
export const isListOf = (test) => (value) => Array.isArray(value) && value.every(test);
export const areTexts = isListOf(isText);
/** @param {Test} test @returns {Test} */
export const isOneOrMore = (test) => (value) => test(value) || isListOf(test)(value);
/** @param {Test} test @returns {Test} */
export const isNullOr = (test) => (value) => value === null || test(value);

const REGISTERED_CLAIMS = Object.entries({
  iss: isText,
  sub: isText,
  jti: isText,
  aud: isOneOrMore(isText),
  exp: isDate,
  nbf: isDate,
  iat: isDate,
});

/**
 * Refuse claims that are there and of another type.
 *
 * @param {Claims} claims
 * @param {[string, Test][]} tests
 */
export function checkTypes(claims, tests) {
  for (const [name, test] of tests) {
    if (claims[name] !== undefined && !test(claims[name])) throw badClaim(name);
  }
}

/**
 * The claims that RFC 7519 registers, and the policy that they have to satisfy.
 *
 * @typedef {object} Policy
 * @property {string} [issuer]
 * @property {readonly string[]} [audience] One of them is enough.
 * @property {string | null} typ
 * @property {readonly string[]} required
 * @property {number} [leeway]
 */

/**
 * @param {string | undefined} typ What the header says.
 * @param {Claims} claims
 * @param {Policy} policy
 * @param {number} now
 */
export function checkPolicy(typ, claims, { issuer, audience, typ: expected, required, leeway = 0 }, now) {
  checkTyp(typ, expected);
  checkTypes(claims, REGISTERED_CLAIMS);
  for (const name of required) requireClaim(claims, name);
  if (claims.exp <= now - leeway) throw refusedClaim("expired", "exp", "the token has expired");
  if (claims.nbf > now + leeway) throw refusedClaim("not_yet_valid", "nbf", "it is not valid yet");
  if (issuer !== undefined) {
    requireClaim(claims, "iss");
    checkIssuer(claims, issuer);
  }
  if (audience) checkAudience(claims, "aud", audience);
}

/** @param {Claims} claims @param {string} issuer */
export function checkIssuer({ iss }, issuer) {
  if (iss !== issuer) throw refusedClaim("wrong_issuer", "iss", "iss is not the expected issuer");
}

/** @param {Claims} claims @param {string} name @param {readonly string[]} audience */
export function checkAudience(claims, name, audience) {
  requireClaim(claims, name);
  if (!audience.includes(claims[name]) && ![claims[name]].flat().some((one) => audience.includes(one))) {
    throw refusedClaim("wrong_audience", name, `${name} does not name the expected audience`);
  }
}

/** RFC 7515 §4.1.9: a `typ` without "/" is short for `application/` and it. @param {string} [typ] */
export const mediaType = (typ) => (typ === undefined || typ.includes("/") ? typ : `application/${typ}`)?.toLowerCase();

/** @param {string | undefined} typ @param {string | null} expected */
export function checkTyp(typ, expected) {
  if (expected !== null && typ !== expected && mediaType(typ) !== mediaType(expected)) {
    throw new VerifyError("wrong_typ", `the token is not a ${expected}`);
  }
}

/** @param {number} iat @param {number} now */
export function refuseFuture(iat, now) {
  if (iat > now + MAX_CLOCK_LEAD) {
    throw refusedClaim("issued_in_future", "iat", "iat is ahead of the clock");
  }
}

/** @param {Claims} claims @param {string} name */
function requireClaim(claims, name) {
  if (claims[name] === undefined) throw refusedClaim("missing_claim", name, `${name} is required`);
}

/** @param {string} code @param {string} claim @param {string} message */
const refusedClaim = (code, claim, message) => new VerifyError(code, message, { claim });
