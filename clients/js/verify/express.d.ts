import type { GuardOptions, Requirement, TokenVerifier } from "./index.d.ts";

// Express's own types would be a dependency.
type Next = (error?: unknown) => void;
export type Middleware = (req: any, res: any, next: Next) => Promise<void>;
export type ErrorHandler = (error: unknown, req: any, res: any, next: Next) => void;

/** Return a middleware that sets `req.user`, or answers 400, 401, 403 or 503. */
export declare function bearer(verifier: TokenVerifier, requirement?: Requirement, options?: GuardOptions): Middleware;

/** Answers what `req.user.require(…)` throws in a handler; use it after the routes. */
export declare const refusals: ErrorHandler;
