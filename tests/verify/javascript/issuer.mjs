// An issuer that does what a test tells it to, behind a `fetch` of its own, with clocks that stand still until moved.

import { deflateSync } from "node:zlib";

import { Verifier } from "./support.mjs";

export const ISSUER = "https://auth.example.com";
export const LIST = `${ISSUER}/status/7`;
const NOW = 1_800_000_000;
const LIST_OCTETS = 131_072;
const METADATA = `${ISSUER}/.well-known/oauth-authorization-server`;

const base64url = (octets) => Buffer.from(octets).toString("base64url");

/** A signing key, published under a name. */
export async function makeKey(kid) {
  const { privateKey, publicKey } = await crypto.subtle.generateKey({ name: "ECDSA", namedCurve: "P-256" }, true, [
    "sign",
  ]);
  const { kty, crv, x, y } = await crypto.subtle.exportKey("jwk", publicKey);
  return { kid, privateKey, jwk: { kty, crv, x, y, kid, alg: "ES256", use: "sig" } };
}

export async function sign(claims, { kid, privateKey }, typ) {
  const parts = [{ alg: "ES256", typ, kid }, claims].map((part) => base64url(JSON.stringify(part)));
  const message = parts.join(".");
  const signature = await crypto.subtle.sign({ name: "ECDSA", hash: "SHA-256" }, privateKey, Buffer.from(message));
  return `${message}.${base64url(signature)}`;
}

/** Wait for a fact; the clocks of the tests stand still meanwhile. */
export async function soon(isSo, what = isSo.toString()) {
  const ends = Date.now() + 20_000;
  while (!isSo()) {
    if (Date.now() > ends) throw new Error(`not so within 20 seconds: ${what}`);
    await new Promise((resolve) => setImmediate(resolve));
  }
}

// How much is under way in other threads: the clocks of the tests do not run ahead of it.
let pending = 0;
for (const name of ["verify", "importKey", "sign", "digest"]) {
  const real = crypto.subtle[name].bind(crypto.subtle);
  crypto.subtle[name] = (...given) => {
    pending += 1;
    return real(...given).finally(() => (pending -= 1));
  };
}

/** Let everything go on that waits for nothing, until it has come to rest. */
export async function quiet() {
  for (let calm = 0; calm < 8; calm = pending ? 0 : calm + 1) await new Promise((resolve) => setImmediate(resolve));
}

/** Let time pass, a quarter of a second after the other, until a fact is there. */
export async function pass(issuer, verifier, isSo) {
  for (let ticks = 0; !isSo(); ticks++) {
    if (ticks > 4000) throw new Error(`not so after 1000 seconds: ${isSo}`);
    issuer.advance(0.25);
    verifier.tick();
    await quiet();
  }
}

export class ScriptedIssuer {
  wall = NOW;
  run = 1000;
  epoch = "e1";
  eventId = 0;
  bits = new Set();
  jtis = {};
  kids = [];
  log = [];
  streams = [];
  asked = [];
  askedFrom = [];
  isAway = false;
  asOf = null; // when its node has read the store last; null: just now
  /** What to answer at a URL in place of the usual: a function to a Response, or to a promise of one. */
  scripts = new Map();
  offers = { revocations_uri: `${ISSUER}/revocations`, revocations_snapshot_uri: `${ISSUER}/revocations/snapshot` };

  static async make(...kids) {
    const issuer = new ScriptedIssuer();
    issuer.keys = await Promise.all((kids.length ? kids : ["k1", "k2"]).map(makeKey));
    return issuer;
  }

  advance(seconds) {
    this.wall += seconds;
    this.run += seconds;
  }

  count(url) {
    return this.asked.filter((one) => one === url).length;
  }

  // ── what it signs ──

  token(changes = {}, key = this.keys[0]) {
    const claims = {
      iss: ISSUER,
      sub: "user_1",
      aud: "my-api",
      exp: NOW + 36_000,
      iat: NOW,
      jti: "tok_1",
      client_id: "app",
    };
    return sign({ ...claims, ...changes }, key, "at+jwt");
  }

  at(idx, uri = LIST) {
    return { status: { status_list: { idx, uri } } };
  }

  list(changes = {}, key = this.keys[0]) {
    const octets = Buffer.alloc(LIST_OCTETS);
    for (const idx of this.bits) octets[idx >> 3] |= 1 << (idx & 7);
    const now = Math.floor(this.wall);
    const claims = {
      iss: ISSUER,
      sub: LIST,
      iat: now,
      exp: now + 3000,
      ttl: 30,
      epoch: this.epoch,
      event_id: this.eventId,
      status_list: { bits: 1, lst: base64url(deflateSync(octets)) },
    };
    return sign({ ...claims, ...changes }, key, "statuslist+jwt");
  }

