// Protect routes of an Express application: `app.get("/orders", bearer(verifier, { scope: "orders:read" }), handler)`.

import { guard, unmet, valuesOf } from "./lib/guard.js";

/** @import { Challenge, GuardOptions, Requirement, TokenVerifier } from "./index.d.ts" */
/** @import { ErrorHandler, Middleware } from "./express.d.ts" */

/**
 * Return a middleware that sets `req.user`, or answers 400, 401, 403 or 503.
 *
 * @param {TokenVerifier} verifier
 * @param {Requirement} [requirement]
 * @param {GuardOptions} [options]
 * @returns {Middleware}
 */
export function bearer(verifier, requirement, options) {
  const judge = guard(verifier, requirement, options);
  return async (req, res, next) => {
    try {
      const { rawHeaders, method } = req;
      const url = `${req.protocol}://${req.get("host")}${req.originalUrl}`;
      const [authorization, proof] = ["authorization", "dpop"].map((name) => valuesOf(rawHeaders, name));
      const { principal, refused } = await judge({ authorization, proof, method, url });
      if (refused) return answer(res, refused);
      req.user = principal;
    } catch (error) {
      return next(error);
    }
    next();
  };
}

/** Answers what `req.user.require(…)` throws in a handler; use it after the routes. @type {ErrorHandler} */
export const refusals = (error, _req, res, next) => {
  const missing = unmet(error);
  if (missing && !res.headersSent) answer(res, missing);
  else next(error);
};

/** @param {any} res @param {Challenge} challenge */
const answer = (res, { status, headers, detail }) => void res.status(status).set(headers).json({ detail });
