// The verifier: turns a token into a `Principal`, for one issuer and one policy.

import { readAccessToken } from "./access_token.js";
import { malformed, VerifyError } from "./errors.js";
import { FETCH_SECONDS, Getter, within } from "./http.js";
import { Issuer } from "./issuer.js";
import { KeySet } from "./keys.js";
import { dpopPolicy, isStandard, revocationPolicy, tokenPolicy } from "./policy.js";
import { checkIssuer, checkTyp, MAX_CLOCK_LEAD, open, peek } from "./token.js";

/** @import { Denylist, DPoP, Health, VerifierOptions } from "../index.d.ts" */
/** @import { DPoPPolicy } from "./dpop.js" */
/** @import { Principal } from "./principal.js" */

const WAIT_SECONDS = FETCH_SECONDS + 1;
const LONGEST_REMEMBERED = 8192; // in characters, so that the memory is bounded

/** @typedef {Omit<Health, "keysFresh" | "keysProblem">} RevocationHealth */

/** @param {Health["feed"]} feed @returns {RevocationHealth} */
const healthOf = (feed) => ({
  ready: true,
  feed,
  knownWithin: null,
  provedSecondsAgo: null,
  epoch: null,
  eventId: null,
  lists: 0,
  listsMissing: 0,
  refusals: 0,
});

/** What a `Follower` does; here: nothing is followed. */
const NOT_FOLLOWED = {
  kids: /** @type {ReadonlySet<string>} */ (new Set()),
  /** @type {(principal: Principal) => PromiseLike<void | null> | null} */
  settle: () => null,
  /** @type {(principal: Principal) => void} */
  judge: () => {},
  learnOffer: () => {},
  /** @type {(seconds: number) => Promise<void>} */
  prefetch: async () => {},
  health: () => healthOf("off"),
  close: () => {},
};

/** @param {Denylist} denylist @returns {(principal: Principal) => void} */
const refusing = (denylist) => (principal) => {
  if (denylist.isRevoked(principal)) throw new VerifyError("revoked", "the token has been revoked");
};

/**
 * The keys in use, and the tokens that they have verified: replaced as a whole, never mixed.
 *
 * @typedef {object} Memory
 * @property {KeySet} published
 * @property {ReadonlySet<string>} refused Keys of them that have been revoked.
 * @property {KeySet} keys The others.
 * @property {Map<string, { from: number, until: number, principal: Principal }>} seen By the whole token.
 */

/** @param {KeySet} published @param {ReadonlySet<string>} refused @returns {Memory} */
const memoryOf = (published, refused) => ({ published, refused, keys: published.without(refused), seen: new Map() });

/** Verifies access tokens of one issuer for one API. Make one when your application starts, and keep it. */
export class Verifier {
  #options;
  #policy;
  /** How other issuers write tokens; null where RFC 9068 says it. */
  #dialect;
  /** @type {Promise<DPoPPolicy> | undefined} */
  #proofs;
  /** Where keys are fetched; null if they were given. @type {Issuer | null} */
  #source = null;
  /** @type {Promise<KeySet> | undefined} */
  #given;
  #memory = memoryOf(new KeySet([]), NOT_FOLLOWED.kids);
  #revoked = NOT_FOLLOWED;

  /** @param {VerifierOptions} options */
  constructor(options) {
    const { issuer, keys, cacheSize = 10_000, clock = wallClock, dpop = {} } = options;
    this.#policy = tokenPolicy(options);
    this.#dialect = isStandard(this.#policy) ? null : import("./other_issuers.js");
    this.#options = { ...options, cacheSize };
    this.issuer = issuer;
    this.audience = this.#policy.audience;
    this.clock = clock;
    this.dpop = dpopPolicy(dpop);
    this.#given = keys && KeySet.read(keys, options.alg);
    this.#given?.catch(() => {}); // each token says why
    this.#begin();
  }

