// Protect a handler of the Fetch API: workers, Deno, Bun, service workers, Next.js route handlers.

import { guard, unmet } from "./lib/guard.js";

/** @import { Challenge, GuardOptions, Principal, Requirement, TokenVerifier } from "./index.d.ts" */

/**
 * Return a handler that answers what is not let in, and calls yours with the principal otherwise.
 *
 * @template {unknown[]} Rest
 * @param {TokenVerifier} verifier
 * @param {(request: Request, user: Principal, ...rest: Rest) => Response | Promise<Response>} handler
 * @param {Requirement} [requirement]
 * @param {GuardOptions} [options]
 * @returns {(request: Request, ...rest: Rest) => Promise<Response>}
 */
export function protect(verifier, handler, requirement, options) {
  const judge = guard(verifier, requirement, options);
  return async (request, ...rest) => {
    const { headers, method, url } = request;
    const incoming = {
      authorization: headers.get("authorization") ?? "",
      proof: headers.get("dpop") ?? "",
      method,
      url,
    };
    const { principal, refused } = await judge(incoming);
    if (refused) return answer(refused);
    try {
      return await handler(request, /** @type {Principal} */ (principal), ...rest);
    } catch (error) {
      const missing = unmet(error);
      if (missing) return answer(missing);
      throw error;
    }
  };
}

/** @param {Challenge} challenge */
const answer = ({ status, headers, detail }) => Response.json({ detail }, { status, headers });
