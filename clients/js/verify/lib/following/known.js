// What one issuer has revoked, as far as known. The other modules read and update it.

import { ageOf, NO_PROOF } from "../clocks.js";
import { badClaim, VerifyError } from "../errors.js";
import { ageOfCopy, Lists } from "./lists.js";

/** @import { Moment, Proof } from "../clocks.js" */
/** @import { Offer } from "../issuer.js" */
/** @import { Principal } from "../principal.js" */
/** @import { Document } from "./lists.js" */

/** @typedef {{ epoch: string, eventId: number }} Position Numbers grow in commit order. */

const PRUNE_SECONDS = 60;
const MOST_LEEWAY = 300;
const RECENT_INDEXES = 10_000; // bits that are remembered, for lists made before them that arrive later
const RETRY_SECONDS = 5;

export class Known {
  /** Where the issuer publishes revocations; null before its metadata has been read. @type {Offer | null} */
  offer = null;
  /** The snapshot; null if the issuer publishes none. @type {Document | null} */
  snapshot = null;
  /** Revoked tokens, each with the time at which it ends by itself. @type {Map<string, number>} */
  jtis = new Map();
  /** Revoked keys; none is ever trusted again. @type {Set<string>} */
  kids = new Set();
  /**
   * The last event that we know; null before the first snapshot, and once events are missing.
   *
   * @type {Position | null}
   */
  position = null;
  /** What the snapshot proves, or the lists where there is none. @type {Proof} */
  byDocument = NO_PROOF;
  /** Where this is a bridge's feed: what it tells of another issuer. @type {import("./bridged.js").Bridged | null} */
  bridged = null;
  /** What a heartbeat proves. @type {Proof} */
  byStream = NO_PROOF;
  /** The latest time that the issuer's clock has shown us. */
  issuerTime = -Infinity;
  /** How many documents and messages were refused. */
  refusals = 0;
  /** @type {{ at: Position, uri: string, indexes: number[] }[]} */
  #recent = [];
  #recentSize = 0;
  #completeFrom = 0;
  #prunedAt = -Infinity;

  /**
   * @param {string} issuer
   * @param {object} policy
   * @param {"feed" | "list"} policy.mode
   * @param {"serve" | "refuse"} policy.stale
   * @param {number} policy.staleAfter
   */
  constructor(issuer, { mode, stale, staleAfter }) {
    this.issuer = issuer;
    this.mode = mode;
    this.stale = stale;
    this.staleAfter = staleAfter;
    this.lists = new Lists(issuer);
  }

  // ── what to follow, and how old it is ──

  /** Whether there is a stream. */
  get feeds() {
    return this.mode === "feed" && Boolean(this.offer?.stream);
  }

  /** Whether the issuer revokes nothing by id, as far as known: it publishes no snapshot. */
  get hasNoNames() {
    return this.offer !== null && this.snapshot === null;
  }

  /** Whether there is nothing to follow: the issuer offers nothing, and no token names a list. */
  get isIdle() {
    return this.hasNoNames && !this.lists.awaited.size && !this.lists.held.size;
  }

  /** The snapshot and the stream each have all of it. @param {Moment} now */
  ageOfNames(now) {
    return Math.min(ageOf(this.byDocument, now), ageOf(this.byStream, now));
  }

  /** @param {Moment} now */
  areNamesFresh(now) {
    return this.hasNoNames || this.ageOfNames(now) < this.staleAfter;
  }

  // ── whether a token passes ──

  /**
   * Return if a token is accepted by what is known now.
   *
   * @param {Principal} principal
   * @param {Moment} now
   */
  judge(principal, now) {
    const { tokenId } = principal;
    if (tokenId !== null && this.jtis.has(tokenId)) throw new VerifyError("revoked", "the token has been revoked");
    this.bridged?.judge(principal);
    let isListed = true;
    for (const { idx, uri } of this.statusesOf(principal)) isListed = this.#isListedAsGood(uri, idx, now) && isListed;
    if (this.stale === "refuse" && !(isListed && this.areNamesFresh(now))) {
      const message = `the revocations of ${this.issuer} are not known`;
      throw new VerifyError("revocation_stale", message, { retryAfter: RETRY_SECONDS });
    }
  }

