// Gatepass in a browser: one ES module without dependencies. https://auth.example.com/gatepass.js is this very file.
//
// The access token is in this tab's memory and nowhere else. On the issuer's own site the refresh token is in a cookie
// that no script can read (cookie mode); for another site (`clientId`) it is in memory too, and each tab has a grant of
// its own. Tabs tell each other that something has changed, never a token.

/**
 * @import { Client, ClientOptions, Listener, Session } from "./gatepass.d.ts"
 */

const TIMEOUT = 10_000; // milliseconds; the server takes a repeated refresh for a lost answer when it is older than this
const EARLY = 30_000; // milliseconds before its end at which an access token is renewed

// Only these say that the session is over; anything else is a trouble on the way, and signs nobody out.
const ENDED = ["missing_refresh_token", "invalid_refresh_token", "refresh_token_reused", "session_ended", "invalid_grant"];
const NOBODY = ["login_required", "interaction_required", "consent_required", "account_selection_required"];

/** What went wrong: the server's `code`, or one of ours, which the README lists. */
export class AuthError extends Error {
  /**
   * @param {string} code
   * @param {string} message
   * @param {ErrorOptions & { status?: number, factors?: string[], retryAfter?: number }} [more]
   */
  constructor(code, message, { cause, ...more } = {}) {
    super(message, { cause });
    this.name = "AuthError";
    this.code = code;
    Object.assign(this, more);
  }
}

/**
 * Make a client. Without options it is for pages of the site of the issuer that this module was loaded from.
 *
 * @param {ClientOptions} [options]
 * @returns {Client}
 */
