// The `Authorization` header, read as RFC 6750 §2.1 and RFC 9449 §7.1 say, and the response to what was refused.

import { VerifyError } from "./errors.js";
import { ASYMMETRIC } from "./keys.js";

/** @import { Challenge, ChallengeOptions } from "../index.d.ts" */

/** @param {string} code @param {string} message */
const refused = (code, message) => new VerifyError(code, message);

/**
 * Return the token of a request, and whether it came by the scheme `DPoP`.
 *
 * @param {string | null | undefined} authorization The header; several are joined by commas, and never one token.
 */
export function credentials(authorization) {
  if (!authorization) throw refused("missing_token", "the request has no Authorization header");
  const [, scheme, rest = ""] = /** @type {RegExpMatchArray} */ (authorization.trim().match(/^([^ ]*)(?: (.*))?$/s));
  const name = scheme.toLowerCase();
  if (name !== "bearer" && name !== "dpop") {
    throw refused("missing_token", "the request's Authorization is neither Bearer nor DPoP");
  }
  const token = rest.trim();
  if (!/^[^ ,]+$/.test(token)) throw refused("invalid_request", `${scheme} is not followed by one token`);
  return { token, isDPoP: name === "dpop" };
}

/** @type {Record<string, string>} */
const UNAVAILABLE = {
  issuer_unavailable: "the keys to verify access tokens are not available",
  revocation_stale: "the list of revoked access tokens is not available",
  replays_unavailable: "the list of used proofs is not available",
};

const OUR_OWN = ["invalid_policy", "invalid_key", "weak_key"];

/**
 * Return the response to an error: status, headers, and a sentence for developers (RFC 6750 §3, RFC 9449 §7.1,
 * RFC 9470 §3). An error about our own configuration is thrown again, since it is not for a client.
 *
 * @param {unknown} error
 * @param {ChallengeOptions} [options]
 * @returns {Challenge}
 */
export function challenge(error, { dpop = false, dpopRequired = false, resourceMetadata } = {}) {
  if (!(error instanceof VerifyError) || OUR_OWN.includes(error.code)) throw error;
  const { code, message, scope, acrValues, maxAge, retryAfter, nonce } = /** @type {any} */ (error);
  if (code in UNAVAILABLE) {
    return { status: 503, headers: { "retry-after": String(retryAfter) }, detail: UNAVAILABLE[code] };
  }
  const isProof = ["invalid_dpop_proof", "use_dpop_nonce"].includes(code);
  const scheme = isProof || code === "unproven_cnf" || dpop || dpopRequired ? "DPoP" : "Bearer";
  /** @param {number} status @param {string} detail @param {Record<string, unknown>} [parameters] */
  const answer = (status, detail, parameters) => {
    const every = {
      ...(parameters && { error: parameters.error, error_description: detail, ...parameters }),
      algs: scheme === "DPoP" ? ASYMMETRIC.join(" ") : undefined,
      resource_metadata: resourceMetadata,
    };
    return {
      status,
      headers: { "www-authenticate": written(scheme, every), ...(nonce && { "dpop-nonce": nonce }) },
      detail,
    };
  };
  if (code === "missing_token") return answer(401, "an access token is needed");
  if (code === "invalid_request") return answer(400, message, { error: code });
  if (code === "insufficient_scope") return answer(403, message, { error: code, scope });
  if (code === "insufficient_user_authentication") {
    return answer(401, message, { error: code, acr_values: acrValues, max_age: maxAge });
  }
  if (isProof) return answer(401, message, { error: code });
  return answer(401, `the access token was refused: ${code}`, { error: "invalid_token" });
}

/** @param {string} scheme @param {Record<string, unknown>} parameters */
function written(scheme, parameters) {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return `${scheme} ${given.map(([name, value]) => `${name}=${quoted(String(value))}`).join(", ")}`.trim();
}

/** RFC 9110 §5.6.4: what could end the string or the header is escaped or replaced. @param {string} text */
const quoted = (text) => `"${text.replace(/[^ -~]/gu, "?").replace(/["\\]/g, "\\$&")}"`;
