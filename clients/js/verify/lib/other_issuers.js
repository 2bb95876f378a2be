// Access tokens of issuers that do not follow RFC 9068, or write their roles elsewhere. Only `aud` distinguishes such an
// issuer's access tokens from its other tokens, so it is required, or the claim that is configured in its place.

import { followsRfc9068, principalOf, readAccessToken as readStrictly, refuseUnproven } from "./access_token.js";
import { isObject } from "./encoding.js";
import { badClaim, VerifyError } from "./errors.js";
import { Principal, words } from "./principal.js";
import {
  areTexts,
  checkAudience,
  checkPolicy,
  checkTypes,
  isDate,
  isName,
  isNullOr,
  isOneOrMore,
  isText,
  refuseFuture,
} from "./token.js";

/** @import { TokenPolicy } from "./access_token.js" */
/** @import { Claims } from "./token.js" */

const REQUIRED = ["iss", "exp", "sub"];
const TYPES = Object.entries({ iss: isName, sub: isName, aud: isNullOr(isOneOrMore(isName)), iat: isNullOr(isDate) });
const NOT_ACCESS_TOKENS = ["events", "at_hash", "c_hash"];

/** How Cognito and Keycloak mark other types of token. @type {Record<string, unknown[]>} */
const OTHER_KINDS = { token_use: ["id"], typ: ["ID", "Refresh", "Offline", "Logout"] };

/** As `readAccessToken` for RFC 9068. @type {typeof readStrictly} */
export function readAccessToken(opened, policy, now, thumbprint) {
  const read = followsRfc9068(policy.typ) ? readStrictly : readLeniently;
  const principal = read(opened, policy, now, thumbprint);
  if (policy.roles.length === 1 && policy.roles[0] === "roles") return principal;
  return new Principal({ ...principal, roles: rolesAt(opened.claims, policy.roles) });
}

/** @type {typeof readStrictly} */
function readLeniently({ typ, claims }, { audienceClaim, ...policy }, now, thumbprint) {
  const audience = audienceClaim === "aud" ? policy.audience : undefined;
  checkPolicy(typ, claims, { ...policy, audience, required: REQUIRED }, now);
  refuseOtherKinds(claims);
  if (!audience) checkAudience(claims, audienceClaim, policy.audience);
  refuseUnproven(claims, thumbprint);
  checkTypes(claims, TYPES);
  if (isDate(claims.iat)) refuseFuture(claims.iat, now);
  return principalOf(claims, fieldsOf(claims));
}

/** RFC 8725bis §3.12. @param {Claims} claims */
function refuseOtherKinds(claims) {
  if (
    NOT_ACCESS_TOKENS.some((name) => Object.hasOwn(claims, name)) ||
    Object.keys(OTHER_KINDS).some((name) => OTHER_KINDS[name].includes(claims[name]))
  ) {
    throw new VerifyError("wrong_typ", "the claims are those of an ID token or a security event");
  }
}

/** Other claims stand in, and one of another type grants nothing. @param {Claims} claims */
function fieldsOf(claims) {
  /** @param {string[]} names */
  const first = (...names) => names.map((name) => claims[name]).find(isText) ?? null;
  const scope = [claims.scope, claims.scp].find((one) => isText(one) || areTexts(one)) ?? [];
  return {
    clientId: first("client_id", "azp", "cid", "appid"),
    sessionId: first("sid", "session_id"),
    tokenId: first("jti"),
    scopes: isText(scope) ? words(scope) : scope,
    roles: namesIn(claims.roles) ?? [],
    acr: first("acr"),
    amr: namesIn(claims.amr) ?? [],
  };
}

/**
 * Read a claim that lists names, in any format that issuers use: text, a list, or an object whose members they are.
 *
 * @param {any} claim
 * @returns {string[] | null}
 */
function namesIn(claim) {
  if (isText(claim)) return [claim];
  if (isObject(claim)) return Object.keys(claim).filter((name) => claim[name] !== null && claim[name] !== false);
  if (!Array.isArray(claim)) return null;
  const names = claim.map((one) => (isObject(one) ? one.method : one));
  return names.every(isText) ? names : null;
}

/** @param {Claims} claims @param {readonly string[]} path */
function rolesAt(claims, path) {
  /** @type {any} */
  let found = claims;
  for (const name of path) {
    if (!isObject(found)) throw badClaim(path[0]);
    if (!Object.hasOwn(found, name) || found[name] === null) return [];
    found = found[name];
  }
  const names = namesIn(found);
  if (!names) throw badClaim(path[0], "the roles are not a list of names");
  return names;
}