export function createClient({
  issuer = new URL(".", import.meta.url).href,
  clientId,
  redirectUri = location.origin + "/",
  postLogoutRedirectUri,
  origins = [],
  audience,
  scope,
} = {}) {
  issuer = issuer.replace(/\/$/, "");
  const isCookieMode = !clientId;
  const name = `gatepass ${issuer} ${clientId ?? ""}`;
  const trusted = new Set([location.origin, ...[issuer, ...origins].map((each) => new URL(each).origin)]);
  /** @type {Set<Listener>} */
  const listeners = new Set();

  /** @type {Session | null | undefined} */
  let session; // undefined until the server has been asked
  /** @type {{ token: string, refresh?: string, id?: string, lifetime: number, since: Instant } | null} */
  let held = null;
  let epoch = new AbortController(); // as long as one session lasts here; its end discards the answers in flight
  /** @type {Promise<void> | null} */
  let renewing = null;
  /** @type {Promise<Session | null> | null} */
  let starting = null;
  let factorChallenge = "";
  let codeChallenge = "";
  let mark = readMark();
  /** @type {BroadcastChannel | undefined} */
  let channel;

  // ── what the tabs tell each other ──

  // The mark is a version, and the id of the session that a sign-out ended. It comes by a message, and is read before a
  // token is used and after an answer: whichever is first counts, and the later of two is the higher one.
  function readMark() {
    return stored("localStorage")?.getItem(name) ?? "";
  }

  /** @param {string} [sessionId] */
  function tell(sessionId = "") {
    mark = `${Math.max(Date.now(), version() + 1) + Math.random()} ${sessionId}`;
    stored("localStorage")?.setItem(name, mark);
    channel?.postMessage(mark);
    cut();
  }

  function look(seen = readMark()) {
    if (!(version(seen) > version())) return;
    mark = seen;
    if (isCookieMode) {
      cut();
      become(ended() ? null : undefined); // the cookie is all tabs' together
    } else if (ended() === session?.sessionId) become(null);
  }

  const ended = () => mark.split(" ")[1];
  const version = (of = mark) => Number(of.split(" ")[0]);

  function listen() {
    if (!("BroadcastChannel" in globalThis)) return;
    channel = new BroadcastChannel(name);
    channel.onmessage = ({ data }) => {
      look(String(data));
      if (session === undefined && listeners.size) current().catch(() => {});
    };
  }

  listen();
  addEventListener("pagehide", () => channel?.close()); // an open one would keep the page out of the back/forward cache
  addEventListener("pageshow", ({ persisted }) => {
    if (!persisted) return;
    listen();
    look();
    if (isCookieMode && session) renew().catch(() => {}); // the server's own pages may have signed out meanwhile
  });

  // ── the session here ──

  function cut() {
    epoch.abort(new AuthError("session_changed", "Someone has signed in or out meanwhile, so the answer is discarded."));
    epoch = new AbortController();
    renewing = null;
  }

  /** @param {Session | null | undefined} next */
  function become(next) {
    const before = session;
    session = next;
    if (!next) held = null;
    if (before === next || (before && before.sessionId === next?.sessionId)) return;
    if (before) cut();
    if (!isCookieMode) remember(Boolean(next));
    if (next !== undefined) for (const each of listeners) queueMicrotask(() => each(next));
  }

  /**
   * @param {Json} tokens
   * @param {Instant} since
   */
  function take(tokens, since) {
    const token = tokens.token ?? tokens.access_token;
    const next = sessionOf(token);
    const is = session?.sessionId === next.sessionId;
    held = {
      token,
      refresh: tokens.refresh_token ?? (is ? held?.refresh : undefined),
      id: tokens.id_token ?? (is ? held?.id : undefined),
      lifetime: tokens.expires_in * 1000,
      since,
    };
    become(next);
  }

  const left = () => (held ? held.lifetime - age(held.since) : 0);

  // ── asking the server ──

  /**
   * @param {string} path
   * @param {RequestInit} init
   * @param {AbortSignal} [signal]
   * @returns {Promise<Json>}
   */
  async function ask(path, init, signal) {
    const signals = [AbortSignal.timeout(TIMEOUT), ...(signal ? [signal] : [])];
    let answer, body;
    try {
      const limit = AbortSignal.any(signals);
      answer = await fetch(issuer + path, { method: "POST", cache: "no-store", redirect: "error", signal: limit, ...init });
      const text = await answer.text();
      body = text || !answer.ok ? JSON.parse(text) : {};
    } catch (cause) {
      signal?.throwIfAborted();
      throw unreachable(cause);
    }
    if (answer.ok) return body;
    const code = body.code ?? body.error ?? `http_${answer.status}`;
    if (code === "second_factor_required") factorChallenge = body.challenge;
    const retryAfter = Number(answer.headers.get("retry-after")) || undefined;
    const message = body.detail ?? body.error_description ?? body.title ?? code;
    throw new AuthError(code, message, { status: answer.status, factors: body.factors, retryAfter });
  }

  /**
   * @param {string} path
   * @param {Json} [body]
   * @param {AbortSignal} [signal]
   * @param {string} [bearer]
   */
  const post = (path, body = {}, signal, bearer) =>
    ask(path, {
      credentials: "include",
      headers: {
        "Content-Type": "application/json",
        "Gatepass-Request": "1",
        ...(bearer && { Authorization: `Bearer ${bearer}` }),
      },
      body: JSON.stringify(body),
    }, signal);

  /**
   * @param {Record<string, string | undefined>} fields
   * @param {AbortSignal} [signal]
   */
  const redeem = (fields, signal) =>
    ask("/oauth/token", { credentials: "omit", body: query({ client_id: clientId, ...fields }) }, signal);

  // One tab at a time: two answers at once could leave the older cookie. Tabs of another site share nothing.
  /** @template T @param {() => Promise<T>} work @returns {Promise<T>} */
  const alone = async (work) => (isCookieMode && navigator.locks ? navigator.locks.request(name, work) : work());

  /** @param {string} [organization] */
  function renew(organization) {
    const { signal } = epoch;
    const renewal = alone(async () => {
      look();
      signal.throwIfAborted();
      await refreshed(signal, organization);
    }).finally(() => {
      if (renewing === renewal) renewing = null;
    });
    return (renewing = renewal);
  }

  /**
   * @param {AbortSignal} signal
   * @param {string} [organization]
   */
  async function refreshed(signal, organization) {
    const since = instant();
    const send = () =>
      isCookieMode
        ? post("/refresh", organization === undefined ? {} : { organization }, signal)
        : redeem({ grant_type: "refresh_token", refresh_token: held?.refresh }, signal);
    try {
      if (!isCookieMode && !held?.refresh) throw signedOut();
      const tokens = await send().catch((error) => {
        if (error.code !== "unreachable") throw error;
        return send(); // the answer may be what was lost: the server knows a repeated refresh
      });
      look();
      signal.throwIfAborted();
      if (isCookieMode && sessionOf(tokens.token).sessionId === ended()) {
        await post("/logout"); // it was signed out here, and the server could not be told
        throw signedOut();
      }
      take(tokens, since);
      signal.throwIfAborted(); // it is another's session
    } catch (error) {
      signal.throwIfAborted();
      if (!isAuthError(error) || ![...ENDED, "signed_out"].includes(error.code)) throw error;
      become(null);
      throw signedOut();
    }
  }

  async function bearer() {
    look();
    if (session === null) throw signedOut();
    if (!held && !isCookieMode) await current();
    if (held && left() > Math.min(EARLY, held.lifetime / 4)) return held.token;
    try {
      await (renewing ?? renew());
    } catch (error) {
      if (!held || left() <= 0 || !isAuthError(error) || error.code === "session_changed") throw error;
    }
    if (!held) throw signedOut();
    return held.token;
  }

  /** @param {() => Promise<Json>} send */
  async function signedOutBy(send) {
    try {
      await send();
      return true;
    } catch (error) {
      if (isAuthError(error) && [...ENDED, "missing_token", "invalid_token"].includes(error.code)) return false;
      throw error;
    }
  }

  // ── signing in ──

  /**
   * @param {string} path
   * @param {Json} proof
   */
  function enter(path, proof) {
    return alone(async () => {
      const since = instant();
      const tokens = await post(path, proof);
      factorChallenge = codeChallenge = "";
      tell();
      take(tokens, since);
      return /** @type {Session} */ (session);
    });
  }

  const asked = () => ({ cookie: true, audience, scope });

  /** @param {PublicKeyCredentialRequestOptionsJSON} publicKey */
  async function passkey(publicKey, more = {}) {
    try {
      const options = PublicKeyCredential.parseRequestOptionsFromJSON(publicKey);
      return JSON.parse(JSON.stringify(await navigator.credentials.get({ publicKey: options, ...more })));
    } catch (cause) {
      throw new AuthError("passkey_cancelled", "The passkey was not used.", { cause });
    }
  }

  // ── OpenID Connect: the code flow with PKCE (RFC 7636), for pages of other sites ──

  /**
   * @param {Record<string, string | undefined>} [more]
   * @param {(path: string) => string} [way]
   * @param {"assign" | "replace"} [go]
   * @returns {Promise<null>}
   */
  async function leave(more, way = (path) => issuer + path, go = "assign") {
    const pending = { state: random(), nonce: random(), verifier: random(), back: location.href };
    stored("sessionStorage")?.setItem(`${name} pending`, JSON.stringify(pending));
    const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(pending.verifier));
    const request = query({
      response_type: "code",
      client_id: clientId,
      redirect_uri: redirectUri,
      scope: scope ?? "openid",
      resource: audience,
      state: pending.state,
      nonce: pending.nonce,
      code_challenge: base64url(new Uint8Array(digest)),
      code_challenge_method: "S256",
      ...more,
    });
    location[go](way(`/oauth/authorize?${request}`));
    return null;
  }

  async function comeBack() {
    const answer = new URLSearchParams(location.search);
    const isHere = location.origin + location.pathname === new URL(redirectUri).href;
    if (!isHere || !(answer.has("code") || answer.has("error"))) return false;
    const pending = JSON.parse(stored("sessionStorage")?.getItem(`${name} pending`) ?? "{}");
    stored("sessionStorage")?.removeItem(`${name} pending`);
    history.replaceState(history.state, "", pending.back ?? redirectUri); // the code does not stay in the address
    if (!pending.state || answer.get("state") !== pending.state || answer.get("iss") !== issuer) {
      throw new AuthError("invalid_state", "This answer is not to a sign-in that began in this tab.");
    }
    const error = answer.get("error");
    if (error) {
      become(null);
      if (NOBODY.includes(error)) return true;
      throw new AuthError(error, answer.get("error_description") ?? error);
    }
    const since = instant();
    const code = { code: answer.get("code") ?? "", code_verifier: pending.verifier, redirect_uri: redirectUri };
    const tokens = await redeem({ grant_type: "authorization_code", ...code });
    if (tokens.id_token) checkId(claimsOf(tokens.id_token), pending.nonce);
    take(tokens, since);
    return true;
  }

  // It comes from the token endpoint itself, so TLS stands for its signature (OpenID Connect Core §3.1.3.7, 6).
  /** @param {Json} claims @param {string} nonce */
  function checkId({ iss, aud, nonce: theirs }, nonce) {
    if (iss !== issuer || ![aud].flat().includes(clientId) || theirs !== nonce) {
      throw new AuthError("invalid_id_token", "The ID token is not for this sign-in.");
    }
  }

  /** @param {boolean} isSignedIn */
  function remember(isSignedIn) {
    if (isSignedIn) stored("sessionStorage")?.setItem(`${name} was here`, "1");
    else stored("sessionStorage")?.removeItem(`${name} was here`);
  }

  async function start() {
    if (isCookieMode) await renew();
    else if (!(await comeBack())) {
      const wasHere = stored("sessionStorage")?.getItem(`${name} was here`);
      remember(false); // once: a loop of redirects would follow if it failed
      if (wasHere) {
        await leave({ prompt: "none" }, undefined, "replace");
        await new Promise(() => {}); // this page is gone
      }
      become(null);
    }
    return session ?? null;
  }

  /** @returns {Promise<Session | null>} */
  async function current() {
    look();
    if (session !== undefined) return session;
    try {
      return await (starting ??= start().finally(() => (starting = null)));
    } catch (error) {
      if (isAuthError(error) && error.code === "signed_out") return null;
      if (isAuthError(error) && error.code === "session_changed") return current();
      throw error;
    }
  }

  // ── what a page calls ──

  /** @type {Client} */
  const client = {
    get current() {
      return session;
    },
    session: current,
    onChange(listener) {
      listeners.add(listener);
      return () => void listeners.delete(listener);
    },

    async signUp(person) {
      if (!isCookieMode) return leave({ prompt: "create" });
      const made = await post("/signup", person);
      return made.id ? client.signIn({ email: person.email, password: person.password }) : null;
    },
    async signIn(person = {}) {
      if (!isCookieMode) return leave({ prompt: person.prompt, login_hint: person.email });
      return enter("/login", { ...person, ...asked() });
    },
    async signInWith(provider) {
      const page = (/** @type {string} */ back) =>
        `${issuer}/pages/login/with/${encodeURIComponent(provider)}?${query({ return_to: back })}`;
      if (!isCookieMode) return leave({}, (path) => page(new URL(issuer).pathname.replace(/\/$/, "") + path));
      const isOurs = location.origin === new URL(issuer).origin;
      location.assign(page(isOurs ? location.pathname + location.search : location.href));
      return null;
    },
    async signInWithPasskey(more) {
      if (!isCookieMode) return leave();
      const { public_key } = await post("/login/passkey/options");
      return enter("/login/passkey", { credential: await passkey(public_key, more), ...asked() });
    },
    async sendCode({ email }) {
      codeChallenge = (await post("/login/email", { email })).challenge;
    },
    async signInWithCode({ code }) {
      return enter("/login/email/code", { challenge: codeChallenge, code, ...asked() });
    },
    async answerFactor({ code, recoveryCode, passkey: isPasskey, remember }) {
      const challenge = factorChallenge;
      const proof = isPasskey
        ? { passkey: await passkey((await post("/login/factor/options", { challenge })).public_key) }
        : { code, recovery_code: recoveryCode };
      return enter("/login/factor", { challenge, ...proof, remember });
    },

    async refresh({ organization } = {}) {
      if (session === undefined && !isCookieMode) return current();
      await renew(organization).catch((error) => {
        if (error.code !== "signed_out") throw error;
      });
      if (organization !== undefined) tell(); // other tabs' tokens are for the former one
      return session ?? null;
    },
    async signOut({ everywhere = false } = {}) {
      look();
      let last = held;
      const end = () => {
        last = held ?? last;
        tell(session?.sessionId ?? "-");
        become(null);
      };
      end(); // at once, in all tabs: the server may be slow, or away
      if (!isCookieMode) {
        const way = { id_token_hint: last?.id, client_id: clientId, post_logout_redirect_uri: postLogoutRedirectUri };
        location.assign(`${issuer}/oauth/logout?${query(way)}`);
        return;
      }
      const path = everywhere ? "/logout/all" : "/logout";
      await alone(async () => {
        if (session) end(); // a sign-in was under way
        const isDone = last && (await signedOutBy(() => post(path, {}, undefined, last?.token)));
        if (!isDone) await signedOutBy(() => post(path)); // the token was too old to say whose session it was
      });
    },

    async fetch(input, init) {
      const request = new Request(input, { ...init, redirect: "error" });
      const { origin, protocol } = new URL(request.url);
      if (!protocol.startsWith("http") || !trusted.has(origin)) {
        const message = `The token is not sent to ${origin}, which createClient({ origins: [...] }) does not name.`;
        throw new AuthError("origin_not_allowed", message);
      }
      const { signal } = epoch;
      /** @param {Request} each */
      const send = async (each) => {
        const token = await bearer();
        signal.throwIfAborted();
        each.headers.set("Authorization", `Bearer ${token}`);
        try {
          const answer = await fetch(each, { signal: AbortSignal.any([signal, request.signal]) });
          look();
          signal.throwIfAborted();
          return { answer, token };
        } catch (cause) {
          signal.throwIfAborted();
          request.signal.throwIfAborted();
          throw unreachable(cause, origin);
        }
      };
      const { answer, token } = await send(request.clone());
      if (answer.status !== 401) return answer;
      if (held?.token === token) await (renewing ?? renew()); // it was revoked, or this clock runs slow
      signal.throwIfAborted();
      return (await send(request)).answer; // once: what is refused again is the page's affair
    },
    async user() {
      if (!(await current())) return null;
      const answer = await client.fetch(issuer + (isCookieMode ? "/me" : "/oauth/userinfo"));
      if (!answer.ok) throw new AuthError(`http_${answer.status}`, "The server does not tell who this is.");
      return answer.json();
    },
  };
  return client;

  /** @param {unknown} cause */
  function unreachable(cause, origin = new URL(issuer).origin) {
    const message = `${origin} cannot be reached, or does not let pages of ${location.origin} call it (see its log).`;
    return new AuthError("unreachable", message, { cause });
  }
}

