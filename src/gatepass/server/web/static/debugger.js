// The token page. Nothing that is typed here leaves the browser: the page's policy lets this script read the server's
// public keys, and connect to nothing else.
"use strict";

const root = document.getElementById("debugger");
const texts = JSON.parse(root.dataset.texts);
const language = document.documentElement.lang;
const locale = navigator.languages.find((each) => each.split("-")[0] === language) ?? language;

const REQUIRED = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"]; // RFC 9068 §2.2
const TIMES = ["exp", "nbf", "iat", "auth_time"];
const MOST_AHEAD = 60; // seconds that clocks may differ by

// ── algorithms: what WebCrypto calls them, and which keys are theirs (RFC 7518 §3.1, RFC 9864) ──

function ec(curve, hash) {
  return { kty: "EC", crv: curve, key: { name: "ECDSA", namedCurve: curve }, verify: { name: "ECDSA", hash } };
}

function rsa(hash) {
  return { kty: "RSA", key: { name: "RSASSA-PKCS1-v1_5", hash }, verify: { name: "RSASSA-PKCS1-v1_5" } };
}

function pss(hash, saltLength) {
  return { kty: "RSA", key: { name: "RSA-PSS", hash }, verify: { name: "RSA-PSS", saltLength } };
}

function hmac(hash) {
  return { kty: "oct", key: { name: "HMAC", hash }, verify: { name: "HMAC" } };
}

const ed25519 = { kty: "OKP", crv: "Ed25519", key: { name: "Ed25519" }, verify: { name: "Ed25519" } };

const ALGORITHMS = new Map([
  ["ES256", ec("P-256", "SHA-256")],
  ["ES384", ec("P-384", "SHA-384")],
  ["ES512", ec("P-521", "SHA-512")],
  ["RS256", rsa("SHA-256")],
  ["RS384", rsa("SHA-384")],
  ["RS512", rsa("SHA-512")],
  ["PS256", pss("SHA-256", 32)],
  ["PS384", pss("SHA-384", 48)],
  ["PS512", pss("SHA-512", 64)],
  ["HS256", hmac("SHA-256")],
  ["HS384", hmac("SHA-384")],
  ["HS512", hmac("SHA-512")],
  ["Ed25519", ed25519],
  ["EdDSA", ed25519],
]);

// ── reading a token ──

/** What keeps a token from being read or checked; its message is the name of a text. */
class Trouble extends Error {}

function bytesOf(text) {
  if (!/^[A-Za-z0-9_-]*$/.test(text) || text.length % 4 === 1) throw new Trouble("not_base64url");
  return Uint8Array.from(atob(text.replaceAll("-", "+").replaceAll("_", "/")), (each) => each.charCodeAt(0));
}

function objectOf(text) {
  let value;
  try {
    value = JSON.parse(new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytesOf(text)));
  } catch (error) {
    throw error instanceof Trouble ? error : new Trouble("not_json");
  }
  if (typeof value !== "object" || value === null || Array.isArray(value)) throw new Trouble("not_json");
  return value;
}

function read(token) {
  const parts = token.split(".");
  if (parts.length === 5) throw new Trouble("encrypted"); // RFC 7516 §7.1
  if (parts.length !== 3) throw new Trouble("not_a_token");
  return {
    parts,
    header: objectOf(parts[0]),
    payload: objectOf(parts[1]),
    signature: bytesOf(parts[2]),
    signed: new TextEncoder().encode(`${parts[0]}.${parts[1]}`),
  };
}

// ── the signature ──

let published = null; // this server's keys, read once

async function serverKeys() {
  try {
    published ??= await (await fetch(root.dataset.jwks)).json();
  } catch {
    throw new Trouble("jwks_away");
  }
  return published.keys;
}

function jwksOf(text) {
  let value;
  try {
    value = JSON.parse(text);
  } catch {
    throw new Trouble("key_unreadable");
  }
  return Array.isArray(value.keys) ? value.keys : [value];
}

function importJwk(jwk, algorithm) {
  if (jwk.d !== undefined) throw new Trouble("key_private");
  const { kty, crv, x, y, n, e, k } = jwk; // and not its `use` or `key_ops`: what a key may do is its owner's affair
  return crypto.subtle.importKey("jwk", { kty, crv, x, y, n, e, k }, algorithm.key, false, ["verify"]);
}

