// Following what an issuer revokes: the I/O around `following/`. It looks at its clocks four times a second; without a
// stream (`revocation: "list"`) it has no timer, and fetches what is due when a token comes.

import { since, Sleep } from "./clocks.js";
import { VerifyError } from "./errors.js";
import { Bridged, bridgeOf, FeedGetter } from "./following/bridged.js";
import { readEvent, readHeartbeat, readList, readSnapshot } from "./following/documents.js";
import { TTL_SECONDS } from "./following/lists.js";
import { Parser } from "./following/sse.js";
import { Revocations } from "./following/revocations.js";
import { Lost } from "./following/stream.js";
import { FetchError, Getter, isSameOrigin, wholeSeconds, within } from "./http.js";
import { Issuer } from "./issuer.js";
import { KeySet } from "./keys.js";

/** @import { Moment } from "./clocks.js" */
/** @import { Known } from "./following/known.js" */
/** @import { Want } from "./following/revocations.js" */
/** @import { Message } from "./following/sse.js" */
/** @import { Connection } from "./following/stream.js" */
/** @import { BridgeOptions } from "./following/bridged.js" */
/** @import { Offer } from "./issuer.js" */
/** @import { Principal } from "./principal.js" */

const FIRST_SECONDS = 2; // how long a token waits for a document that was never there before
const TICK_SECONDS = 0.25;
const MOST_FLIGHTS = 16;
const KEYS_AHEAD_SECONDS = 3600;
const UNKNOWN_KEY_SECONDS = 30; // documents of unknown keys cause one fetch of keys, and then none for so long
const MOST_CHARACTERS = { list: 250_000, snapshot: 4_000_000 };
const EVENT_STREAM = "text/event-stream";
const HEARTBEAT = "heartbeat ";
const FROM_THE_WORST = ["stale", "starting", "list only", "live", "off"];
const NEWS = ""; // what a token waits for after a sleep: any heartbeat

export class Follower {
  #issuer;
  #getter;
  #authorization;
  #clock;
  #running;
  #onKeysRevoked;
  #every;
  #jwks = "";
  #documentKeys = new KeySet([]);
  #isClosed = false;
  /** What is wrong with the configuration, which each token says. @type {unknown} */
  #problem = null;
  /** The follower of a bridge's feed, which tells of the same tokens. @type {Follower | null} */
  #bridge = null;
  #offer;
  #tickedAt = -Infinity;
  #lookedAgainAt = -Infinity;
  #sleep = new Sleep();
  #stopTicking = () => {};
  #isTicking = false;
  /** When tokens began to wait for a document. @type {Map<string, number>} */
  #asked = new Map();
  /** @type {Map<string, { promise: Promise<void>, resolve: () => void }>} */
  #awaited = new Map();
  /** @type {Set<string>} */
  #flights = new Set();
  /** @type {Map<Connection, AbortController>} */
  #connections = new Map();

  /**
   * @param {{ mode: "feed" | "list", stale: "serve" | "refuse", staleAfter: number }} policy
   * @param {object} options
   * @param {Issuer} options.issuer
   * @param {Getter} options.getter
   * @param {() => number} options.clock
   * @param {() => number} [options.running] The clock that only runs.
   * @param {() => void} options.onKeysRevoked
   * @param {Offer} [options.offer] Where the feed is, whatever the metadata says.
   * @param {Bridged} [options.bridged] What a bridge tells, if this is its feed.
   * @param {readonly string[]} [options.relays]
   * @param {typeof globalThis.fetch} [options.fetch]
   * @param {boolean} [options.allowHttpInDevelopment]
   * @param {string} [options.feedUrl]
   * @param {string} [options.feedIssuer]
   * @param {string} [options.feedSecret]
   * @param {string} [options.feedSubject]
   * @param {string} [options.clientId]
   * @param {string} [options.clientSecret]
   * @param {typeof every} [options.every]
   */
  constructor(
    policy,
    { issuer, getter, clock, running = runningClock, onKeysRevoked, every: repeat = every, relays, ...more },
  ) {
    const { offer, bridged, ...client } = more;
    try {
      this.revocations = new Revocations(issuer.url, policy, relays);
      this.#bridge = bridged ? null : feedOf(issuer, policy, { clock, running, every: repeat, ...client });
    } catch (error) {
      this.revocations = new Revocations(issuer.url, policy);
      this.#problem = error;
      this.#isClosed = true;
    }
    this.revocations.known.bridged = bridged ?? null;
    this.#offer = offer;
    this.#issuer = issuer;
    this.#getter = getter;
    this.#clock = clock;
    this.#running = running;
    this.#onKeysRevoked = onKeysRevoked;
    this.#authorization = basic(client);
    this.#every = repeat;
  }