  snapshot(changes = {}, key = this.keys[0]) {
    const now = Math.floor(this.wall);
    const claims = {
      iss: ISSUER,
      iat: now,
      exp: now + 3000,
      epoch: this.epoch,
      event_id: this.eventId,
      jtis: this.jtis,
      kids: this.kids,
    };
    return sign({ ...claims, ...changes }, key, "revocations+jwt");
  }

  event(number, after, revoked, { key = this.keys[0], epoch = this.epoch } = {}) {
    const events = { "urn:gatepass:revoked": { after, ...revoked } };
    return sign({ iss: ISSUER, iat: Math.floor(this.wall), jti: `${epoch}:${number}`, events }, key, "secevent+jwt");
  }

  heartbeat(changes = {}, key = this.keys[0]) {
    const claims = {
      iss: ISSUER,
      epoch: this.epoch,
      head: this.eventId,
      as_of: this.asOf ?? this.wall,
      iat: this.wall,
    };
    return sign({ ...claims, ...changes }, key, "heartbeat+jwt");
  }

  // ── what it does ──

  /** Revoke something, and tell every stream. */
  async revoke({ idx, jti, kid }) {
    const revoked = {};
    if (idx !== undefined) (this.bits.add(idx), (revoked.status = [[LIST, [idx]]]));
    if (jti !== undefined)
      ((this.jtis = { ...this.jtis, [jti]: NOW + 36_000 }), (revoked.jtis = { [jti]: NOW + 36_000 }));
    if (kid !== undefined) ((this.kids = [...this.kids, kid]), (revoked.kids = [kid]));
    const signer = this.keys.find((key) => !this.kids.includes(key.kid));
    const message = await this.event(++this.eventId, this.eventId - 1, revoked, { key: signer });
    this.log.push([this.eventId, message]);
    this.say(`event: revoked\ndata: ${message}\n\n`);
  }

  async beat(changes, key) {
    this.say(`: heartbeat ${await this.heartbeat(changes, key)}\n\n`);
  }

  say(text) {
    for (const stream of this.streams) stream.enqueue(Buffer.from(text));
  }

  end() {
    for (const stream of this.streams.splice(0)) stream.close();
  }

  fetch = async (url, { headers = {}, signal } = {}) => {
    this.asked.push(String(url));
    if (this.isAway) throw new TypeError("fetch failed");
    const script = this.scripts.get(url);
    if (script) return script({ headers, signal });
    if (url === METADATA) return Response.json({ issuer: ISSUER, jwks_uri: `${ISSUER}/jwks`, ...this.offers });
    if (url === `${ISSUER}/jwks`) return Response.json({ keys: this.keys.map(({ jwk }) => jwk) });
    if (url === LIST) return new Response(await this.list());
    if (url === this.offers.revocations_snapshot_uri) return new Response(await this.snapshot());
    if (url === this.offers.revocations_uri) return this.#stream(headers["last-event-id"], signal);
    return new Response("", { status: 404 });
  };

  async #stream(from, signal) {
    this.askedFrom.push(from);
    const [epoch, number] = from.split(":");
    const where = JSON.stringify({ epoch: this.epoch, event_id: this.eventId });
    const isKnown = epoch === this.epoch && Number(number) <= this.eventId;
    const missed = this.log
      .filter(([id]) => id > Number(number))
      .map(([, message]) => `event: revoked\ndata: ${message}\n\n`);
    const first = isKnown
      ? `event: hello\ndata: ${where}\n\n${missed.join("")}: heartbeat ${await this.heartbeat()}\n\n`
      : `event: resync\ndata: ${where}\n\n`;
    const body = new ReadableStream({
      start: (controller) => {
        this.streams.push(controller);
        controller.enqueue(Buffer.from(first));
        signal.addEventListener("abort", () => {
          this.streams = this.streams.filter((one) => one !== controller);
          try {
            controller.error(new Error("closed"));
          } catch {} // it has ended
        });
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }
}

/** A verifier that follows a scripted issuer, and looks at its clocks when it is told to. */
export function follow(issuer, options = {}) {
  const warnings = [];
  const verifier = new Verifier({
    issuer: ISSUER,
    audience: "my-api",
    fetch: issuer.fetch,
    clock: () => issuer.wall,
    running: () => issuer.run,
    every: (_, tick) => {
      verifier.tick = tick;
      return () => {};
    },
    log: (message) => warnings.push(message),
    ...options,
  });
  return Object.assign(verifier, { warnings });
}

/** One that is live, with a list. */
export async function live(issuer, options) {
  const verifier = follow(issuer, options);
  await verifier.verify(await issuer.token(issuer.at(5)));
  verifier.tick();
  await soon(() => verifier.health().feed === "live", "live");
  return verifier;
}

/** Let time pass as it does: the follower looks at its clocks, and a heartbeat comes every two seconds. */
export async function liveOn(issuer, verifier, seconds) {
  for (let passed = 0; passed < seconds; passed += 2) {
    issuer.advance(2);
    await issuer.beat();
    await soon(() => verifier.health().provedSecondsAgo === 0, "a heartbeat");
    await quiet();
    verifier.tick();
  }
}
