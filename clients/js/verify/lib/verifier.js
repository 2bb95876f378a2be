// The verifier: turns a token into a `Principal`, for one issuer and one policy.

import { DPoPPolicy } from "./dpop.js";
import { invalidPolicy, malformed, VerifyError } from "./errors.js";
import { Follower, within } from "./follower.js";
import { Revocations } from "./following/revocations.js";
import { FETCH_SECONDS, Getter } from "./http.js";
import { Issuer } from "./issuer.js";
import { KeySet } from "./keys.js";
import { principalOf } from "./principal.js";
import { checkAccessToken, checkTyp, followsRfc9068, MAX_CLOCK_LEAD, open, peek } from "./token.js";

/** @import { Denylist, DPoP, Health, VerifierOptions } from "../index.d.ts" */
/** @import { Principal } from "./principal.js" */

const WAIT_SECONDS = FETCH_SECONDS + 1;
const MOST_LEEWAY = 300;
const LONGEST_REMEMBERED = 8192; // in characters, so that the memory is bounded

/**
 * The keys in use, and the tokens that they have verified: replaced as a whole, never mixed.
 *
 * @typedef {object} Memory
 * @property {KeySet} keys
 * @property {ReadonlySet<string>} refused Keys that have been revoked.
 * @property {Map<string, { from: number, until: number, principal: Principal }>} seen By the whole token.
 */

/** Verifies access tokens of one issuer for one API. Make one when your application starts, and keep it. */
export class Verifier {
  #policy;
  #cacheSize;
  /** @type {Issuer | null} */
  #issuer = null;
  /** @type {Promise<KeySet> | null} */
  #given = null;
  /** @type {Follower | Consulting | null} */
  #follower;
  /** @type {Memory} */
  #memory = { keys: new KeySet([]), refused: new Set(), seen: new Map() };
  #offline;