  get now() {
    return { wall: this.#clock(), run: this.#running() };
  }

  get kids() {
    return this.revocations.known.kids;
  }

  // ── called for each token ──

  /**
   * Return what to wait for until a token can be judged; null: nothing, as for nearly every token.
   *
   * @param {Principal} principal
   */
  settle(principal) {
    const all = [this.#settle(principal), this.#bridge?.settle(principal)].filter((one) => one);
    return all.length ? Promise.all(all).then(() => {}) : null;
  }

  /** @param {Principal} principal @returns {Promise<void> | null} */
  #settle(principal) {
    const named = this.revocations.known.bridged?.learn(principal);
    if (named) return named.then(() => this.#settle(principal) ?? undefined);
    const now = this.now;
    this.#begin(now);
    const [url, seconds] = this.#wait(principal, now);
    return this.#isClosed || seconds <= 0 ? null : this.#settled(principal, url, seconds);
  }

  /** @param {Principal} principal @param {string} url @param {number} seconds @returns {Promise<void>} */
  async #settled(principal, url, seconds) {
    const awaited = this.#news(url);
    this.tick();
    if (await within(awaited, seconds)) await this.#settle(principal);
  }

  /**
   * What a token has to wait for, and how long at most.
   *
   * @param {Principal} principal
   * @param {Moment} now
   * @returns {[string, number]}
   */
  #wait(principal, now) {
    const missing = this.revocations.missing(principal, now) ?? this.#overdue(principal, now);
    if (missing === null) return [NEWS, this.#isTicking ? this.#sleep.secondsToWait(now) : 0];
    const asked = this.#asked.get(missing) ?? now.run;
    this.#asked.set(missing, asked);
    return [missing, asked + FIRST_SECONDS - now.run];
  }

  /**
   * Without a timer: a document that is on its way, and whose `ttl` is over.
   *
   * @param {Principal} principal
   * @param {Moment} now
   */
  #overdue(principal, now) {
    if (this.#isTicking) return null;
    const { known } = this.revocations;
    const { snapshot, lists } = known;
    const documents = [snapshot, ...known.statusesOf(principal).map(({ uri }) => lists.held.get(uri))];
    const late = documents.find(
      (one) =>
        one &&
        this.#flights.has(one.url) &&
        since(now, one.fetchedAt) >= ("ttl" in one ? Number(one.ttl) : TTL_SECONDS),
    );
    return late?.url ?? null;
  }

  /** Throw if a token is revoked, or what is known too old. @param {Principal} principal */
  judge(principal) {
    if (this.#problem) throw this.#problem;
    this.revocations.known.judge(principal, this.now);
    this.#bridge?.judge(principal);
  }

  /** Begin, and wait until the first attempts have ended, well or not. @param {number} seconds At most. */
  async prefetch(seconds) {
    await Promise.all([this.#prefetch(seconds), this.#bridge?.prefetch(seconds)]);
  }

  /** @param {number} seconds */
  async #prefetch(seconds) {
    const ends = Date.now() + seconds * 1000;
    for (;;) {
      this.#begin(this.now);
      this.tick();
      const left = (ends - Date.now()) / 1000;
      if (this.#isClosed || this.revocations.hasSettled || this.#issuer.failure !== null || left <= 0) return;
      await within(this.#news(NEWS), Math.min(left, TICK_SECONDS));
    }
  }

  /** Apply the issuer's metadata. */
  learnOffer() {
    if (!this.revocations.learnOffer(this.#offer ?? this.#issuer.offer)) return;
    this.#tell(this.#issuer.url);
    this.tick();
  }

  /** Of two feeds, the one that is less up to date; tokens are accepted if both allow it. */
  health() {
    const own = this.revocations.health(this.now);
    const other = this.#bridge?.health();
    if (!other) return own;
    const worse = FROM_THE_WORST.indexOf(other.feed) < FROM_THE_WORST.indexOf(own.feed) ? other : own;
    return { ...worse, ready: own.ready && other.ready, refusals: own.refusals + other.refusals };
  }

  close() {
    this.#isClosed = true;
    this.#isTicking = false;
    this.#stopTicking();
    this.#bridge?.close();
    for (const abort of this.#connections.values()) abort.abort();
  }

  // ── four times a second ──

  /** @param {Moment} now */
  #begin(now) {
    this.#sleep.look(now);
    if (this.#isClosed || this.#isTicking) return;
    if (this.revocations.known.mode === "feed") {
      this.#isTicking = true;
      this.#stopTicking = this.#every(TICK_SECONDS, () => this.tick());
    }
    if (now.run - this.#tickedAt >= TICK_SECONDS) this.tick();
  }

  /** Fetch what is due, each document once at a time; close streams that are dead, and open one if it is time. */
  tick() {
    if (this.#isClosed) return;
    const now = this.now;
    this.#tickedAt = now.run;
    this.#sleep.look(now);
    if (!this.#issuer.isUsable(now.wall + KEYS_AHEAD_SECONDS)) this.#issuer.refreshIfDue(now.wall);
    for (const want of this.revocations.due(now)) {
      if (!this.#flights.has(want.url) && this.#flights.size < MOST_FLIGHTS) this.#bring(want);
    }
    const { stream } = this.revocations;
    for (const [connection, abort] of this.#connections) if (stream.isGivenUp(connection, now)) abort.abort();
    if (stream.isDue(now)) this.#listen(stream.opened(now));
  }

  // ── documents ──

  /** @param {Want} want */
  async #bring(want) {
    const { revocations } = this;
    this.#flights.add(want.url);
    try {
      const token = tokenIn(
        want.at,
        await this.#getter.get(want.at, MOST_CHARACTERS[want.isList ? "list" : "snapshot"]),
      );
      if (want.isList) {
        const read = await this.#checked((...by) => readList(want.url, token, ...by));
        revocations.learnList(read, this.now);
      } else {
        const read = await this.#checked((...by) => readSnapshot(token, ...by));
        this.#learnNames(() => revocations.learnSnapshot(read, this.now));
      }
      revocations.doubt(want, this.now);
    } catch (error) {
      this.#fail(want, error);
    } finally {
      this.#flights.delete(want.url);
      this.#asked.delete(want.url);
      this.#tell(want.url);
    }
  }

  /** @param {Want} want @param {any} error */
  #fail(want, error) {
    if (error instanceof VerifyError) this.revocations.known.refusals += 1;
    this.revocations.fail(want, this.now, error?.isMissing && want.at === want.url); // a relay may just not have it
    this.#issuer.log(`cannot learn what ${this.#issuer.url} has revoked: ${want.at}: ${reasonOf(error)}`);
  }

  /**
   * Check a document with the keys that sign documents, and once more with new keys if it names an unknown one.
   *
   * @template T
   * @param {(keys: KeySet, now: number, known: Known) => Promise<T>} check
   */
  async #checked(check) {
    const { known } = this.revocations;
    try {
      return await check(await this.#keys(), this.#clock(), known);
    } catch (error) {
      const flight = error instanceof VerifyError && error.code === "unknown_key" && this.#lookAgain();
      if (!flight) throw error;
      await flight;
      return check(await this.#keys(), this.#clock(), known);
    }
  }

  /** The keys that sign nothing else; those of tokens, where the issuer has none such. */
  async #keys() {
    const { body, keys } = this.#issuer;
    if (body !== this.#jwks) {
      this.#documentKeys = await KeySet.read(JSON.parse(body), undefined, "revocations");
      this.#jwks = body;
    }
    const { keys: own, leftOut } = this.#documentKeys; // none, where the marked ones cannot be used
    return own.length || leftOut ? this.#documentKeys : keys;
  }

  #lookAgain() {
    const { wall, run } = this.now;
    if (run - this.#lookedAgainAt < UNKNOWN_KEY_SECONDS) return null;
    this.#lookedAgainAt = run;
    return this.#issuer.lookAgain(wall);
  }

  // ── the stream ──

  /**
   * Listen until the stream ends, breaks, is silent for too long, or does not go on from our position.
   *
   * @param {Connection} connection
   */
  async #listen(connection) {
    const { stream, known } = this.revocations;
    const abort = new AbortController();
    this.#connections.set(connection, abort);
    let retryAfter = 0;
    let isFaulty = false;
    try {
      await this.#hear(connection, abort.signal);
    } catch (error) {
      if (error instanceof FetchError) retryAfter = error.retryAfter;
      isFaulty = error instanceof VerifyError || (error instanceof Lost && !error.isResync);
      if (error instanceof VerifyError) {
        known.refusals += 1;
        this.#issuer.log(`refused what ${this.#issuer.url} says is revoked: ${reasonOf(error)}`);
        stream.lost(error.code);
      }
    } finally {
      abort.abort();
      this.#connections.delete(connection);
      stream.closed(connection, this.now, retryAfter, isFaulty);
    }
  }

  /** @param {Connection} connection @param {AbortSignal} signal */
  async #hear(connection, signal) {
    const { known, stream } = this.revocations;
    const { position, offer } = known;
    if (!position || !offer?.stream) return;
    const url = stream.upstreams.at(offer.stream, connection.place);
    const headers = {
      accept: EVENT_STREAM,
      "last-event-id": `${position.epoch}:${position.eventId}`,
      ...(this.#authorization && isSameOrigin(url, known.issuer) && { authorization: this.#authorization }),
    };
    const { status, headers: theirs, body } = await this.#getter.ask(url, { headers, signal });
    if (status !== 200 || theirs.get("content-type")?.split(";")[0].trim().toLowerCase() !== EVENT_STREAM || !body) {
      const error = new FetchError(`${url} answered ${status}, and no ${EVENT_STREAM}`);
      throw Object.assign(error, { retryAfter: wholeSeconds(theirs.get("retry-after")) ?? 0 });
    }
    const reader = body.getReader();
    const parser = new Parser();
    for (let part; !(part = await reader.read()).done;) {
      for (const message of parser.feed(part.value)) await this.#heed(connection, message); // in their order
    }
  }

  /** @param {Connection} connection @param {Message} message */
  async #heed(connection, { event, data }) {
    const { stream } = this.revocations;
    if (event === "hello") {
      stream.hearGreeting(connection, data, this.now);
      this.tick(); // the connection that it replaces is not needed any more
    } else if (event === "revoked") {
      const read = await this.#checked((...by) => readEvent(data, ...by));
      this.#learnNames(() => stream.hearEvent(connection, read, this.now));
    } else if (event === "resync") {
      throw Object.assign(stream.lost("the issuer no longer has the events since our position"), { isResync: true });
    } else if (event === "") {
      connection.heardAt = this.now.run;
      if (data.startsWith(HEARTBEAT)) await this.#heedHeartbeat(data.slice(HEARTBEAT.length));
    }
  }

  /** @param {string} token */
  async #heedHeartbeat(token) {
    const { stream } = this.revocations;
    const beat = await this.#checked((...by) => readHeartbeat(token, ...by));
    const now = this.now;
    stream.hearHeartbeat(beat, now);
    if (stream.isLive(now)) this.#sleep.ended();
    this.#tell(NEWS);
  }

  /** Apply what was read, and say so if keys were revoked. @param {() => void} learn */
  #learnNames(learn) {
    const { kids } = this;
    learn();
    if (this.kids === kids) return;
    this.#onKeysRevoked();
    this.tick(); // what they signed is fetched again
  }

  // ── waiting ──

  /** @param {string} url */
  #news(url) {
    const found = this.#awaited.get(url) ?? deferred();
    this.#awaited.set(url, found);
    return found.promise;
  }

  /** Wake the tokens that wait for a document, or for any news. @param {string} url */
  #tell(url) {
    for (const each of [url, NEWS]) {
      this.#awaited.get(each)?.resolve();
      this.#awaited.delete(each);
    }
  }
}

/**
 * The follower of a bridge's feed, whose keys verify no token; null: no bridge is configured.
 *
 * @param {Issuer} issuer Whose tokens it tells of.
 * @param {{ mode: "feed" | "list", stale: "serve" | "refuse", staleAfter: number }} policy
 * @param {BridgeOptions & { clock: () => number, fetch?: typeof globalThis.fetch, allowHttpInDevelopment?: boolean,
 *   running: () => number, every: typeof every, clientId?: string, clientSecret?: string }} options
 */
function feedOf(issuer, policy, { fetch: get = (...request) => fetch(...request), ...options }) {
  const bridge = bridgeOf(issuer.url, options);
  if (!bridge) return null;
  const { clock, running, every: repeat, allowHttpInDevelopment: allowHttp } = options;
  const onLearned = () => feed.learnOffer();
  const keys = new Issuer(bridge.issuer, { getter: new Getter(get), clock, onLearned, log: issuer.log, allowHttp });
  /** @type {Follower} */
  const feed = new Follower(policy, {
    issuer: keys,
    getter: new FeedGetter(get, bridge.secret),
    clock,
    running,
    every: repeat,
    onKeysRevoked: () => {},
    offer: bridge.offer,
    bridged: new Bridged(issuer.url, { ...options, feedSecret: bridge.secret }),
  });
  return feed;
}

function deferred() {
  let resolve = () => {};
  const promise = /** @type {Promise<void>} */ (new Promise((done) => (resolve = () => done())));
  return { promise, resolve };
}

/**
 * Call a function again and again, without keeping a process alive; return how to stop.
 *
 * @param {number} seconds
 * @param {() => void} act
 */
function every(seconds, act) {
  const timer = /** @type {any} */ (setInterval(act, seconds * 1000));
  timer.unref?.();
  return () => clearInterval(timer);
}

/** @param {string} url @param {import("./http.js").Fetched} answer */
function tokenIn(url, { status, body }) {
  if (status === 200) return body.trim();
  throw Object.assign(new FetchError(`${url} answered ${status}`), { isMissing: status === 404 || status === 410 });
}

/** @param {any} error */
const reasonOf = (error) => (error instanceof VerifyError ? `refused: ${error.code}: ${error.message}` : error.message);

const runningClock = () => performance.now() / 1000;

/** RFC 6749 §2.3.1. @param {{ clientId?: string, clientSecret?: string }} client */
const basic = ({ clientId, clientSecret }) =>
  clientId === undefined || clientSecret === undefined
    ? undefined
    : `Basic ${btoa([clientId, clientSecret].map(encodeURIComponent).join(":"))}`;
