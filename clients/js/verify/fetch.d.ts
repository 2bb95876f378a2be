import type { GuardOptions, Principal, Requirement, Verifier } from "./index.d.ts";

/** Return a handler that answers what is not let in, and calls yours with the principal otherwise. */
export declare function protect<Rest extends unknown[]>(
  verifier: Verifier,
  handler: (request: Request, user: Principal, ...rest: Rest) => Response | Promise<Response>,
  requirement?: Requirement,
  options?: GuardOptions,
): (request: Request, ...rest: Rest) => Promise<Response>;
