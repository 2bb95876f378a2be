// Protect routes of a Fastify application: `app.get("/orders", { preHandler: bearer(verifier, { scope }) }, handler)`.

import { guard, unmet, valuesOf } from "./lib/guard.js";

/** @import { Challenge, GuardOptions, Requirement, TokenVerifier } from "./index.d.ts" */
/** @import { FastifyHook, FastifyErrorHandler } from "./fastify.d.ts" */

/**
 * Return a hook (`onRequest` or `preHandler`) that sets `request.user`, or answers 400, 401, 403 or 503.
 *
 * @param {TokenVerifier} verifier
 * @param {Requirement} [requirement]
 * @param {GuardOptions} [options]
 * @returns {FastifyHook}
 */
export function bearer(verifier, requirement, options) {
  const judge = guard(verifier, requirement, options);
  return async (request, reply) => {
    const { rawHeaders, headers, method } = request.raw;
    const url = `${request.protocol}://${headers.host}${request.originalUrl}`;
    const [authorization, proof] = ["authorization", "dpop"].map((name) => valuesOf(rawHeaders, name));
    const { principal, refused } = await judge({ authorization, proof, method, url });
    if (refused) return answer(reply, refused);
    request.user = principal;
  };
}

/**
 * Answers what `request.user.require(…)` throws in a handler: `app.setErrorHandler(refusals)`.
 *
 * @type {FastifyErrorHandler}
 */
export const refusals = (error, _request, reply) => {
  const missing = unmet(error);
  return missing ? answer(reply, missing) : reply.send(error);
};

/** @param {any} reply @param {Challenge} challenge */
const answer = (reply, { status, headers, detail }) => reply.code(status).headers(headers).send({ detail });
