// Copies of the issuer's documents, with limits on how many of its lists tokens can cause to be held or fetched.

import { ageOf, LONG_AGO, NO_PROOF, since, Trouble } from "../clocks.js";
import { badClaim } from "../errors.js";
import { isSameOrigin } from "../http.js";

/** @import { Moment, Proof } from "../clocks.js" */

/** @import { Position } from "./known.js" */

/** @typedef {Record<string, any>} Stamp The claims of a document: its `epoch`, `event_id` and `iat`. */

export const TTL_SECONDS = 30; // how long a document without `ttl` is fresh
export const MOST_LISTS = 1024;
const BURST = 1024;
const LISTS_PER_SECOND = 100;
const USED_SECONDS = 60; // a list that no token has named for so long is not in use

/** A document: its signer, which of two is newer, and when to fetch it again. */
export class Document {
  isKnown = false; // whether it was ever there
  trouble = new Trouble();
  fetchedAt = LONG_AGO;
  /** @type {string | null} */
  epoch = null;
  eventId = -1;
  iat = -1;
  /** @type {string | null} */
  kid = null;

  /** @param {string} url */
  constructor(url) {
    this.url = url;
  }

  /** Whether its first fetch is in progress. */
  get isOnItsWay() {
    return !this.isKnown && !this.trouble.isOn;
  }

  /** @param {Moment} now @param {number} seconds How long it is fresh. */
  isDue(now, seconds) {
    return this.trouble.isOn ? this.trouble.isOver(now) : since(now, this.fetchedAt) >= seconds;
  }

  /** Refuse what is older than what we have: within an epoch by event, between epochs by time. @param {Stamp} claims */
  refuseOlder({ epoch = null, event_id = 0, iat }) {
    const isOlder = epoch === this.epoch && event_id !== this.eventId ? event_id < this.eventId : iat < this.iat;
    if (isOlder) throw badClaim("iat", "it is older than what we have");
  }

  /** @param {Stamp} claims @param {string} kid @param {Moment} now */
  came({ epoch = null, event_id = 0, iat }, kid, now) {
    Object.assign(this, { epoch, eventId: event_id, iat, kid, isKnown: true, fetchedAt: now });
    this.trouble.ended();
  }

  /** Fetch it again at once. */
  expire() {
    this.fetchedAt = LONG_AGO;
    this.trouble.hurry();
  }

  /** Accept any replacement, because its key was stolen; until then it is better than nothing. */
  distrust() {
    this.eventId = this.iat = -1;
    this.expire();
  }
}

/** A copy of a status list. */
export class Copy extends Document {
  octets = new Uint8Array();
  ttl = TTL_SECONDS;
  proof = NO_PROOF;
  /** The last event that has set bits in it: an older list does not know them. @type {Position} */
  heard = { epoch: "", eventId: -1 };
  isJoined = false; // whether the stream keeps it up to date: we know every event since it was made

  /** @param {string} url @param {number} run */
  constructor(url, run) {
    super(url);
    this.wantedAt = run;
  }

  /** Whether a bit is set; undefined where the list does not have it. @param {number} index */
  at(index) {
    const octet = this.octets[Math.floor(index / 8)];
    return octet === undefined ? undefined : Boolean((octet >> (index & 7)) & 1);
  }

  /** Set the bits of an event, ignoring those out of range. @param {Position} at @param {Iterable<number>} indexes */
  hear(at, indexes) {
    this.heard = at;
    for (const index of indexes) this.octets[index >> 3] |= 1 << (index & 7);
  }

  /** Whether an event has set bits in it that a list up to another event does not know. @param {Stamp} claims */
  knowsMoreThan({ epoch, event_id = 0 }) {
    return epoch === this.heard.epoch && event_id < this.heard.eventId;
  }
}

/** The lists that tokens have named: those that we have, and those that were never there yet. */
export class Lists {
  /** @type {Map<string, Copy>} */
  held = new Map();
  /** @type {Map<string, Copy>} */
  awaited = new Map();
  /** @type {Map<string, number>} */
  #outOfReach = new Map();
  #allowance = BURST;
  #allowedAt = -Infinity;

  /** @param {string} issuer Only lists at its own origin are accepted. */
  constructor(issuer) {
    this.issuer = issuer;
  }

  /** @param {string} uri */
  find(uri) {
    return this.held.get(uri) ?? this.awaited.get(uri);
  }

  /** Find a list, or request it if allowed. @param {string} uri @param {number} run @returns {Copy | null} */
  ask(uri, run) {
    const found = this.find(uri);
    if (found) {
      found.wantedAt = run;
      return found;
    }
    if (!isSameOrigin(uri, this.issuer) || !this.#mayAsk(run)) {
      this.#note(uri, run);
      return null;
    }
    this.#makeRoom();
    const copy = new Copy(uri, run);
    this.awaited.set(uri, copy);
    return copy;
  }

  /** The copy that a fetched list is for. @param {string} uri @param {number} run */
  arrived(uri, run) {
    return this.find(uri) ?? new Copy(uri, run);
  }

  /** @param {Copy} copy */
  hold(copy) {
    this.awaited.delete(copy.url);
    this.held.set(copy.url, copy);
  }

  /** Count the lists in use that we do not hold. @param {number} run */
  missing(run) {
    for (const [uri, at] of this.#outOfReach) {
      if (run - at >= USED_SECONDS || this.held.has(uri)) this.#outOfReach.delete(uri);
    }
    const awaited = [...this.awaited.values()].filter(({ wantedAt }) => run - wantedAt < USED_SECONDS);
    return new Set([...this.#outOfReach.keys(), ...awaited.map(({ url }) => url)]).size;
  }

  get areAllOnTheirWay() {
    return !this.#outOfReach.size && [...this.awaited.values()].every(({ isOnItsWay }) => isOnItsWay);
  }

  /**
   * A token bucket: tokens that name ever new lists cause a burst of fetches, then a fixed rate.
   *
   * @param {number} run
   */
  #mayAsk(run) {
    const elapsed = Math.max(0, run - this.#allowedAt);
    this.#allowance = Math.min(BURST, this.#allowance + elapsed * LISTS_PER_SECOND);
    this.#allowedAt = run;
    if (this.#allowance < 1) return false;
    this.#allowance -= 1;
    return true;
  }

  /** Record that a token names a list that is not there, for `health`. @param {string} uri @param {number} run */
  #note(uri, run) {
    if (this.#outOfReach.size >= MOST_LISTS) this.#outOfReach.delete([...this.#outOfReach.keys()][0]);
    this.#outOfReach.set(uri, run);
  }

  /** Drop lists if there are too many: first one that was never fetched, then the least recently used. */
  #makeRoom() {
    while (this.held.size + this.awaited.size >= MOST_LISTS) {
      const every = [...this.awaited.values(), ...this.held.values()];
      const failing = [...this.awaited.values()].find(({ trouble }) => trouble.isOn);
      const copy = failing ?? every.reduce((least, one) => (one.wantedAt < least.wantedAt ? one : least));
      this.awaited.delete(copy.url);
      this.held.delete(copy.url);
      this.#note(copy.url, copy.wantedAt);
    }
  }
}

/**
 * The age of what is known of a list: by its document, or by the stream if that keeps it current.
 *
 * @param {Copy} copy
 * @param {Proof} byStream
 * @param {Moment} now
 */
export const ageOfCopy = (copy, byStream, now) =>
  copy.isJoined ? Math.min(ageOf(copy.proof, now), ageOf(byStream, now)) : ageOf(copy.proof, now);
