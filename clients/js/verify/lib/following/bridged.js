// What a bridge tells of another issuer's subjects and sign-ins: their tokens are revoked if issued before a time. It names
// them by digests under a key that the bridge and its readers share, and which say nothing to anybody else.

import { octetsOf } from "../encoding.js";
import { invalidPolicy, VerifyError } from "../errors.js";
import { checkedUrl, Getter } from "../http.js";

/** @import { Principal } from "../principal.js" */

const SHORTEST_SECRET = 32; // random characters: a password could be guessed from one entry
const MOST_DIGESTS = 20_000;

/**
 * @typedef {object} BridgeOptions
 * @property {string} [feedUrl]
 * @property {string} [feedIssuer]
 * @property {string} [feedSecret]
 * @property {string} [feedSubject]
 */

/** The keys that are derived of a secret (HKDF, RFC 5869). @param {string} secret @param {string} purpose */
async function derived(secret, purpose) {
  const key = await crypto.subtle.importKey("raw", octetsOf(secret), "HKDF", false, ["deriveBits"]);
  const info = octetsOf(`gatepass bridge ${purpose}`);
  return crypto.subtle.deriveBits({ name: "HKDF", hash: "SHA-256", salt: new Uint8Array(), info }, key, 256);
}

/** @param {ArrayBuffer} octets */
const base64url = (octets) =>
  btoa(String.fromCharCode(...new Uint8Array(octets)))
    .replaceAll("+", "-")
    .replaceAll("/", "_")
    .replace(/=+$/, "");

/** Shows the bridge that we have the secret, at its feed and nowhere else. */
export class FeedGetter extends Getter {
  #bearer;

  /** @param {typeof globalThis.fetch} fetch @param {string} secret */
  constructor(fetch, secret) {
    super(fetch);
    this.#bearer = derived(secret, "reader").then(base64url);
    this.#bearer.catch(() => {}); // each request says why
  }

  /** @type {Getter["ask"]} */
  async ask(url, init) {
    return super.ask(url, { ...init, headers: { ...init.headers, authorization: `Bearer ${await this.#bearer}` } });
  }
}

/** The entries. They only grow, except for those whose tokens have all expired. */
export class Bridged {
  #issuer;
  #key;
  #subjectClaim;
  /** @type {Map<string, [number, number]>} */
  #entries = new Map();
  /** @type {Map<string, string>} */
  #digests = new Map();

  /** @param {string} issuer Whose tokens it is about. @param {BridgeOptions & { feedSecret: string }} options */
  constructor(issuer, { feedSecret, feedSubject }) {
    this.#issuer = issuer;
    this.#subjectClaim = feedSubject;
    this.#key = derived(feedSecret, "digests").then((octets) =>
      crypto.subtle.importKey("raw", octets, { name: "HMAC", hash: "SHA-256" }, false, ["sign"]),
    );
    this.#key.catch(() => {}); // each token says why
  }

  /** Revoke what they name from now on; of two about the same, the later times hold. @param {Record<string, [number, number]>} entries */
  add(entries) {
    for (const [digest, [before, until]] of Object.entries(entries)) {
      const [known, end] = this.#entries.get(digest) ?? [-Infinity, -Infinity];
      this.#entries.set(digest, [Math.max(before, known), Math.max(until, end)]);
    }
  }

  /** Drop entries whose tokens expired before a time. @param {number} ended */
  forgetEnded(ended) {
    for (const [digest, [, until]] of this.#entries) if (until <= ended) this.#entries.delete(digest);
  }

  /** How the feed may name a token. @param {Principal} principal @returns {[kind: string, name: string][]} */
  #names({ subject, sessionId, claims }) {
    const other = this.#subjectClaim === undefined ? undefined : claims[this.#subjectClaim];
    /** @type {[string, unknown][]} */
    const names = [
      ["sub", subject],
      ["sid", sessionId],
      ["sub", other],
    ];
    return /** @type {[string, string][]} */ (names.filter(([, name]) => typeof name === "string"));
  }

  /** Return when the digests of a token are known; null: they are. @param {Principal} principal */
  learn(principal) {
    const unknown = this.#names(principal).filter((named) => !this.#digests.has(named.join(":")));
    return unknown.length ? Promise.all(unknown.map((named) => this.#digest(named))) : null;
  }

  /** HMAC-SHA-256, cut to 128 bits; each part comes after its length. @param {[string, string]} named */
  async #digest(named) {
    const parts = [named[0], this.#issuer, named[1]].map(octetsOf).flatMap((octets) => {
      const length = new Uint8Array(4);
      new DataView(length.buffer).setUint32(0, octets.length);
      return [...length, ...octets];
    });
    const tag = await crypto.subtle.sign("HMAC", await this.#key, new Uint8Array(parts));
    if (this.#digests.size >= MOST_DIGESTS)
      this.#digests.delete(/** @type {string} */ (this.#digests.keys().next().value));
    this.#digests.set(named.join(":"), base64url(tag.slice(0, 16)));
  }

  /** Throw if a token was issued before its subject or its sign-in was revoked. @param {Principal} principal */
  judge(principal) {
    if (!this.#entries.size) return;
    for (const named of this.#names(principal)) {
      const digest = this.#digests.get(named.join(":"));
      if (digest === undefined) throw new VerifyError("revocation_stale", "not looked up yet", { retryAfter: 1 });
      const entry = this.#entries.get(digest);
      const iat = /** @type {any} */ (principal.claims.iat);
      // Without `iat` nobody can tell, and what cannot be told counts as revoked.
      if (entry && !(typeof iat === "number" && Math.trunc(iat) > entry[0])) {
        throw new VerifyError("revoked", "the token's subject or sign-in was revoked after it was issued");
      }
    }
  }
}

/**
 * What the options say of a bridge; null: there is none.
 *
 * @param {string} tokenIssuer
 * @param {BridgeOptions & { allowHttpInDevelopment?: boolean }} options
 */
export function bridgeOf(tokenIssuer, { feedUrl, feedIssuer, feedSecret, feedSubject, allowHttpInDevelopment }) {
  const given = [feedUrl, feedIssuer, feedSecret].filter((one) => one !== undefined).length;
  if (!given && feedSubject === undefined) return null;
  if (given < 3) throw invalidPolicy("feedUrl, feedIssuer and feedSecret belong together");
  if (feedIssuer === tokenIssuer) throw invalidPolicy("feedIssuer is the bridge, and not the issuer of tokens");
  if (typeof feedSecret !== "string" || feedSecret.length < SHORTEST_SECRET) {
    throw invalidPolicy(`feedSecret has at least ${SHORTEST_SECRET} random characters`);
  }
  const { search } = checkedUrl(feedUrl, "feedUrl", allowHttpInDevelopment);
  if (search) throw invalidPolicy("feedUrl has no query");
  const stream = String(feedUrl).replace(/\/+$/, "");
  return { issuer: String(feedIssuer), secret: feedSecret, offer: { stream, snapshot: `${stream}/snapshot` } };
}
