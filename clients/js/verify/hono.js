// Protect routes of a Hono application: `app.use("/orders/*", bearer(verifier, { scope: "orders:read" }))`.

import { guard, unmet } from "./lib/guard.js";

/** @import { Challenge, GuardOptions, Requirement, TokenVerifier } from "./index.d.ts" */
/** @import { HonoErrorHandler, HonoMiddleware } from "./hono.d.ts" */

/**
 * Return a middleware that sets the variable `user`, or answers 400, 401, 403 or 503.
 *
 * @param {TokenVerifier} verifier
 * @param {Requirement} [requirement]
 * @param {GuardOptions} [options]
 * @returns {HonoMiddleware}
 */
export function bearer(verifier, requirement, options) {
  const judge = guard(verifier, requirement, options);
  return async (c, next) => {
    const { headers, method, url } = c.req.raw;
    const incoming = {
      authorization: headers.get("authorization") ?? "",
      proof: headers.get("dpop") ?? "",
      method,
      url,
    };
    const { principal, refused } = await judge(incoming);
    if (refused) return answer(c, refused);
    c.set("user", principal);
    await next();
  };
}

/** Answers what `c.get("user").require(…)` throws in a handler: `app.onError(refusals)`. @type {HonoErrorHandler} */
export const refusals = (error, c) => {
  const missing = unmet(error);
  if (!missing) throw error;
  return answer(c, missing);
};

/** @param {any} c @param {Challenge} challenge */
const answer = (c, { status, headers, detail }) => c.json({ detail }, status, headers);
