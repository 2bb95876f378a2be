// What one issuer has revoked: which documents to fetch and when, how they are applied, and how up to date we are.

import { younger } from "../clocks.js";
import { Document, TTL_SECONDS } from "./lists.js";
import { Known } from "./known.js";
import { SILENCE_SECONDS, Stream } from "./stream.js";
import { Upstreams } from "./upstreams.js";

/** @import { Moment, Proof } from "../clocks.js" */
/** @import { Offer } from "../issuer.js" */
/** @import { Principal } from "../principal.js" */
/** @import { Copy } from "./lists.js" */

/** @typedef {{ url: string, isList: boolean, at: string }} Want A document, and where to fetch it: `url`, or at a relay. */

const RENEWAL_SECONDS = 600; // of documents while the stream is live, to see bits that are 0 again
const RELAYED_SECONDS = 60; // a relay fetches what is asked for at least this often, if the issuer is there
const MISSING_SECONDS = 30; // how long a list is not fetched again that the issuer says does not exist
const [LEAST_TTL, MOST_TTL] = [5, 3600];

export class Revocations {
  #jitter;
  #isIssuerOut = false;

  /**
   * @param {string} issuer
   * @param {{ mode: "feed" | "list", stale: "serve" | "refuse", staleAfter: number }} policy
   * @param {readonly string[]} [relays] Where they are read, in this order, before the issuer itself.
   * @param {() => number} [jitter] A number from 0 to 1, so that followers do not all come at once.
   */
  constructor(issuer, policy, relays = [], jitter = Math.random) {
    this.known = new Known(issuer, policy);
    this.stream = new Stream(this.known, new Upstreams(relays, jitter), jitter);
    this.#jitter = jitter;
  }

  // ── what is published ──

  /** Learn where the issuer publishes its revocations; return whether that has changed. @param {Offer} offer */
  learnOffer(offer) {
    const { known } = this;
    if (known.offer && offer.stream === known.offer.stream && offer.snapshot === known.offer.snapshot) return false;
    known.offer = offer;
    // Without a snapshot there is no starting point for the stream, and no ids are known to be revoked.
    known.snapshot = offer.snapshot === null ? null : new Document(offer.snapshot);
    known.byDocument = known.byStream = { asOf: -Infinity, run: -Infinity };
    return true;
  }

  /**
   * Request what is missing to judge a token, and return its URL if it may be here in a moment.
   *
   * @param {Principal} principal
   * @param {Moment} now
   */
  missing(principal, now) {
    const { known } = this;
    if (!known.offer) return known.issuer;
    if (known.snapshot?.isOnItsWay) return known.snapshot.url;
    const asked = known.statusesOf(principal).map(({ uri }) => known.lists.ask(uri, now.run));
    return asked.find((copy) => copy?.isOnItsWay)?.url ?? null;
  }

  /** Whether the first attempts have ended, well or not. */
  get hasSettled() {
    return this.known.offer !== null && !this.known.snapshot?.isOnItsWay && this.stream.hasSettled;
  }

  // ── when to fetch ──