/** @typedef {Record<string, any>} Json */
/** @typedef {{ wall: number, steady: number }} Instant */

const signedOut = () => new AuthError("signed_out", "Nobody is signed in.");

/** @param {unknown} error @returns {error is AuthError} */
const isAuthError = (error) => error instanceof AuthError;

// Neither clock alone will do: people set one, and the other stops while a computer sleeps.
/** @returns {Instant} */
const instant = () => ({ wall: Date.now(), steady: performance.now() });
/** @param {Instant} since */
const age = ({ wall, steady }) => Math.max(Date.now() - wall, performance.now() - steady);

/** @param {"localStorage" | "sessionStorage"} kind */
function stored(kind) {
  try {
    return globalThis[kind];
  } catch {
    return undefined; // a browser may refuse it
  }
}

/** @param {Record<string, string | undefined>} fields */
function query(fields) {
  const given = Object.entries(fields).filter(([, value]) => value !== undefined);
  return new URLSearchParams(/** @type {[string, string][]} */ (given));
}

/** @param {Uint8Array} bytes */
const base64url = (bytes) =>
  btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replaceAll("=", "");

const random = () => base64url(crypto.getRandomValues(new Uint8Array(32)));

/** @param {string} token @returns {Json} */
function claimsOf(token) {
  const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
  return JSON.parse(new TextDecoder().decode(Uint8Array.from(atob(payload), (each) => each.charCodeAt(0))));
}

/** @param {string} token @returns {Session} */
function sessionOf(token) {
  const { sub, sid, roles = [], scope = "" } = claimsOf(token);
  return { subject: sub, sessionId: sid, roles, scopes: scope.split(" ").filter(Boolean) };
}