function importPem(text, algorithm) {
  if (text.includes("PRIVATE KEY")) throw new Trouble("key_private");
  const body = /-----BEGIN PUBLIC KEY-----([^-]+)-----END PUBLIC KEY-----/.exec(text);
  if (body === null) throw new Trouble("key_unreadable");
  if (algorithm.kty === "oct") throw new Trouble("key_wrong"); // a public key is no secret: RFC 8725 §2.1
  const der = Uint8Array.from(atob(body[1].replaceAll(/\s/g, "")), (each) => each.charCodeAt(0));
  return crypto.subtle.importKey("spki", der, algorithm.key, false, ["verify"]);
}

/** Those that the header may mean: of the algorithm's kind, and by `kid` unless it is the one key that was pasted. */
function candidates(keys, header, algorithm, isTheOne) {
  return keys.filter(
    (key) =>
      key.kty === algorithm.kty &&
      (algorithm.crv === undefined || key.crv === algorithm.crv) &&
      (key.alg === undefined || ALGORITHMS.get(key.alg) === algorithm) &&
      (isTheOne || header.kid === undefined || key.kid === header.kid),
  );
}

async function keysFor(header, algorithm, pasted) {
  if (pasted.startsWith("-----BEGIN")) return [await importPem(pasted, algorithm)];
  if (pasted !== "" && !pasted.startsWith("{")) {
    if (algorithm.kty !== "oct") throw new Trouble("key_unreadable");
    return [await crypto.subtle.importKey("raw", new TextEncoder().encode(pasted), algorithm.key, false, ["verify"])];
  }
  if (pasted === "" && algorithm.kty === "oct") throw new Trouble("secret_needed");
  const keys = pasted === "" ? await serverKeys() : jwksOf(pasted);
  const found = candidates(keys, header, algorithm, pasted !== "" && keys.length === 1);
  if (found.length === 0) throw new Trouble(pasted === "" ? "key_unknown" : "key_wrong");
  return Promise.all(found.map((jwk) => importJwk(jwk, algorithm)));
}

async function isSigned(token, pasted) {
  const algorithm = ALGORITHMS.get(token.header.alg);
  if (algorithm === undefined) throw new Trouble(token.header.alg === "none" ? "alg_none" : "alg_unknown");
  try {
    for (const key of await keysFor(token.header, algorithm, pasted)) {
      if (await crypto.subtle.verify(algorithm.verify, key, token.signature, token.signed)) return true;
    }
    return false;
  } catch (error) {
    if (error instanceof Trouble) throw error;
    throw new Trouble(error.name === "NotSupportedError" ? "alg_unsupported" : "key_wrong");
  }
}

// ── why it would be refused: each check gives [whether it is right, text, values]; null is "that cannot be seen" ──

const BAD_AS_WELL = ["alg_none", "key_unknown", "key_wrong"];

async function checkSignature(token, pasted) {
  try {
    const holds = await isSigned(token, pasted);
    return [holds, holds ? "signature_right" : "signature_wrong", { alg: token.header.alg }];
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    return [BAD_AS_WELL.includes(error.message) ? false : null, error.message, { alg: String(token.header.alg) }];
  }
}

function checkCritical({ header }) {
  return header.crit === undefined ? [] : [[false, "crit", {}]]; // RFC 7515 §4.1.11: we know no extension
}

function checkTimes({ payload }, now) {
  const found = [];
  const odd = TIMES.filter((name) => payload[name] !== undefined && !Number.isFinite(payload[name]));
  for (const name of odd) found.push([false, "time_wrong", { name }]);
  if (Number.isFinite(payload.exp)) {
    const when = { time: fromNow(payload.exp, now) };
    found.push(payload.exp > now ? [true, "expires", when] : [false, "expired", when]);
  }
  if (payload.nbf > now + MOST_AHEAD) found.push([false, "not_yet", { time: fromNow(payload.nbf, now) }]);
  if (payload.iat > now + MOST_AHEAD) found.push([false, "from_the_future", { time: fromNow(payload.iat, now) }]);
  return found;
}

function checkIssuer({ payload }, pasted) {
  if (pasted !== "" || payload.iss === undefined) return [];
  const { issuer } = root.dataset;
  return [payload.iss === issuer ? [true, "issuer_right", {}] : [false, "issuer_wrong", { issuer }]];
}

