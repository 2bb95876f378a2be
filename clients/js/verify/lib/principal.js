// From the claims of a checked token to a `Principal`, and what a route requires of it.

import { isObject } from "./encoding.js";
import { badClaim, invalidPolicy, VerifyError } from "./errors.js";
import { followsRfc9068, isDate, isListOf, isText } from "./token.js";

/** @typedef {Record<string, any>} Claims */
/** @typedef {{ idx: number, uri: string }} StatusReference */
/** @import { Requirement, Organization } from "../index.d.ts" */

/** The user or client that a verified token was issued to; frozen, since several requests may share one. */
export class Principal {
  /** @param {Partial<Principal>} fields */
  constructor(fields) {
    this.subject = "";
    /** @type {string | null} */
    this.clientId = null;
    /** @type {string | null} */
    this.sessionId = null;
    /** @type {string | null} */
    this.tokenId = null;
    /** @type {readonly string[]} */
    this.scopes = [];
    /** @type {readonly string[]} */
    this.roles = [];
    /** @type {readonly string[]} */
    this.permissions = [];
    /** @type {Organization | null} */
    this.organization = null;
    this.expiresAt = Infinity;
    /** @type {number | null} */
    this.authTime = null;
    /** @type {string | null} */
    this.acr = null;
    /** @type {readonly string[]} */
    this.amr = [];
    /** @type {string | null} */
    this.keyThumbprint = null;
    /** @type {readonly StatusReference[]} */
    this.statuses = [];
    /** @type {Claims} */
    this.claims = {};
    Object.assign(this, fields);
    freeze(this);
  }

  /**
   * Return if the principal has what is named, or throw an error that `challenge` turns into the right response.
   *
   * @param {Requirement} requirement
   * @param {number} [now] Seconds since 1970.
   */
  require(requirement, now = Date.now() / 1000) {
    checkRequirement(requirement);
    const { scope, role, permission, organization, acr, amr, maxAge } = requirement;
    /** @param {string} message */
    const insufficient = (message) => new VerifyError("insufficient_scope", message, { scope });
    if (!hasAll(this.scopes, scope)) throw insufficient("a scope is missing");
    /** @type {{ id?: string, roles: readonly string[], permissions: readonly string[] } | null} */
    const rights = organization === undefined ? this : this.organization;
    if (!rights || (organization !== undefined && organization !== "*" && organization !== rights.id)) {
      throw insufficient("the token is not for this organization");
    }
    if (role !== undefined && ![role].flat().some((one) => rights.roles.includes(one))) {
      throw insufficient("the role is missing");
    }
    if (!hasAll(rights.permissions, permission)) throw insufficient("a permission is missing");
    /** @param {string} message */
    const stepUp = (message) =>
      new VerifyError("insufficient_user_authentication", message, { acrValues: acr, maxAge });
    if (acr !== undefined && !words(acr).includes(this.acr ?? "")) throw stepUp("a stronger sign-in is needed");
    if (!hasAll(this.amr, amr)) throw stepUp("a sign-in by other means is needed");
    if (maxAge !== undefined && (this.authTime === null || now - this.authTime > maxAge)) {
      throw stepUp("a more recent sign-in is needed");
    }
  }
}

/** @param {string} text */
const words = (text) => text.split(" ").filter(Boolean);

/** @param {readonly string[]} held @param {string} [needed] */
const hasAll = (held, needed) => needed === undefined || words(needed).every((word) => held.includes(word));

const NAMES = ["scope", "permission", "organization", "acr", "amr"];
const WORD = /^[!#-[\]-~]+$/;
const WORDS = /^ *[!#-[\]-~][ !#-[\]-~]*$/; // RFC 6749 §3.3: what can stand in a challenge

/** Refuse what no principal could satisfy; a typo must not open a route. @param {Requirement} requirement */
export function checkRequirement(requirement) {
  for (const [name, value] of Object.entries(requirement)) {
    if (value === undefined) continue;
    const isFit =
      name === "role" ? [value].flat().every((one) => isText(one) && one) && [value].flat().length > 0
      : name === "maxAge" ? typeof value === "number" && value >= 0
      : NAMES.includes(name) && isText(value) && (name === "organization" ? WORD : WORDS).test(String(value));
    if (!isFit) throw invalidPolicy(`${name} cannot be required so`);
  }
}

/**
 * @param {Claims} claims Those of a checked token.
 * @param {{ typ: string | null, roles: readonly string[] }} policy
 */
export function principalOf(claims, { typ, roles }) {
  const read = followsRfc9068(typ) ? strictFields(claims) : lenientFields(claims);
  return new Principal({
    ...read,
    subject: claims.sub,
    roles: roles.length === 1 && roles[0] === "roles" ? read.roles : rolesAt(claims, roles),
    permissions: granted(claims.permissions),
    organization: organizationOf(claims),
    expiresAt: claims.exp,
    keyThumbprint: claims.cnf?.jkt ?? null,
    statuses: [...statusesOf(claims.status), ...(isListOf(isObject)(claims.act_status) ? claims.act_status : []).map(
      (/** @type {any} */ member) => reference(member, "act_status"),
    )],
    claims,
  });
}

/** RFC 9068: the types have been checked. @param {Claims} claims @returns {Partial<Principal>} */
const strictFields = ({ client_id, sid, jti, scope, roles, auth_time, acr, amr }) => ({
  clientId: client_id,
  sessionId: sid ?? null,
  tokenId: jti,
  scopes: words(scope ?? ""),
  roles: roles ?? [],
  authTime: isDate(auth_time) ? Math.trunc(auth_time) : null,
  acr: acr ?? null,
  amr: amr ?? [],
});

/** Other issuers: other claims stand in, and one of another type grants nothing. @param {Claims} claims */
function lenientFields(claims) {
  /** @param {string[]} names */
  const first = (...names) => names.map((name) => claims[name]).find(isText) ?? null;
  const scope = [claims.scope, claims.scp].find((one) => isText(one) || isListOf(isText)(one)) ?? [];
  return {
    clientId: first("client_id", "azp", "cid", "appid"),
    sessionId: first("sid", "session_id"),
    tokenId: first("jti"),
    scopes: isText(scope) ? words(scope) : scope,
    roles: namesIn(claims.roles) ?? [],
    authTime: isDate(claims.auth_time) ? Math.trunc(claims.auth_time) : null,
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

/** What no standard defines grants nothing if it is of another type. @param {any} claim */
const granted = (claim) => (Array.isArray(claim) && namesIn(claim)) || [];

/** @param {Claims} claims */
function organizationOf({ org_id: id, org_slug: slug, org_roles, org_permissions }) {
  if (!isText(id) || !id) return null;
  return { id, slug: isText(slug) ? slug : null, roles: granted(org_roles), permissions: granted(org_permissions) };
}

/** A `status` that means something else is not ours (Token Status List §6). @param {any} claim */
const statusesOf = (claim) =>
  isObject(claim) && Object.hasOwn(claim, "status_list") ? [reference(claim.status_list, "status")] : [];

/** @param {any} member @param {string} claim @returns {StatusReference} */
function reference(member, claim) {
  if (!isObject(member) || !Number.isSafeInteger(member.idx) || member.idx < 0 || !isText(member.uri)) {
    throw badClaim(claim, `${claim} does not name an index in a list`);
  }
  return { idx: member.idx, uri: member.uri };
}

/** @param {any} value */
function freeze(value) {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const name in value) freeze(value[name]);
}
