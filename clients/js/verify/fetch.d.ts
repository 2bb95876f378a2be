import type { GuardOptions, Principal, Requirement, TokenVerifier } from "./index.d.ts";

/** Return a handler that answers what is not let in, and calls yours with the principal otherwise. */
export declare function protect<Rest extends unknown[]>(
  verifier: TokenVerifier,
  handler: (request: Request, user: Principal, ...rest: Rest) => Response | Promise<Response>,
  requirement?: Requirement,
  options?: GuardOptions,
): (request: Request, ...rest: Rest) => Promise<Response>;
