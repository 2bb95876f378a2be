// Accept the tokens of several issuers, each by its own verifier: keys, audience and policy never mix.

import { invalidPolicy, VerifyError } from "./lib/errors.js";
import { peek } from "./lib/token.js";

/** @import { TokenVerifier, Verifier } from "./index.d.ts" */

/**
 * Combine verifiers; the handlers take the result in place of one.
 *
 * @param {Verifier[]} verifiers One for each issuer.
 * @returns {TokenVerifier}
 */
export function anyOf(...verifiers) {
  const byIssuer = new Map(verifiers.map((verifier) => [verifier.issuer, verifier]));
  if (!verifiers.length || byIssuer.size < verifiers.length) {
    throw invalidPolicy("anyOf takes verifiers, at most one for an issuer");
  }
  const [{ clock, dpop }] = verifiers; // of the challenges; each verifier goes by its own
  return {
    clock,
    dpop,
    async verify(token, proof) {
      // `iss` is not verified yet: the token must then prove to be this issuer's.
      const verifier = byIssuer.get(peek(token).claims.iss);
      if (verifier) return verifier.verify(token, proof);
      throw new VerifyError("wrong_issuer", "iss is not one of the expected issuers", { claim: "iss" });
    },
  };
}
