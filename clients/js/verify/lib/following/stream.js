// The stream: a greeting, then heartbeats and events; when to connect, and when to give a connection up. No I/O.

import { ageOf, Trouble, younger } from "../clocks.js";
import { DOUBT_SECONDS } from "./upstreams.js";

/** @import { Moment } from "../clocks.js" */
/** @import { Known } from "./known.js" */
/** @import { Upstreams } from "./upstreams.js" */

export const SILENCE_SECONDS = 5; // a stream silent for so long is dead
const LIVE_SECONDS = 8; // how old the last proof may be
const MOST_RETRY_AFTER = 30;

/** The stream does not go on from the last event that we know: start over from the documents. */
export class Lost extends Error {
  isResync = false; // whether the other side says so itself, which is no fault of its
}

/** One connection: to which place, when it was last heard, and where the issuer stood when it greeted us. */
export class Connection {
  /** @type {number | null} */
  goal = null;

  /** @param {number} run @param {number} place */
  constructor(run, place) {
    this.heardAt = run;
    this.place = place;
  }
}

/** At most two connections: the current one, and its replacement. */
export class Stream {
  #known;
  #jitter;
  #trouble = new Trouble();
  /** @type {Connection | null} */
  #current = null;
  /** @type {Connection | null} */
  #next = null;

  /** @param {Known} known @param {Upstreams} upstreams @param {() => number} jitter */
  constructor(known, upstreams, jitter) {
    this.upstreams = upstreams;
    this.#known = known;
    this.#jitter = jitter;
  }

  // ── connections ──

  /** Whether the first attempt to connect has ended, or cannot start. */
  get hasSettled() {
    return !this.#known.feeds || !this.#known.position || this.#current !== null || this.#trouble.isOn;
  }

  /** Whether the stream is up to date, and has proved that recently. @param {Moment} now */
  isLive(now) {
    const { position, byStream } = this.#known;
    const current = this.#current;
    if (!current || current.goal === null || !position || position.eventId < current.goal) return false;
    return now.run - current.heardAt < SILENCE_SECONDS && ageOf(byStream, now) < LIVE_SECONDS;
  }

  /** Whether it is time to connect: also beside a silent connection, or at another place. @param {Moment} now */
  isDue(now) {
    const { upstreams } = this;
    if (!this.#known.feeds || !this.#known.position || this.#next) return false;
    if (upstreams.isInDoubt(now)) this.#leave(now);
    else if (this.#current) upstreams.lookBack(now);
    const isHeard = this.#current && now.run - this.#current.heardAt < DOUBT_SECONDS;
    if (isHeard && this.#current?.place === upstreams.place) return false;
    return this.#trouble.isOver(now);
  }

  /** Go on to the next place; what one asks us to wait holds for coming back to it, and not for another. */
  #leave(/** @type {Moment} */ now, atLeast = 0) {
    this.upstreams.leave(now);
    this.#trouble.failed(now, this.#jitter(), this.upstreams.place ? this.upstreams.wait : atLeast);
  }

  /** @param {Moment} now */
  opened(now) {
    this.upstreams.asked(now);
    return (this.#next = new Connection(now.run, this.upstreams.place));
  }

  /**
   * Whether to close a connection: it was silent for too long, or was replaced.
   *
   * @param {Connection} connection
   * @param {Moment} now
   */
  isGivenUp(connection, now) {
    const isOurs = connection === this.#current || connection === this.#next;
    return !isOurs || now.run - connection.heardAt >= SILENCE_SECONDS;
  }

  /**
   * Record the end of a connection, and plan the next: elsewhere, if this one never began or was wrong.
   *
   * @param {Connection} connection
   * @param {Moment} now
   * @param {number} [retryAfter]
   * @param {boolean} [isFaulty] Whether what it said was refused, or incomplete.
   */
  closed(connection, now, retryAfter = 0, isFaulty = false) {
    if (connection === this.#current) this.#current = null;
    else if (connection === this.#next) this.#next = null;
    else return; // it was already replaced
    const seconds = Math.min(retryAfter, MOST_RETRY_AFTER);
    const isOver = isFaulty || connection.goal === null;
    if (isOver && connection.place === this.upstreams.place) this.#leave(now, seconds);
    else this.#trouble.failed(now, this.#jitter(), seconds);
  }

  // ── messages ──

  /**
   * The unsigned greeting only says how far we have to catch up.
   *
   * @param {Connection} connection
   * @param {string} data
   * @param {Moment} now
   */
  hearGreeting(connection, data, now) {
    connection.heardAt = now.run;
    const { position } = this.#known;
    const { epoch, event_id: eventId } = greetingIn(data);
    if (!position || epoch !== position.epoch) throw this.lost("the stream is of another epoch");
    if (eventId < position.eventId) {
      const isAnother = this.#current !== null && this.#current !== connection;
      throw isAnother ? new Lost("it is behind another") : this.lost("it is behind us");
    }
    connection.goal = eventId;
    this.#current = connection;
    this.#next = null;
    this.upstreams.arrived(connection.place, now);
  }

  /**
   * A heartbeat proves that we knew everything as of its time, if we know all that its node knew.
   *
   * @param {{ epoch: string, head: number, asOf: number, iat: number }} beat
   * @param {Moment} now
   */
  hearHeartbeat({ epoch, head, asOf, iat }, now) {
    const known = this.#known;
    const { position } = known;
    if (!position) return; // we have started over
    if (epoch !== position.epoch || head > position.eventId) throw this.lost("events are missing");
    if (head < position.eventId) return; // its node is behind us
    known.issuerTime = Math.max(known.issuerTime, iat);
    known.byStream = younger(known.byStream, { asOf, run: now.run - Math.max(0, iat - asOf) }, now);
    if (this.#current && this.isLive(now)) {
      this.#trouble.ended();
      this.upstreams.proved(this.#current.place, asOf, now);
    }
    known.pruneIfDue(now);
  }

  /**
   * Apply an event by its position, whatever our clock says.
   *
   * @param {Connection} connection
   * @param {Awaited<ReturnType<typeof import("./documents.js").readEvent>>} event
   * @param {Moment} now
   */
  hearEvent(connection, { position: at, after, status, jtis, kids, issuedBefore }, now) {
    connection.heardAt = now.run;
    const known = this.#known;
    const { position } = known;
    if (!position || at.epoch !== position.epoch || after > position.eventId) throw this.lost("events are missing");
    if (at.eventId <= position.eventId) return; // known already, and its repetition proves nothing
    known.revokeTokens(jtis);
    known.bridged?.add(issuedBefore);
    for (const [uri, indexes] of status) known.revokeIndexes(at, uri, indexes);
    known.revokeKeys(kids);
    known.position = at;
  }

  /** Start over from the documents. @param {string} why */
  lost(why) {
    this.#known.startOver();
    return new Lost(why);
  }
}

/** @param {string} data @returns {{ epoch?: string, event_id: number }} */
function greetingIn(data) {
  try {
    const { epoch, event_id } = JSON.parse(data);
    return Number.isSafeInteger(event_id) ? { epoch, event_id } : { event_id: -1 };
  } catch {
    return { event_id: -1 };
  }
}
