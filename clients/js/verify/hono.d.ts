import type { GuardOptions, Requirement, TokenVerifier } from "./index.d.ts";

// Hono's own types would be a dependency.
export type HonoMiddleware = (c: any, next: () => Promise<void>) => Promise<any>;
export type HonoErrorHandler = (error: Error, c: any) => any;

/** Return a middleware that sets the variable `user`, or answers 400, 401, 403 or 503. */
export declare function bearer(
  verifier: TokenVerifier,
  requirement?: Requirement,
  options?: GuardOptions,
): HonoMiddleware;

/** Answers what `c.get("user").require(…)` throws in a handler: `app.onError(refusals)`. */
export declare const refusals: HonoErrorHandler;
