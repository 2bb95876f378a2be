// What an issuer publishes: its keys, and where its revocations are (RFC 8414, OpenID Connect Discovery). One refresh
// at a time, in the background unless a token has to wait for it.

import { octetsOf, parseObject } from "./encoding.js";
import { VerifyError } from "./errors.js";
import { checkedUrl, FETCH_SECONDS, FetchError, isLoopback, isSameOrigin, wholeSeconds } from "./http.js";
import { KeySet } from "./keys.js";

/** @typedef {{ stream: string | null, snapshot: string | null }} Offer Where an issuer says what it has revoked. */

const FRESH_SECONDS = 600; // of keys, when the answer does not say
const [LEAST_FRESH, MOST_FRESH] = [60, 3600]; // a withdrawn key is dropped within the hour
const USABLE_SECONDS = 3 * 24 * 3600; // the last known keys verify so long while the issuer is away: a long weekend
const DISCOVERY_SECONDS = 24 * 3600;
const UNKNOWN_KID_SECONDS = 30; // tokens with an unknown `kid` cause one fetch, and then none for this long
const [FIRST_BACKOFF, MOST_BACKOFF] = [5, 60];
const MOST_CHARACTERS = 512 * 1024;

export class Issuer {
  #getter;
  #clock;
  #alg;
  #parts;
  #allowHttp;
  #isGiven;
  #jwksUrl;
  #discoveredAt = -Infinity;
  #freshSeconds = FRESH_SECONDS;
  #backoff = 0;
  #retryAt = 0;
  #askedAt = -Infinity;
  #landed = 0;
  /** @type {Promise<void> | null} */
  #flight = null;

  /**
   * @param {string} url
   * @param {object} options
   * @param {import("./http.js").Getter} options.getter
   * @param {() => number} options.clock
   * @param {() => void} options.onLearned Called when new keys, or a new term for them, are known.
   * @param {(message: string) => void} options.log
   * @param {string} [options.jwksUrl]
   * @param {string} [options.alg]
   * @param {boolean} [options.allowHttp]
   */
  constructor(url, { getter, clock, onLearned, log, jwksUrl, alg, allowHttp = false }) {
    this.#parts = checkedUrl(url, "issuer", allowHttp);
    if (jwksUrl !== undefined) checkedUrl(jwksUrl, "jwksUrl", allowHttp);
    this.url = url;
    this.#getter = getter;
    this.#clock = clock;
    this.onLearned = onLearned;
    this.#alg = alg;
    this.#allowHttp = allowHttp;
    this.#isGiven = jwksUrl !== undefined;
    this.#jwksUrl = jwksUrl;
    this.log = log;
    this.keys = new KeySet([]);
    /** The key set as it was published. */
    this.body = "";
    this.started = 0;
    /** @type {number | null} */
    this.fetchedAt = null;
    /** @type {Offer} */
    this.offer = { stream: null, snapshot: null };
    /** Why the last fetch failed. @type {string | null} */
    this.failure = null;
  }

  // ── when ──

  /** Whether the keys need not be fetched again. @param {number} now */
  isFresh(now) {
    return this.#isWithin(now, this.#freshSeconds);
  }

  /** Whether the keys may verify, fresh or not. @param {number} now */
  isUsable(now) {
    return this.#isWithin(now, USABLE_SECONDS);
  }

  /** Seconds until a fetch may follow a failed one. @param {number} now */
  retryAfter(now) {
    const wait = this.#retryAt - now;
    return wait > 0 && wait <= MOST_BACKOFF ? wait : 0; // longer than any back-off: the clock was set back
  }

  /** Why tokens may lack a key, or null. */
  get problem() {
    return this.failure ?? this.keys.leftOut;
  }

  /** The error of a token whose key cannot be fetched now; null if there is none to fetch. @param {number} now */
  unavailable(now) {
    if (this.failure === null && this.isUsable(now)) return null;
    const retryAfter = Math.max(1, Math.ceil(this.retryAfter(now)));
    return new VerifyError("issuer_unavailable", `cannot fetch the keys of ${this.url}`, { retryAfter });
  }

