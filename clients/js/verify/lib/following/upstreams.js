// Where the stream and the documents come from: relays in the order in which they are named, and at last the issuer.
// Nothing that a relay says is believed, since all of it is signed; so what matters is only whether it passes it on. A
// relay is left once it has brought nothing new for a while, or something wrong, and tried again later.

import { invalidPolicy } from "../errors.js";
import { checkedUrl } from "../http.js";

/** @import { Moment } from "../clocks.js" */

export const DOUBT_SECONDS = 3; // one and a half heartbeats: what was silent for so long may be dead
const RETURN_SECONDS = [30, 600]; // away from relays: doubled each time that one is left, at most so long, and half more
export const CROWD_SECONDS = [10, 600]; // over so long those that no relay serves spread at the issuer: at first, and at most

/** The places to ask: relays from 0 on, and the issuer last. */
export class Upstreams {
  place = 0;
  /** How many seconds to wait at least before the stream is asked for at this place. */
  wait = 0;
  #relays;
  #jitter;
  #begunAt = -Infinity;
  /** @type {number | null} */
  #provedAt = null;
  /** @type {Map<number, number>} */
  #asOf = new Map();
  #left = 0;
  #returnAt = Infinity;
  #askedIssuer = 0;
  #issuerFrom = -Infinity;

  /** @param {readonly string[]} relays @param {() => number} jitter A number from 0 to 1. */
  constructor(relays, jitter) {
    this.#relays = relays.map(checkedRelay);
    this.#jitter = jitter;
  }

  /** Where the issuer's URL is at a place: at relays under the same path. @param {string} url @param {number} place */
  at(url, place) {
    const relay = this.#relays[place % (this.#relays.length + 1)];
    const { pathname, search } = new URL(url);
    return relay === undefined ? url : relay + pathname + search;
  }

  get #isAtRelay() {
    return this.place < this.#relays.length;
  }

  /** The stream is asked for: from the first time on, proofs are due. @param {Moment} now */
  asked({ run }) {
    this.#provedAt ??= run;
  }

  /** Whether a relay is asked that has proved nothing new for too long. @param {Moment} now */
  isInDoubt({ run }) {
    return this.#isAtRelay && this.#provedAt !== null && run - this.#provedAt >= DOUBT_SECONDS;
  }

  /**
   * A heartbeat by which the follower is live; one that the place has brought before is no news.
   *
   * @param {number} place
   * @param {number} asOf
   * @param {Moment} now
   */
  proved(place, asOf, { run }) {
    if (asOf <= (this.#asOf.get(place) ?? -Infinity)) return;
    this.#asOf.set(place, asOf);
    this.#provedAt = run;
    this.place = place;
    if (!this.#isAtRelay) this.#askedIssuer = 0;
    if (run - this.#begunAt >= RETURN_SECONDS[1]) this.#left = 0;
  }

  /** Go on to the next place; the issuer's turn comes when a crowd that does the same has spread. @param {Moment} now */
  leave({ run }) {
    this.#left += Number(this.#isAtRelay);
    this.place = (this.place + 1) % (this.#relays.length + 1);
    this.wait = 0;
    if (this.#relays.length && !this.#isAtRelay) {
      if (run < this.#issuerFrom) this.place = 0;
      else {
        this.wait = this.#jitter() * CROWD_SECONDS[0];
        this.#askedIssuer += 1;
        this.#issuerFrom = run + this.wait + this.#jitter() * longer(CROWD_SECONDS, this.#askedIssuer);
      }
    }
    this.#begin(run);
    this.#planReturn(run);
  }

  /** Stay for a while at the place whose stream has begun. @param {number} place @param {Moment} now */
  arrived(place, now) {
    if (place !== this.place) {
      this.place = place;
      this.#begin(now.run);
    }
    this.asked(now);
    this.#planReturn(now.run);
  }

  /** Try the first relay again, if it is time, and if that is in vain again later. @param {Moment} now */
  lookBack({ run }) {
    if (run < this.#returnAt) return;
    this.#left += 1;
    this.#planReturn(run);
    this.place = 0;
    this.#begin(run);
  }

  /** @param {number} run */
  #planReturn(run) {
    const seconds = (1 + this.#jitter() / 2) * longer(RETURN_SECONDS, this.#left);
    this.#returnAt = this.place ? run + seconds : Infinity;
  }

  /** @param {number} run */
  #begin(run) {
    this.#begunAt = run;
    this.#provedAt = null;
  }
}

/** The first wait, doubled each time, up to the longest. @param {number[]} seconds @param {number} times */
const longer = ([first, most], times) => Math.min(most, first * 2 ** Math.min(times, 10));

/** A relay needs no TLS: what comes from it is signed, and nothing is secret. @param {unknown} url */
function checkedRelay(url) {
  const [scheme, rest] = String(url).split("://", 2);
  if (!["http", "https"].includes(scheme) || checkedUrl(`https://${rest}`, "a relay").search) {
    throw invalidPolicy("a relay is an http or https URL of a host and a path");
  }
  return String(url).replace(/\/+$/, "");
}