  #begin() {
    const { revocation, ...policy } = revocationPolicy(this.#options);
    const { keys, jwksUrl, alg, log = console.warn, allowHttpInDevelopment: allowHttp } = this.#options;
    const isFollowed = typeof revocation === "string";
    if (revocation && !isFollowed) this.#revoked = { ...NOT_FOLLOWED, judge: refusing(revocation) };
    if (keys && !isFollowed) return;
    const getter = new Getter(this.#options.fetch ?? ((...request) => fetch(...request)));
    const onLearned = () => this.#adopt();
    const issuer = new Issuer(this.issuer, { getter, clock: this.clock, onLearned, log, jwksUrl, alg, allowHttp });
    this.#source = keys ? null : issuer;
    if (isFollowed) this.#follow(issuer, getter, { mode: revocation, ...policy });
  }

  /**
   * Follow what the issuer revokes, once the code for that has been loaded; tokens wait.
   *
   * @param {Issuer} issuer
   * @param {Getter} getter
   * @param {{ mode: "feed" | "list", stale: "serve" | "refuse", staleAfter: number }} policy
   */
  #follow(issuer, getter, policy) {
    let isClosed;
    const loading = import("./follower.js").then(({ Follower }) => {
      const its = { issuer, getter, clock: this.clock, onKeysRevoked: () => this.#adopt() };
      const follower = new Follower(policy, { ...this.#options, ...its });
      this.#revoked = follower;
      if (isClosed) follower.close();
      if (issuer.fetchedAt !== null) follower.learnOffer();
    });
    loading.catch(() => {}); // each token says why
    this.#revoked = {
      ...NOT_FOLLOWED,
      // Only whoever waits is told of a failure: a promise that nobody awaits would end the process.
      settle: (principal) => ({ then: (...to) => loading.then(() => this.#revoked.settle(principal)).then(...to) }),
      prefetch: (seconds) => loading.then(() => this.#revoked.prefetch(seconds)),
      health: () => ({ ...healthOf("starting"), ready: policy.stale === "serve" }),
      close: () => (isClosed = true),
    };
  }

  /**
   * Verify a token: waits for the issuer's keys, and for what it has revoked, if they are not there yet.
   *
   * @param {string} token
   * @param {DPoP} [dpop] The proof that came with it, and the request that it must be about (RFC 9449).
   * @returns {Promise<Principal>}
   */
  async verify(token, dpop) {
    if (typeof token !== "string") throw malformed("not a string");
    if (dpop) return this.#proven(token, dpop);
    if (this.dpop.required) throw new VerifyError("unproven_cnf", "no proof");
    return this.#remembered(token) ?? this.#verified(token);
  }

  /** @param {string} token @param {DPoP} dpop */
  async #proven(token, dpop) {
    this.#proofs ??= import("./dpop.js").then(({ DPoPPolicy }) => new DPoPPolicy(this.dpop));
    const proofs = await this.#proofs;
    const proof = await proofs.check(dpop, token, this.clock());
    const principal = this.#remembered(token, proof.thumbprint) ?? (await this.#verified(token, proof.thumbprint));
    await proofs.spend(proof, this.clock()); // last, so that only valid tokens fill the memory
    return principal;
  }

  /**
   * Find a token that these keys have verified, and judge it by what is known now; null: it has to wait for something.
   *
   * @param {string} token
   * @param {string} [thumbprint] The key that the sender has proved to have.
   */
  #remembered(token, thumbprint) {
    const principal = this.#lookUp(token, thumbprint);
    if (!principal || this.#revoked.settle(principal)) return null;
    this.#revoked.judge(principal);
    return principal;
  }

  /** @param {string} token @param {string} [thumbprint] */
  #lookUp(token, thumbprint) {
    const seen = this.#memory.seen.get(token);
    const now = this.clock();
    if (!seen || now < seen.from || now >= seen.until || (seen.principal.keyThumbprint ?? undefined) !== thumbprint)
      return null;
    return this.#areKeysUsable(now) ? seen.principal : null;
  }

  /** @param {string} token @param {string} [thumbprint] */
  async #verified(token, thumbprint) {
    const memory = this.#memory;
    let principal = this.#lookUp(token, thumbprint) ?? (await this.#authentic(token, thumbprint));
    await this.#revoked.settle(principal);
    // Its key may have been revoked meanwhile.
    if (this.#memory !== memory) principal = await this.#authentic(token, thumbprint);
    this.#revoked.judge(principal);
    return principal;
  }

  /** Verify, after each refresh of the keys that may help. @param {string} token @param {string} [thumbprint] */
  async #authentic(token, thumbprint) {
    for (let before; ;) {
      const memory = this.#memory;
      try {
        return await this.#attempt(token, thumbprint);
      } catch (error) {
        if (!(error instanceof VerifyError) || error.code !== "unknown_key") throw error;
        if (this.#memory !== memory) continue; // another token has brought the keys
        if (before === undefined) this.#refuseHopeless(token);
        if (!this.#source) throw error;
        before ??= this.#source.started;
        const flight = this.#source.lookForUnknown(this.clock(), before);
        if (!flight || !(await within(flight, WAIT_SECONDS))) throw this.#source.unavailable(this.clock()) ?? error;
      }
    }
  }

  /** Verify with the keys at hand. @param {string} token @param {string} [thumbprint] */
  async #attempt(token, thumbprint) {
    if (this.#given) await this.#takeGiven();
    const memory = this.#memory;
    const now = this.clock();
    if (!(this.#source?.isUsable(now) ?? true)) throw new VerifyError("unknown_key", "no keys yet");
    const opened = await open(token, memory.keys);
    const { readAccessToken: read } = this.#dialect ? await this.#dialect : { readAccessToken };
    const principal = read(opened, this.#policy, now, thumbprint);
    this.#areKeysUsable(now); // only now, so that only valid tokens cause a fetch
    this.#remember(memory, token, principal);
    return principal;
  }

  /** Whether the keys may verify; old ones are fetched again in the background. @param {number} now */
  #areKeysUsable(now) {
    if (!this.#source || this.#source.isFresh(now)) return true;
    this.#source.refreshIfDue(now);
    return this.#source.isUsable(now);
  }

  async #takeGiven() {
    const keys = /** @type {KeySet} */ (await this.#given);
    if (!this.#given) return;
    this.#given = undefined;
    this.#memory = memoryOf(keys, this.#revoked.kids);
  }

  /** @param {Memory} memory @param {string} token @param {Principal} principal */
  #remember({ seen }, token, principal) {
    const { cacheSize } = this.#options;
    if (!cacheSize || token.length > LONGEST_REMEMBERED) return;
    if (seen.size >= cacheSize && !seen.has(token)) {
      seen.delete(/** @type {string} */ (seen.keys().next().value)); // the oldest, which expires first
    }
    const { leeway } = this.#policy;
    const { iat = -Infinity, nbf = -Infinity } = /** @type {any} */ (principal.claims);
    const from = Math.max(iat - MAX_CLOCK_LEAD, nbf - leeway); // a clock that is set back makes it not valid yet
    seen.set(token, { from, until: principal.expiresAt + leeway, principal });
  }

  /** Use new keys from now on, with an empty memory. */
  #adopt() {
    this.#revoked.learnOffer();
    const published = this.#source?.keys ?? this.#memory.published;
    const refused = this.#revoked.kids;
    if (published !== this.#memory.published || refused !== this.#memory.refused)
      this.#memory = memoryOf(published, refused);
  }

  /** Refuse a token that no key could verify, before fetching anything for it. @param {string} token */
  #refuseHopeless(token) {
    const { refused } = this.#memory;
    if (!this.#source && !refused.size) return;
    const { header, claims } = peek(token);
    if (refused.has(header.kid)) throw new VerifyError("revoked", "the token's key has been revoked");
    if (!this.#source) return;
    if (header.alg.startsWith("HS")) throw new VerifyError("alg_not_allowed", "a secret is never fetched");
    checkTyp(header.typ, this.#policy.typ);
    checkIssuer(claims, this.issuer);
  }

  // ── life ──

  /**
   * Fetch the keys and what has been revoked, before the first token comes; an issuer that does not answer is no error.
   *
   * @param {number} [seconds] How long to wait at most.
   */
  async start(seconds = FETCH_SECONDS) {
    if (this.#given) await this.#takeGiven();
    const now = this.clock();
    const flight = this.#source?.isFresh(now) ? null : this.#source?.lookAgain(now);
    if (flight) await within(flight, seconds);
    await this.#revoked.prefetch(seconds);
    return this.health();
  }

  /** How up to date the keys and the revocations are. @returns {Health} */
  health() {
    const now = this.clock();
    const health = this.#revoked.health();
    return {
      ...health,
      keysFresh: this.#source?.isFresh(now) ?? true,
      ready: health.ready && (this.#source?.isUsable(now) ?? true),
      keysProblem: this.#source?.problem ?? null,
    };
  }

  /** Stop following what the issuer revokes; tokens are judged by what is known so far. */
  close() {
    this.#revoked.close();
  }
}

const wallClock = () => Date.now() / 1000;