  /** @param {number} now @param {number} seconds */
  #isWithin(now, seconds) {
    const age = this.fetchedAt === null ? -1 : now - this.fetchedAt;
    return age >= 0 && age < seconds;
  }

  /** @param {number} now */
  #isDue(now) {
    return this.failure === null ? !this.isFresh(now) : this.retryAfter(now) === 0;
  }

  /** @param {number} now */
  refreshIfDue(now) {
    if (!this.#flight && this.#isDue(now)) this.#start(now);
  }

  /**
   * Return a refresh that may bring an unknown key, or null if waiting would not help.
   *
   * @param {number} now
   * @param {number} before `started` when the token came: what a later refresh did not bring, another will not bring.
   */
  lookForUnknown(now, before) {
    if (this.#flight || this.#landed > before) return this.#flight;
    return this.#isDue(now) || (this.failure === null && this.#mayAsk(now)) ? this.#start(now) : null;
  }

  /** Return a refresh that may bring the key of a document, which outsiders cannot cause. @param {number} now */
  lookAgain(now) {
    if (this.#flight) return this.#flight;
    return this.failure === null || this.#isDue(now) ? this.#start(now) : null;
  }

  /** @param {number} now */
  #mayAsk(now) {
    const passed = now - this.#askedAt;
    if (passed >= 0 && passed < UNKNOWN_KID_SECONDS) return false;
    this.#askedAt = now;
    return true;
  }

  // ── what ──

  /** @param {number} now @returns {Promise<void>} It never fails: `failure` says why there is nothing new. */
  #start(now) {
    const number = ++this.started;
    return (this.#flight = this.#refresh(now)
      .catch((error) => this.#fail(error instanceof FetchError ? error.message : String(error)))
      .finally(() => {
        this.#landed = number;
        this.#flight = null;
      }));
  }

  /** @param {number} now */
  async #refresh(now) {
    const signal = AbortSignal.timeout(FETCH_SECONDS * 1000);
    const isOld = !this.#isGiven && !(now - this.#discoveredAt >= 0 && now - this.#discoveredAt < DISCOVERY_SECONDS);
    const found =
      this.#jwksUrl === undefined || isOld
        ? await this.#discover(signal)
        : { jwksUrl: this.#jwksUrl, offer: this.offer };
    const { status, headers, body } = await this.#getter.get(found.jwksUrl, MOST_CHARACTERS, signal);
    if (status !== 200) throw new FetchError(`${found.jwksUrl} answered ${status}`);
    if (body !== this.body) await this.#take(body, found.jwksUrl);
    if (found.jwksUrl !== this.#jwksUrl || isOld) this.#discoveredAt = now;
    this.#jwksUrl = found.jwksUrl;
    this.offer = found.offer;
    this.fetchedAt = now;
    this.failure = null;
    this.#freshSeconds = freshSeconds(headers);
    this.#backoff = 0;
    this.onLearned();
  }

  /** @param {string} body @param {string} url */
  async #take(body, url) {
    this.keys = await KeySet.read(objectIn(body), this.#alg).catch((error) => {
      throw new FetchError(`${url} holds no keys: ${error.message}`);
    });
    this.body = body;
    if (this.keys.leftOut) this.log(`${this.url}: ${this.keys.leftOut}`);
  }

  /** @param {string} reason */
  #fail(reason) {
    this.failure = reason;
    this.#backoff = Math.min(2 * this.#backoff || FIRST_BACKOFF, MOST_BACKOFF);
    this.#retryAt = this.#clock() + this.#backoff;
    if (!this.#isGiven) this.#jwksUrl = undefined; // the keys may have moved
    this.log(`cannot fetch the keys of ${this.url}: ${reason}`);
  }

  /** @param {AbortSignal} signal */
  async #discover(signal) {
    const metadata = await this.#metadata(signal);
    const { jwks_uri: jwksUrl, revocations_uri: stream, revocations_snapshot_uri: snapshot } = metadata;
    if (typeof jwksUrl !== "string") throw new FetchError(`the metadata of ${this.url} has no jwks_uri`);
    try {
      checkedUrl(jwksUrl, "jwks_uri", this.#allowHttp);
    } catch (error) {
      throw new FetchError(/** @type {Error} */ (error).message);
    }
    if (isLoopback(jwksUrl) && !isLoopback(this.url)) {
      throw new FetchError(`the jwks_uri of ${this.url} is on this machine`);
    }
    const [ours, shot] = [stream, snapshot].map((url) => (isSameOrigin(url, this.url) ? url : null));
    return { jwksUrl, offer: { stream: ours, snapshot: shot } };
  }

  /** RFC 8414 §3, and where there is no such document, OpenID Connect Discovery §4. @param {AbortSignal} signal */
  async #metadata(signal) {
    const { origin, pathname } = this.#parts;
    const path = pathname.replace(/\/+$/, "");
    let trouble = "";
    for (const url of [
      `${origin}/.well-known/oauth-authorization-server${path}`,
      `${origin}${path}/.well-known/openid-configuration`,
    ]) {
      const { status, body } = await this.#getter.get(url, MOST_CHARACTERS, signal);
      const metadata = status === 200 ? objectIn(body) : null;
      if (metadata) {
        // RFC 8414 §3.3: a document that names another issuer must not be used.
        if (metadata.issuer !== this.url) throw new FetchError(`${url} is about another issuer`);
        return metadata;
      }
      if (status !== 404 && status !== 410) trouble ||= `${url} answered ${status}, no metadata`;
    }
    throw new FetchError(trouble || `${this.url} has no metadata: give jwksUrl`);
  }
}

/** @param {string} body */
function objectIn(body) {
  try {
    return parseObject(octetsOf(body));
  } catch {
    return null;
  }
}

/** How long an answer is fresh by its headers (RFC 9111 §4.2), within our bounds. @param {Headers} headers */
function freshSeconds(headers) {
  const directives = (headers.get("cache-control") ?? "").split(",").map((part) => part.trim().toLowerCase());
  if (directives.includes("no-store") || directives.includes("no-cache")) return LEAST_FRESH;
  const ages = directives.filter((part) => part.startsWith("max-age="));
  const age = ages.length === 1 ? wholeSeconds(ages[0].slice(8).replaceAll('"', "")) : null;
  if (age === null) return FRESH_SECONDS;
  return Math.min(Math.max(age - (wholeSeconds(headers.get("age")) ?? 0), LEAST_FRESH), MOST_FRESH);
}
