// Access tokens (RFC 9068): their checks, and the `Principal` that is read from their claims.

import { isObject } from "./encoding.js";
import { badClaim, VerifyError } from "./errors.js";
import { Principal, words } from "./principal.js";
import {
  areTexts,
  checkPolicy,
  checkTypes,
  isDate,
  isListOf,
  isName,
  isNullOr,
  isOneOrMore,
  isText,
  mediaType,
  refuseFuture,
} from "./token.js";

/** @import { PrincipalFields } from "../index.d.ts" */
/** @import { StatusReference } from "./principal.js" */
/** @import { Claims } from "./token.js" */

/**
 * What an API requires of its tokens.
 *
 * @typedef {object} TokenPolicy
 * @property {string} issuer
 * @property {readonly string[]} audience
 * @property {string} audienceClaim
 * @property {string | null} typ
 * @property {readonly string[]} required
 * @property {readonly string[]} roles
 * @property {number} leeway
 */

/** §2.2 */
export const REQUIRED = ["iss", "exp", "aud", "sub", "client_id", "iat", "jti"];

const TYPES = Object.entries({
  iss: isName,
  sub: isName,
  aud: isOneOrMore(isName),
  jti: isName,
  client_id: isName,
  sid: isNullOr(isText),
  scope: isNullOr(isText),
  acr: isNullOr(isText),
  auth_time: isNullOr(isDate),
  act: isNullOr(isObject),
  status: isNullOr(isObject),
  act_status: isListOf(isObject),
  roles: areTexts,
  amr: areTexts,
});

/** Whether the rules of RFC 9068 hold. @param {string | null} typ */
export const followsRfc9068 = (typ) => typ !== null && mediaType(typ) === mediaType("at+jwt");

/**
 * Check an access token by every rule of RFC 9068 §4, and return its principal.
 *
 * @param {{ typ?: string, claims: Claims }} opened
 * @param {TokenPolicy} policy
 * @param {number} now
 * @param {string} [thumbprint] The key that the sender has proved to have.
 */
export function readAccessToken({ typ, claims }, policy, now, thumbprint) {
  checkPolicy(typ, claims, policy, now);
  refuseUnproven(claims, thumbprint);
  checkTypes(claims, TYPES);
  refuseFuture(claims.iat, now);
  const { client_id: clientId, sid, jti: tokenId, scope, roles, acr, amr } = claims;
  return principalOf(claims, {
    clientId,
    sessionId: sid ?? null,
    tokenId,
    scopes: words(scope ?? ""),
    roles: roles ?? [],
    acr: acr ?? null,
    amr: amr ?? [],
  });
}

/** RFC 7800 §3.1, RFC 9449 §7.1. @param {Claims} claims @param {string} [thumbprint] */
export function refuseUnproven({ cnf }, thumbprint) {
  const isProven =
    cnf === undefined ? !thumbprint : thumbprint && cnf?.jkt === thumbprint && Object.keys(cnf).length === 1;
  if (!isProven) throw new VerifyError("unproven_cnf", "the token is not bound to the key that was proven");
}

/** What all issuers write alike. @param {Claims} claims @param {PrincipalFields} fields */
export function principalOf(claims, fields) {
  return new Principal(
    Object.assign(fields, {
      subject: claims.sub,
      permissions: granted(claims.permissions),
      organization: organizationOf(claims),
      expiresAt: claims.exp,
      authTime: isDate(claims.auth_time) ? Math.trunc(claims.auth_time) : null,
      keyThumbprint: claims.cnf?.jkt ?? null,
      statuses: statusesOf(claims),
      claims,
    }),
  );
}

/** What no standard defines grants nothing if it is of another type. @param {any} claim @returns {string[]} */
const granted = (claim) => (areTexts(claim) ? claim : []);

/** @param {Claims} claims */
function organizationOf({ org_id: id, org_slug: slug, org_roles, org_permissions }) {
  if (!isName(id)) return null;
  return { id, slug: isText(slug) ? slug : null, roles: granted(org_roles), permissions: granted(org_permissions) };
}

/** A `status` that means something else is not ours (Token Status List §6). @param {Claims} claims */
function statusesOf({ status, act_status: actors }) {
  const own = isObject(status) && Object.hasOwn(status, "status_list") ? [reference(status.status_list, "status")] : [];
  return Array.isArray(actors) ? [...own, ...actors.map((member) => reference(member, "act_status"))] : own;
}

/** @param {any} member @param {string} claim @returns {StatusReference} */
function reference(member, claim) {
  const { idx, uri } = isObject(member) ? member : {};
  if (!Number.isSafeInteger(idx) || idx < 0 || !isText(uri)) throw badClaim(claim);
  return { idx, uri };
}