function checkKind({ header, payload }) {
  const kind = String(header.typ ?? "").toLowerCase().replace(/^application\//, "");
  if (kind !== "at+jwt") return [[null, "no_access_token", {}]];
  const missing = REQUIRED.filter((name) => payload[name] === undefined);
  return missing.length === 0 ? [] : [[false, "missing", { names: missing.join(", ") }]];
}

function checkElsewhere({ payload }) {
  const found = [];
  if (payload.aud !== undefined) found.push([null, "audience", { audience: [payload.aud].flat().join(", ") }]);
  if (payload.cnf !== undefined) found.push([null, "bound", {}]);
  if (payload.status !== undefined || payload.jti !== undefined) found.push([null, "revocation", {}]);
  return found;
}

async function checks(token, pasted, now) {
  return [
    await checkSignature(token, pasted),
    ...checkCritical(token),
    ...checkTimes(token, now),
    ...checkIssuer(token, pasted),
    ...checkKind(token),
    ...checkElsewhere(token),
  ];
}

// ── in words ──

function say(name, values = {}) {
  return texts[name].replaceAll(/\{(\w+)\}/g, (_, value) => String(values[value]));
}

const UNITS = [
  ["year", 31_557_600],
  ["day", 86_400],
  ["hour", 3_600],
  ["minute", 60],
];

function fromNow(seconds, now) {
  const away = Math.round(seconds - now);
  const [unit, size] = UNITS.find(([, size]) => Math.abs(away) >= size) ?? ["second", 1];
  return new Intl.RelativeTimeFormat(locale).format(Math.trunc(away / size), unit);
}

function moment(seconds, now) {
  const date = new Date(seconds * 1000);
  if (Number.isNaN(date.getTime())) return say("time_wrong", { name: seconds });
  const written = new Intl.DateTimeFormat(locale, { dateStyle: "long", timeStyle: "long" }).format(date);
  return `${written} (${fromNow(seconds, now)})`;
}

function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}

function card(title, className, ...children) {
  const heading = element("h2", className, title);
  return element("section", "card", heading, ...children);
}

function inColours(parts) {
  const classes = ["in-header", "in-payload", "in-signature"];
  const pieces = parts.flatMap((part, index) => [...(index ? ["."] : []), element("span", classes[index], part)]);
  return element("p", "token", ...pieces);
}

function claims(object, now) {
  const list = element("dl", "claims");
  for (const [name, value] of Object.entries(object)) {
    const shown = typeof value === "string" ? value : JSON.stringify(value, null, Array.isArray(value) ? 0 : 2);
    const meaning = element("dd", "", element("code", "", shown));
    if (TIMES.includes(name) && Number.isFinite(value)) meaning.append(element("span", "when", moment(value, now)));
    meaning.append(element("span", "quiet", Object.hasOwn(texts, `claim.${name}`) ? say(`claim.${name}`) : say("claim.other")));
    list.append(element("dt", "mono", name), meaning);
  }
  return list;
}

function hex(bytes) {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join(" ");
}

function verdict(found) {
  const outcome = found.some(([right]) => right === false) ? "refused" : found[0][0] === true ? "accepted" : "unknown";
  const list = element("ul", "checks");
  for (const [right, name, values] of found) {
    const kind = right === null ? "unseen" : right ? "right" : "wrong";
    list.append(element("li", kind, element("span", "hidden-text", `${say(`is_${kind}`)}: `), say(name, values)));
  }
  const section = card(say(outcome), `verdict ${outcome}`, list);
  section.setAttribute("role", "status");
  return section;
}

// ── what happens when something is typed ──

const tokenField = document.getElementById("token");
const keyField = document.getElementById("key");
const result = document.getElementById("result");
let turn = 0;

async function show() {
  const mine = ++turn;
  const text = tokenField.value.replaceAll(/\s/g, "").replace(/^Bearer/i, "");
  if (text === "") return result.replaceChildren();
  const now = Date.now() / 1000;
  try {
    const token = read(text);
    const found = await checks(token, keyField.value.trim(), now);
    if (mine !== turn) return; // something else has been typed since
    result.replaceChildren(
      verdict(found),
      card(say("in_parts"), "", inColours(token.parts)),
      card(say("header"), "in-header", claims(token.header, now)),
      card(say("payload"), "in-payload", claims(token.payload, now)),
      card(say("signature"), "in-signature", element("p", "", element("code", "", hex(token.signature) || "–"))),
    );
  } catch (error) {
    if (!(error instanceof Trouble)) throw error;
    result.replaceChildren(verdict([[false, error.message, {}]]));
  }
}

root.hidden = false;
tokenField.addEventListener("input", show);
keyField.addEventListener("input", show);
void show(); // browsers fill fields in again when one comes back
