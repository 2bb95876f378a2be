// Time by two clocks: the wall clock, which may be set, and one that only runs. All in seconds.

import { MAX_CLOCK_LEAD } from "./token.js";

/** @typedef {{ wall: number, run: number }} Moment */
/**
 * @typedef {{ asOf: number, run: number }} Proof Everything up to a time was known; what our running clock showed then.
 */

/** @type {Moment} */
export const LONG_AGO = { wall: -Infinity, run: -Infinity };

/** The seconds that have passed: the larger of the two. @param {Moment} now @param {Moment} earlier */
export const since = (now, earlier) => Math.max(now.wall - earlier.wall, now.run - earlier.run);

/** @type {Proof} */
export const NO_PROOF = { asOf: -Infinity, run: -Infinity };

/** The age of a proof; one from the future proves nothing. @param {Proof} proof @param {Moment} now */
export const ageOf = ({ asOf, run }, now) =>
  asOf > now.wall + MAX_CLOCK_LEAD ? Infinity : Math.max(now.wall - asOf, now.run - run);

/** @param {Proof} one @param {Proof} other @param {Moment} now */
export const younger = (one, other, now) => (ageOf(other, now) < ageOf(one, now) ? other : one);

const TROUBLE_SECONDS = 60;

/** How long something has been failing, and when to try again: soon at first, and each follower at a random time. */
export class Trouble {
  /** @type {Moment | null} */
  #began = null;
  #failedAt = LONG_AGO;
  #wait = 0;
  times = 0; // how often it has failed

  get isOn() {
    return this.#began !== null;
  }

  /** @param {Moment} now @param {number} jitter From 0 to 1. @param {number} [atLeast] */
  failed(now, jitter, atLeast = 0) {
    const lasted = this.#began && since(now, this.#began);
    const seconds =
      lasted === null
        ? 0.5 * jitter // it may have ended normally, as all streams do
        : lasted < TROUBLE_SECONDS
          ? 0.25 + 1.25 * jitter
          : 1 + 3 * jitter;
    this.#began ??= now;
    this.#failedAt = now;
    this.times += 1;
    this.#wait = Math.max(seconds, atLeast);
  }

  /** @param {Moment} now */
  isOver(now) {
    return since(now, this.#failedAt) >= this.#wait;
  }

  hurry() {
    this.#wait = 0;
  }

  ended() {
    this.#began = null;
    this.#wait = 0;
    this.times = 0;
  }
}

const SLEEP_SECONDS = 4; // two heartbeats: a process that has not read the clocks for so long has slept
const AWAKE_SECONDS = 0.5; // for so long the first token after a sleep waits for news

/** Detects that the process was stopped, suspended or frozen, and so has missed heartbeats. */
export class Sleep {
  /** @type {Moment | null} */
  #lookedAt = null;
  #wokeAt = -Infinity;
  #sleptAt = -Infinity;

  /** Read the clocks; a wall clock that keeps jumping does not cause a wait each time. @param {Moment} now */
  look(now) {
    const before = this.#lookedAt;
    if (before && since(now, before) > SLEEP_SECONDS && now.run - this.#sleptAt > SLEEP_SECONDS) {
      this.#wokeAt = this.#sleptAt = now.run;
    }
    this.#lookedAt = now;
  }

  /** How long a token waits for news; at most 0 if there was no sleep. @param {Moment} now */
  secondsToWait(now) {
    return this.#wokeAt + AWAKE_SECONDS - now.run;
  }

  ended() {
    this.#wokeAt = -Infinity;
  }
}
