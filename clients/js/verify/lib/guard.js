// What the handlers of all frameworks do with a request: it becomes a principal, or the response to give.

import { challenge, credentials } from "./challenge.js";
import { VerifyError } from "./errors.js";
import { checkRequirement } from "./principal.js";

/** @import { Admitted, GuardOptions, IncomingRequest, Requirement, TokenVerifier } from "../index.d.ts" */

/**
 * Return what judges requests. A requirement that no one could satisfy fails now, and not at a request.
 *
 * @param {TokenVerifier} verifier
 * @param {Requirement} [requirement]
 * @param {GuardOptions} [options]
 * @returns {(incoming: IncomingRequest) => Promise<Admitted>}
 */
export function guard(verifier, requirement = {}, { origin, resourceMetadata, optional = false } = {}) {
  checkRequirement(requirement);
  const isAsked = Object.values(requirement).some((value) => value !== undefined);
  if (optional && isAsked)
    throw new VerifyError("invalid_policy", "nothing can be required where signing in is optional");
  return async (incoming) => {
    try {
      return { principal: await admitted(verifier, requirement, incoming, origin), refused: null };
    } catch (error) {
      if (optional && error instanceof VerifyError && error.code === "missing_token")
        return { principal: null, refused: null };
      const dpop = /^\s*dpop /i.test(incoming.authorization);
      return {
        principal: null,
        refused: challenge(error, { dpop, dpopRequired: verifier.dpop.required, resourceMetadata }),
      };
    }
  };
}

/**
 * @param {TokenVerifier} verifier
 * @param {Requirement} requirement
 * @param {IncomingRequest} incoming
 * @param {string} [origin]
 */
async function admitted(verifier, requirement, { authorization, proof, method, url }, origin) {
  const { token, isDPoP } = credentials(authorization);
  const principal = await verifier.verify(
    token,
    isDPoP ? { proof: onlyOne(proof), method, url: seen(url, origin) } : undefined,
  );
  principal.require(requirement, verifier.clock());
  return principal;
}

/** RFC 9449 §4.3, 1: there is exactly one proof. @param {string} proof */
function onlyOne(proof) {
  if (!proof || proof.includes(","))
    throw new VerifyError("invalid_request", "a request must have exactly one DPoP proof");
  return proof.trim();
}

/**
 * The URL as the client wrote it: its host is whatever the request says, unless the API knows its own.
 *
 * @param {string} url
 * @param {string} [origin]
 */
function seen(url, origin) {
  if (!URL.canParse(url)) throw new VerifyError("invalid_request", "the request's Host is not valid");
  return origin === undefined ? url : origin + new URL(url).pathname;
}

/**
 * Every value of a header of Node.js, whose `headers` drop all but one.
 *
 * @param {string[]} rawHeaders
 * @param {string} name
 */
export const valuesOf = (rawHeaders, name) =>
  rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1].toLowerCase() === name).join(", ");

/**
 * What `principal.require(…)` threw in a handler, as a response; undefined for any other error.
 *
 * @param {unknown} error
 */
export const unmet = (error) =>
  error instanceof VerifyError && error.code.startsWith("insufficient_") ? challenge(error) : undefined;
