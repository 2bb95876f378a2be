// The user or client that a token was issued to, and what a route requires of it.

import { invalidPolicy, VerifyError } from "./errors.js";
import { isName, isOneOrMore } from "./token.js";

/** @typedef {{ idx: number, uri: string }} StatusReference */
/** @import { Organization, PrincipalFields, Requirement } from "../index.d.ts" */

/** The user or client that a verified token was issued to; frozen, since several requests may share one. */
export class Principal {
  subject = "";
  /** @type {string | null} */
  clientId = null;
  /** @type {string | null} */
  sessionId = null;
  /** @type {string | null} */
  tokenId = null;
  /** @type {readonly string[]} */
  scopes = [];
  /** @type {readonly string[]} */
  roles = [];
  /** @type {readonly string[]} */
  permissions = [];
  /** @type {Organization | null} */
  organization = null;
  expiresAt = Infinity;
  /** @type {number | null} */
  authTime = null;
  /** @type {string | null} */
  acr = null;
  /** @type {readonly string[]} */
  amr = [];
  /** @type {string | null} */
  keyThumbprint = null;
  /** @type {readonly StatusReference[]} */
  statuses = [];
  /** @type {Readonly<Record<string, any>>} */
  claims = {};

  /** @param {PrincipalFields} fields */
  constructor(fields) {
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
export const words = (text) => text.split(" ").filter(Boolean);

/** @param {readonly string[]} held @param {string} [needed] */
const hasAll = (held, needed) => needed === undefined || words(needed).every((word) => held.includes(word));

// RFC 6749 §3.3: what can stand in a challenge.
const areWords = (/** @type {any} */ value) => isName(value) && /^ *[!#-[\]-~][ !#-[\]-~]*$/.test(value);

/** @type {Record<string, (value: any) => boolean>} */
const REQUIREMENTS = {
  scope: areWords,
  permission: areWords,
  acr: areWords,
  amr: areWords,
  organization: (value) => areWords(value) && !value.includes(" "),
  role: (value) => isOneOrMore(isName)(value) && value.length > 0,
  maxAge: (value) => value >= 0,
};

/** Refuse what no principal could satisfy; a typo must not open a route. @param {Requirement} requirement */
export function checkRequirement(requirement) {
  for (const [name, value] of Object.entries(requirement)) {
    if (value !== undefined && !REQUIREMENTS[name]?.(value)) throw invalidPolicy(`${name} makes no sense`);
  }
}

/** @param {any} value */
function freeze(value) {
  if (typeof value !== "object" || value === null || Object.isFrozen(value)) return;
  Object.freeze(value);
  for (const name in value) freeze(value[name]);
}
