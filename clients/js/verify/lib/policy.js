// What an API requires of its tokens, checked when it starts, so that mistakes do not fail at a request.

import { invalidPolicy } from "./errors.js";
import { followsRfc9068, REQUIRED } from "./access_token.js";
import { isName } from "./token.js";

/** @import { DPoPOptions, VerifierOptions } from "../index.d.ts" */

const MOST_LEEWAY = 300; // a clock that is further off needs repair
const MOST_PROOF_SECONDS = 300;
const SHORTEST_SECRET = 32;

/** @param {string} name @param {boolean} isFit */
function check(name, isFit) {
  if (!isFit) throw invalidPolicy(`${name} makes no sense`);
}

/** @param {unknown} names */
const areNames = (names) => Array.isArray(names) && names.length > 0 && names.every(isName);

/** What a token must be. @param {VerifierOptions} options */
export function tokenPolicy({ issuer, audience, typ = "at+jwt", audienceClaim = "aud", roles = "roles", leeway = 0 }) {
  const policy = {
    issuer,
    audience: [audience].flat(),
    typ,
    audienceClaim,
    roles: [roles].flat(),
    leeway,
    required: REQUIRED,
  };
  check("issuer", isName(issuer));
  check("audience", areNames(policy.audience));
  check("typ", typ === null || isName(typ));
  check("leeway", leeway >= 0 && leeway <= MOST_LEEWAY);
  check("roles", areNames(policy.roles));
  check("audienceClaim", isName(audienceClaim) && (audienceClaim === "aud" || !followsRfc9068(typ)));
  return policy;
}

/** Whether a token is read as RFC 9068 says. @param {ReturnType<typeof tokenPolicy>} policy */
export const isStandard = ({ typ, roles }) => followsRfc9068(typ) && roles.length === 1 && roles[0] === "roles";

/** How to learn what has been revoked, and what to remember. @param {VerifierOptions} options */
export function revocationPolicy({
  keys,
  cacheSize = 0,
  revocation = keys ? null : "feed",
  stale = "serve",
  staleAfter = 60,
  ...client
}) {
  const isDenylist = typeof revocation === "object" && typeof revocation?.isRevoked === "function";
  check("revocation", isDenylist || [null, "feed", "list"].includes(/** @type {any} */ (revocation)));
  check("feedUrl", !client.feedUrl || typeof revocation === "string");
  check("cacheSize", cacheSize >= 0);
  check("stale", ["serve", "refuse"].includes(stale));
  check("staleAfter", staleAfter > 0 && staleAfter < Infinity);
  check("clientSecret", (client.clientId === undefined) === (client.clientSecret === undefined));
  return { revocation, stale, staleAfter };
}

/** Which proofs are accepted. @param {DPoPOptions} options */
export function dpopPolicy({ required = false, seconds = 60, ...more }) {
  check("dpop.seconds", seconds > 0 && seconds <= MOST_PROOF_SECONDS);
  check("dpop.nonceSecret", !more.nonceSecret || more.nonceSecret.length >= SHORTEST_SECRET);
  return { required, seconds, ...more };
}