  /** The lists that another issuer's token names are none of a bridge's. @param {Principal} principal */
  statusesOf({ statuses }) {
    return this.bridged ? [] : statuses;
  }

  /** @param {string} uri @param {number} idx @param {Moment} now */
  #isListedAsGood(uri, idx, now) {
    const copy = this.lists.held.get(uri);
    if (!copy) return false;
    copy.wantedAt = now.run;
    const isSet = copy.at(idx);
    if (isSet === undefined) throw badClaim("status", "status has an index that the list does not have");
    if (isSet) throw new VerifyError("revoked", "the token's grant has been revoked");
    return ageOfCopy(copy, this.byStream, now) < this.staleAfter;
  }

  /** Refuse a document whose key is revoked. @param {string} kid */
  refuseSigner(kid) {
    if (this.kids.has(kid)) throw new VerifyError("revoked", "the document's key has been revoked");
  }

  // ── changes ──

  /** @param {Record<string, number>} jtis */
  revokeTokens(jtis) {
    for (const [jti, exp] of Object.entries(jtis)) this.jtis.set(jti, exp);
  }

  /** Distrust keys, and what they signed. @param {readonly string[]} kids */
  revokeKeys(kids) {
    const news = kids.filter((kid) => !this.kids.has(kid));
    if (!news.length) return;
    this.kids = new Set([...this.kids, ...news]);
    for (const document of [this.snapshot, ...this.lists.held.values()]) {
      if (document?.kid && news.includes(document.kid)) document.distrust();
    }
  }

  /**
   * Set the bits of an event in a list, if we hold it, and remember them.
   *
   * @param {Position} at
   * @param {string} uri
   * @param {number[]} indexes
   */
  revokeIndexes(at, uri, indexes) {
    this.lists.held.get(uri)?.hear(at, indexes);
    this.#recent.push({ at, uri, indexes });
    this.#recentSize += indexes.length;
    while (this.#recentSize > RECENT_INDEXES) {
      const forgotten = /** @type {{ at: Position, indexes: number[] }} */ (this.#recent.shift());
      this.#recentSize -= forgotten.indexes.length;
      this.#completeFrom = forgotten.at.eventId;
    }
  }

  /** The events that have set bits of a list after another. @param {string} uri @param {number} eventId */
  eventsSince(uri, eventId) {
    return this.#recent.filter((one) => one.uri === uri && one.at.eventId > eventId);
  }

  /** Whether no event was missed between a list and the stream. @param {Document} copy */
  joins({ epoch, eventId }) {
    return this.feeds && this.position !== null && epoch === this.position.epoch && eventId >= this.#completeFrom;
  }

  /** Follow the events from here on; lists of another epoch are fetched again. @param {Position} position */
  startAt(position) {
    const isNewEpoch = this.position !== null;
    this.position = position;
    this.#recent = [];
    this.#recentSize = 0;
    this.#completeFrom = position.eventId;
    for (const copy of this.lists.held.values()) {
      copy.isJoined = this.joins(copy);
      if (isNewEpoch) copy.expire();
    }
  }

  /** Start over from the documents: events are missing. */
  startOver() {
    this.position = null;
    this.snapshot?.expire();
    for (const copy of this.lists.held.values()) {
      copy.isJoined = false;
      copy.expire();
    }
  }

  /** Forget tokens that have ended, by our clock and the issuer's, beyond any leeway. @param {Moment} now */
  pruneIfDue(now) {
    if (now.run - this.#prunedAt < PRUNE_SECONDS) return;
    this.#prunedAt = now.run;
    const ended = Math.min(now.wall, this.issuerTime) - MOST_LEEWAY;
    for (const [jti, exp] of this.jtis) if (exp <= ended) this.jtis.delete(jti);
    this.bridged?.forgetEnded(ended);
  }
}