  /** @param {VerifierOptions} options */
  constructor(options) {
    const { issuer, keys, cacheSize = 10_000, clock = wallClock, dpop } = options;
    this.#policy = policyOf(options);
    if (!(cacheSize >= 0)) throw invalidPolicy("cacheSize is a number of tokens");
    this.issuer = issuer;
    this.audience = this.#policy.audience;
    this.clock = clock;
    this.dpop = new DPoPPolicy(dpop);
    this.#cacheSize = cacheSize;
    this.#offline = keys !== undefined;
    const { revocation = this.#offline ? null : "feed" } = options;
    if (keys !== undefined) this.#given = KeySet.read(keys);
    this.#given?.catch(() => {}); // each token says why
    this.#follower = this.#followerOf(revocation, options);
  }

  /** @param {"feed" | "list" | Denylist | null} revocation @param {VerifierOptions} options */
  #followerOf(revocation, options) {
    const isFollowed = revocation === "feed" || revocation === "list";
    const getter = new Getter(options.fetch ?? ((...request) => fetch(...request)));
    if (isFollowed || !this.#offline) this.#issuer = this.#issuerOf(getter, options);
    if (revocation === null) return null;
    if (!isFollowed) return new Consulting(revocation);
    const { running = runningClock, stale = "serve", staleAfter = 60, every } = /** @type {any} */ (options);
    return new Follower(new Revocations(this.issuer, { mode: revocation, stale, staleAfter }), {
      issuer: /** @type {Issuer} */ (this.#issuer),
      getter,
      clock: this.clock,
      running,
      onKeysRevoked: () => this.#adopt(),
      authorization: basic(options),
      every,
    });
  }

  /** @param {Getter} getter @param {VerifierOptions} options */
  #issuerOf(getter, { jwksUrl, alg, log = console.warn, allowHttpInDevelopment: allowHttp }) {
    return new Issuer(this.issuer, { getter, clock: this.clock, onLearned: () => this.#adopt(), log, jwksUrl, alg, allowHttp });
  }

  /**
   * Verify a token: waits for the issuer's keys, and for what it has revoked, if they are not there yet.
   *
   * @param {string} token
   * @param {DPoP} [dpop] The proof that came with it, and the request that it must be about (RFC 9449).
   * @returns {Promise<Principal>}
   */
  async verify(token, dpop) {
    if (typeof token !== "string") throw malformed("a token is a string");
    if (dpop) return this.#proven(token, dpop);
    if (this.dpop.required) throw new VerifyError("unproven_cnf", "a DPoP proof is needed");
    return this.#remembered(token, undefined) ?? this.#verified(token, undefined);
  }

  /** @param {string} token @param {DPoP} dpop */
  async #proven(token, dpop) {
    const proof = await this.dpop.check(dpop, token, this.clock());
    const principal = this.#remembered(token, proof.thumbprint) ?? (await this.#verified(token, proof.thumbprint));
    await this.dpop.spend(proof, this.clock()); // last, so that only valid tokens fill the memory
    return principal;
  }

  /** Find a token that these keys have verified, and judge it by what is known now; null: it has to wait for something. @param {string} token @param {string | undefined} thumbprint */
  #remembered(token, thumbprint) {
    const principal = this.#lookUp(token, thumbprint);
    if (!principal || this.#follower?.settle(principal)) return null;
    this.#follower?.judge(principal);
    return principal;
  }

  /** @param {string} token @param {string | undefined} thumbprint */
  #lookUp(token, thumbprint) {
    const seen = this.#memory.seen.get(token);
    const now = this.clock();
    if (!seen || now < seen.from || now >= seen.until || (seen.principal.keyThumbprint ?? undefined) !== thumbprint) return null;
    const source = this.#offline ? null : this.#issuer;
    if (source && !source.isFresh(now)) {
      source.refreshIfDue(now);
      if (!source.isUsable(now)) return null;
    }
    return seen.principal;
  }

  /** @param {string} token @param {string | undefined} thumbprint */
  async #verified(token, thumbprint) {
    const memory = this.#memory;
    let principal = this.#lookUp(token, thumbprint) ?? (await this.#authentic(token, thumbprint));
    await this.#follower?.settle(principal);
    // Its key may have been revoked meanwhile.
    if (this.#memory !== memory) principal = await this.#authentic(token, thumbprint);
    this.#follower?.judge(principal);
    return principal;
  }

  /** Verify, after each refresh of the keys that may help. @param {string} token @param {string | undefined} thumbprint */
  async #authentic(token, thumbprint) {
    for (let before; ; ) {
      const memory = this.#memory;
      try {
        return await this.#attempt(token, thumbprint);
      } catch (error) {
        if (!(error instanceof VerifyError) || error.code !== "unknown_key") throw error;
        if (this.#memory !== memory) continue; // another token has brought the keys
        if (before === undefined) this.#refuseHopeless(token);
        if (this.#offline || !this.#issuer) throw error;
        before ??= this.#issuer.started;
        const flight = this.#issuer.lookForUnknown(this.clock(), before);
        if (!flight || !(await within(flight, WAIT_SECONDS))) throw this.#why(error);
      }
    }
  }

  /** Verify with the keys at hand. @param {string} token @param {string | undefined} thumbprint */
  async #attempt(token, thumbprint) {
    if (this.#given) await this.#takeGiven();
    const memory = this.#memory;
    const now = this.clock();
    const source = this.#offline ? null : this.#issuer;
    if (source && !source.isUsable(now)) throw new VerifyError("unknown_key", "the issuer's keys are not known yet");
    const opened = await open(token, memory.keys);
    checkAccessToken(opened, this.#policy, now, thumbprint);
    const principal = principalOf(opened.claims, this.#policy);
    if (source && !source.isFresh(now)) source.refreshIfDue(now); // only now, so that only valid tokens cause a fetch
    this.#remember(memory, token, principal);
    return principal;
  }

  async #takeGiven() {
    const keys = await this.#given;
    if (!this.#given) return;
    this.#given = null;
    this.#memory.keys = /** @type {KeySet} */ (keys);
  }

  /** @param {Memory} memory @param {string} token @param {Principal} principal */
  #remember({ seen }, token, principal) {
    if (!this.#cacheSize || token.length > LONGEST_REMEMBERED) return;
    if (seen.size >= this.#cacheSize && !seen.has(token)) {
      seen.delete(/** @type {string} */ (seen.keys().next().value)); // the oldest, which expires first
    }
    const { leeway } = this.#policy;
    const { iat = -Infinity, nbf = -Infinity } = principal.claims;
    const from = Math.max(iat - MAX_CLOCK_LEAD, nbf - leeway); // a clock that is set back makes it not valid yet
    seen.set(token, { from, until: principal.expiresAt + leeway, principal });
  }

  /** Use new keys from now on, with an empty memory. */
  #adopt() {
    const follower = this.#follower;
    if (this.#issuer && follower instanceof Follower) follower.learnOffer();
    const refused = follower instanceof Follower ? follower.kids : new Set();
    const published = this.#offline ? this.#memory.keys : /** @type {Issuer} */ (this.#issuer).keys;
    if (this.#published === published && this.#memory.refused === refused) return;
    this.#published = published;
    this.#memory = { keys: published.without(refused), refused, seen: new Map() };
  }

  /** @type {KeySet | undefined} */
  #published;

  /** Refuse a token that no key could verify, before fetching anything for it. @param {string} token */
  #refuseHopeless(token) {
    const { refused } = this.#memory;
    if (this.#offline && !refused.size) return;
    const { header, claims } = peek(token);
    if (refused.has(header.kid)) throw new VerifyError("revoked", "the token's key has been revoked");
    if (this.#offline) return;
    if (header.alg.startsWith("HS")) throw new VerifyError("alg_not_allowed", "a shared secret is never fetched");
    checkTyp(header.typ, this.#policy.typ);
    if (claims.iss !== this.issuer) {
      throw new VerifyError("wrong_issuer", "iss is not the expected issuer", { claim: "iss" });
    }
  }

  /** Distinguish an unknown key from one that could not be fetched. @param {VerifyError} error */
  #why(error) {
    const source = /** @type {Issuer} */ (this.#issuer);
    const now = this.clock();
    if (source.failure === null && source.isUsable(now)) return error;
    const retryAfter = Math.max(1, Math.ceil(source.retryAfter(now)));
    return new VerifyError("issuer_unavailable", `cannot fetch the keys of ${this.issuer}`, { retryAfter });
  }

  // ── life ──

  /**
   * Fetch the keys and what has been revoked, before the first token comes; an issuer that does not answer is no error.
   *
   * @param {number} [seconds] How long to wait at most.
   */
  async start(seconds = FETCH_SECONDS) {
    if (this.#given) await this.#takeGiven();
    if (this.#issuer && !this.#offline && !this.#issuer.isFresh(this.clock())) {
      const flight = this.#issuer.lookAgain(this.clock());
      if (flight) await within(flight, seconds);
    }
    if (this.#follower instanceof Follower) await this.#follower.prefetch(seconds);
    return this.health();
  }

  /** How up to date the keys and the revocations are. @returns {Health} */
  health() {
    const now = this.clock();
    const source = this.#offline ? null : this.#issuer;
    const keysUsable = source?.isUsable(now) ?? true;
    const follower = this.#follower instanceof Follower ? this.#follower : null;
    const known = follower?.revocations.known;
    return {
      keysFresh: source?.isFresh(now) ?? true,
      ready: keysUsable && (!known || !follower || known.stale === "serve" || known.areNamesFresh(follower.now)),
      keysProblem: this.#issuer ? (this.#issuer.failure ?? this.#issuer.keys.leftOut) : null,
      ...(follower ? follower.revocations.health(follower.now) : OFF),
    };
  }

  /** Stop following what the issuer revokes; tokens are judged by what is known so far. */
  close() {
    if (this.#follower instanceof Follower) this.#follower.close();
  }
}

const OFF = {
  feed: /** @type {const} */ ("off"),
  knownWithin: null,
  provedSecondsAgo: null,
  epoch: null,
  eventId: null,
  lists: 0,
  listsMissing: 0,
  refusals: 0,
};

/** Asks a denylist of the application, in place of following the issuer. */
class Consulting {
  /** @param {Denylist} denylist */
  constructor(denylist) {
    if (typeof denylist?.isRevoked !== "function") throw invalidPolicy("revocation is feed, list, null or a denylist");
    this.denylist = denylist;
  }

  settle() {
    return null;
  }

  /** @param {Principal} principal */
  judge(principal) {
    if (this.denylist.isRevoked(principal)) throw new VerifyError("revoked", "the token has been revoked");
  }
}

const wallClock = () => Date.now() / 1000;
const runningClock = () => performance.now() / 1000;

/** What an API requires of its tokens, checked when it starts. @param {VerifierOptions} options */
function policyOf({ issuer, audience, typ = "at+jwt", audienceClaim = "aud", roles = "roles", leeway = 0 }) {
  const names = [audience].flat();
  const path = [roles].flat();
  if (!isText(issuer)) throw invalidPolicy("issuer is a URL");
  if (!names.length || !names.every(isText)) throw invalidPolicy("audience is a name, or a list of names");
  if (typ !== null && !isText(typ)) throw invalidPolicy("typ is a media type or null");
  if (!(leeway >= 0 && leeway <= MOST_LEEWAY)) throw invalidPolicy(`leeway is between 0 and ${MOST_LEEWAY} seconds`);
  if (!path.length || !path.every(isText)) throw invalidPolicy("roles is the name of a claim, or a list of names");
  if (!isText(audienceClaim)) throw invalidPolicy("audienceClaim is the name of a claim");
  if (audienceClaim !== "aud" && followsRfc9068(typ)) {
    throw invalidPolicy("audienceClaim is for issuers that do not follow RFC 9068: give typ, or typ: null");
  }
  return { issuer, audience: names, typ, audienceClaim, roles: path, leeway };
}

/** @param {unknown} value */
const isText = (value) => typeof value === "string" && value !== "";

/** RFC 6749 §2.3.1. @param {VerifierOptions} options */
function basic({ clientId, clientSecret }) {
  if ((clientId === undefined) !== (clientSecret === undefined)) {
    throw invalidPolicy("clientId and clientSecret go together");
  }
  if (clientId === undefined || clientSecret === undefined) return undefined;
  return `Basic ${btoa([clientId, clientSecret].map(encodeURIComponent).join(":"))}`;
}