  /**
   * The documents to fetch now: one at a time while the issuer does not answer.
   *
   * @param {Moment} now
   * @returns {Want[]}
   */
  due(now) {
    const { snapshot, lists } = this.known;
    const isLive = this.stream.isLive(now);
    /** @type {Want[]} */
    const wants = [];
    if (snapshot?.isDue(now, isLive ? RENEWAL_SECONDS : this.#polled(TTL_SECONDS))) {
      wants.push(this.#want(snapshot, false));
    }
    for (const copy of [...lists.awaited.values(), ...lists.held.values()]) {
      if (copy.isDue(now, this.#freshSeconds(copy, isLive))) wants.push(this.#want(copy, true));
    }
    return this.#isIssuerOut ? wants.slice(0, 1) : wants;
  }

  /** Where the stream is, and with each failure at the next place. @param {Document} document @param {boolean} isList */
  #want({ url, trouble }, isList) {
    const { upstreams } = this.stream;
    return { url, isList, at: upstreams.at(url, upstreams.place + trouble.times) };
  }

  /** @param {Copy} copy @param {boolean} isLive */
  #freshSeconds(copy, isLive) {
    if (!isLive) return this.#polled(copy.ttl);
    return copy.isJoined ? RENEWAL_SECONDS : LEAST_TTL;
  }

  /**
   * How long to use a document without a live stream: so that a revocation is known within its `ttl`.
   *
   * @param {number} ttl
   */
  #polled(ttl) {
    const seconds = ttl * (0.6 + 0.2 * this.#jitter());
    return this.known.feeds ? Math.min(seconds, Math.max(LEAST_TTL, this.known.staleAfter / 4)) : seconds;
  }

  /**
   * Record that a document could not be fetched, or was refused.
   *
   * @param {Want} want
   * @param {Moment} now
   * @param {boolean} [isMissing]
   */
  fail({ url, isList }, now, isMissing = false) {
    const found = isList ? this.known.lists.find(url) : this.known.snapshot;
    this.#isIssuerOut = !isMissing;
    found?.trouble.failed(now, this.#jitter(), isMissing && !found.isKnown ? MISSING_SECONDS : 0);
  }

  /**
   * Ask elsewhere, too, if what a relay has brought is older than what the issuer must have had for it.
   *
   * @param {Want} want
   * @param {Moment} now
   */
  doubt({ url, isList, at }, now) {
    const found = isList ? this.known.lists.find(url) : this.known.snapshot;
    const isExpected = this.stream.isLive(now) || !this.known.feeds; // and the issuer is not away itself
    if (at !== url && found && isExpected && now.wall - found.iat > RELAYED_SECONDS)
      found.trouble.failed(now, this.#jitter());
  }

  // ── what came ──

  /** @param {Awaited<ReturnType<typeof import("./documents.js").readList>>} read @param {Moment} now */
  learnList({ claims, kid, octets }, now) {
    const { known } = this;
    known.refuseSigner(kid); // it may have been revoked meanwhile
    const copy = known.lists.arrived(claims.sub, now.run);
    copy.refuseOlder(claims);
    const before = copy.knowsMoreThan(claims) ? copy.octets : null;
    copy.came(claims, kid, now);
    copy.ttl = Math.min(Math.max(claims.ttl || TTL_SECONDS, LEAST_TTL), MOST_TTL);
    copy.isJoined = known.joins(copy);
    copy.octets = octets;
    if (copy.isJoined) for (const { at, indexes } of known.eventsSince(copy.url, copy.eventId)) copy.hear(at, indexes);
    // It is older than the events that we remember, or we have started over since: our own bits have those in between.
    else if (before?.length === octets.length) octets.forEach((octet, at) => (octets[at] = octet | before[at]));
    copy.proof = this.#proofOf(claims.iat, copy.ttl, now);
    known.lists.hold(copy);
    this.#answered(claims.iat);
    if (!known.snapshot) known.byDocument = younger(known.byDocument, copy.proof, now);
  }

  /**
   * What is known to be revoked stays so.
   *
   * @param {Awaited<ReturnType<typeof import("./documents.js").readSnapshot>>} read
   * @param {Moment} now
   */
  learnSnapshot({ claims, kid }, now) {
    const { known } = this;
    known.refuseSigner(kid);
    if (!known.snapshot) return;
    known.snapshot.refuseOlder(claims);
    known.snapshot.came(claims, kid, now);
    this.#answered(claims.iat);
    known.pruneIfDue(now);
    known.revokeTokens(claims.jtis);
    known.bridged?.add(claims.issued_before ?? {});
    known.revokeKeys(claims.kids);
    // While we listen, the stream proves more; and what was skipped by moving ahead would be missing in the lists.
    const position = { epoch: claims.epoch, eventId: claims.event_id };
    if (known.position?.epoch !== position.epoch) known.startAt(position);
    else if (!known.feeds) known.position = position;
    known.byDocument = younger(known.byDocument, this.#proofOf(claims.iat, TTL_SECONDS, now), now);
  }

  /** @param {number} iat */
  #answered(iat) {
    this.#isIssuerOut = false;
    this.known.issuerTime = Math.max(this.known.issuerTime, iat);
  }

  /**
   * What a document proves: without a stream it is good for its `ttl`, however long a cache held it.
   *
   * @param {number} iat
   * @param {number} ttl
   * @param {Moment} now
   * @returns {Proof}
   */
  #proofOf(iat, ttl, now) {
    const asOf = this.known.feeds ? iat : Math.min(now.wall, iat + ttl);
    return { asOf, run: now.run - Math.max(0, now.wall - asOf) };
  }

  // ── how we are ──

  /** @param {Moment} now */
  health(now) {
    const { known } = this;
    const age = known.ageOfNames(now);
    const listsMissing = known.lists.missing(now.run);
    const feed = this.#state(now, listsMissing);
    return {
      feed,
      ready: known.stale === "serve" || known.areNamesFresh(now),
      knownWithin: this.#knownWithin(feed),
      provedSecondsAgo: age === Infinity ? null : Math.max(0, age),
      epoch: known.position?.epoch ?? null,
      eventId: known.position?.eventId ?? null,
      lists: known.lists.held.size,
      listsMissing,
      refusals: known.refusals,
    };
  }

  /** @param {Moment} now @param {number} missing @returns {import("../../index.d.ts").Health["feed"]} */
  #state(now, missing) {
    const { known } = this;
    if (!known.offer) return "starting";
    if (!known.snapshot) return "off";
    if (known.snapshot.isOnItsWay) return "starting";
    if (!known.areNamesFresh(now)) return "stale";
    if (missing) return known.lists.areAllOnTheirWay ? "starting" : "stale";
    return this.stream.isLive(now) ? "live" : "list only";
  }

  /** @param {string} feed */
  #knownWithin(feed) {
    if (feed === "live") return SILENCE_SECONDS;
    const ttls = [...this.known.lists.held.values()].map(({ ttl }) => ttl);
    return feed === "list only" ? Math.max(...(ttls.length ? ttls : [TTL_SECONDS])) : null;
  }
}
