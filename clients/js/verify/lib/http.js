// Getting documents: bounded answers, no redirects, conditional requests; and which URLs may be asked at all.

import { invalidPolicy } from "./errors.js";

/** @typedef {{ status: number, headers: Headers, body: string }} Fetched */
/** @typedef {typeof globalThis.fetch} Fetch */

/** The seconds that one document may take, or metadata and keys together. */
export const FETCH_SECONDS = 5;

const MOST_KEPT = 4;
const MOST_KEPT_CHARACTERS = 65_536;

/** A fetch gave no usable answer. */
export class FetchError extends Error {
  retryAfter = 0;
  isMissing = false;
}

/** Gets documents; few and small ones are kept, and asked for by `If-None-Match`. */
export class Getter {
  #fetch;
  /** @type {Map<string, Fetched>} */
  #kept = new Map();

  /** @param {Fetch} fetch */
  constructor(fetch) {
    this.#fetch = fetch;
  }

  /** @param {string} url @param {number} most Characters. @param {AbortSignal} [signal] @returns {Promise<Fetched>} */
  async get(url, most, signal = AbortSignal.timeout(FETCH_SECONDS * 1000)) {
    const kept = this.#kept.get(url);
    const etag = kept?.headers.get("etag");
    const answer = await this.ask(url, {
      signal,
      headers: { ...(etag && { "if-none-match": etag }) },
    });
    const body = await bounded(url, answer, most);
    if (kept && answer.status === 304) return { ...kept, headers: answer.headers };
    const fetched = { status: answer.status, headers: answer.headers, body };
    this.#keep(url, fetched);
    return fetched;
  }

  /**
   * Ask by a connection of its own, where the platform lets us say so: one that was kept for the next request may be as
   * dead as the stream that the request is to replace.
   *
   * @param {string} url
   * @param {RequestInit & { headers: Record<string, string> }} init
   * @returns {Promise<Response>}
   */
  async ask(url, init) {
    try {
      return await this.#fetch(url, { redirect: "manual", ...init, headers: { connection: "close", ...init.headers } });
    } catch (error) {
      throw new FetchError(`${url}: ${/** @type {any} */ (error)?.cause?.code ?? error}`);
    }
  }

  /** @param {string} url @param {Fetched} fetched */
  #keep(url, fetched) {
    this.#kept.delete(url);
    if (fetched.status !== 200 || !fetched.headers.has("etag") || fetched.body.length > MOST_KEPT_CHARACTERS) return;
    this.#kept.set(url, fetched);
    if (this.#kept.size > MOST_KEPT) this.#kept.delete(/** @type {string} */ (this.#kept.keys().next().value));
  }
}

/** @param {string} url @param {Response} answer @param {number} most */
async function bounded(url, answer, most) {
  const reader = answer.body?.getReader();
  const decoder = new TextDecoder();
  let text = "";
  try {
    for (let part; reader && !(part = await reader.read()).done;) {
      text += decoder.decode(part.value, { stream: true });
      if (text.length > most) throw new FetchError(`${url}: more than ${most} characters`);
    }
  } catch (error) {
    reader?.cancel().catch(() => {});
    throw error instanceof FetchError ? error : new FetchError(`${url}: no whole answer: ${error}`);
  }
  return text + decoder.decode();
}

/**
 * Wait for a promise that does not fail; return whether it was in time.
 *
 * @param {Promise<unknown>} promise
 * @param {number} seconds
 */
export function within(promise, seconds) {
  return new Promise((resolve) => {
    const timer = setTimeout(() => resolve(false), seconds * 1000);
    promise.then(() => {
      clearTimeout(timer);
      resolve(true);
    });
  });
}

/** RFC 9111 §1.2.2: a whole number of seconds. @param {string | null} text */
export const wholeSeconds = (text) => (text && /^[0-9]{1,9}$/.test(text) ? Number(text) : null);

// ── URLs ──

/**
 * Parse a URL that keys depend on, which must be https, except on this machine.
 *
 * @param {unknown} url
 * @param {string} name
 * @param {boolean} [allowHttp] Whether hosts of a development network are asked without TLS.
 */
export function checkedUrl(url, name, allowHttp = false) {
  // Refuse first what parsers disagree about: two readings of one URL could be two hosts.
  if (typeof url !== "string" || !/^[!-[\]-~]+$/.test(url) || !URL.canParse(url)) {
    throw invalidPolicy(`${name} is not a URL`);
  }
  const parts = new URL(url);
  const isOpen = parts.protocol === "http:" && (isLoopback(url) || (allowHttp && isInDevelopment(parts.hostname)));
  if (parts.protocol !== "https:" && !isOpen) {
    throw invalidPolicy(`${name} must be an https URL; http is for this machine only`);
  }
  if (parts.username || parts.password || parts.hash || (name === "issuer" && parts.search)) {
    throw invalidPolicy(`${name} is not a URL of a host and a path`);
  }
  return parts;
}

/** @param {string} url */
export const isLoopback = (url) => /^(localhost|127(\.\d+){3}|\[::1\])\.?$/.test(new URL(url).hostname);

const PRIVATE = /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|169\.254\.|\[f[cd]|\[fe80)/;

/** Whether a host is of a private network: public names have a dot. @param {string} host */
const isInDevelopment = (host) => PRIVATE.test(host) || !/[.:]/.test(host);

/** Whether a URL has an issuer's scheme, host and port (RFC 6454 §4). @param {unknown} url @param {string} issuer */
export function isSameOrigin(url, issuer) {
  try {
    return checkedUrl(url, "url", true).origin === new URL(issuer).origin;
  } catch {
    return false;
  }
}
