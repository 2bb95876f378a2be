import type { GuardOptions, Requirement, TokenVerifier } from "./index.d.ts";

// Fastify's own types would be a dependency.
export type FastifyHook = (request: any, reply: any) => Promise<unknown>;
export type FastifyErrorHandler = (error: unknown, request: any, reply: any) => unknown;

/** Return a hook (`onRequest` or `preHandler`) that sets `request.user`, or answers 400, 401, 403 or 503. */
export declare function bearer(verifier: TokenVerifier, requirement?: Requirement, options?: GuardOptions): FastifyHook;

/** Answers what `request.user.require(…)` throws in a handler: `app.setErrorHandler(refusals)`. */
export declare const refusals: FastifyErrorHandler;
