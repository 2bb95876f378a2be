"""From the claims of a checked token to a `Principal`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, cast

from gatepass.jose.errors import BadClaimError
from gatepass.tokens.access_token import names_in
from gatepass.tokens.status_list import StatusReference

from .frozen_claims import read_only
from .organization import PrincipalOrganization
from .principal import Principal

if TYPE_CHECKING:
    from typing import Any

    from gatepass.tokens.access_token import AccessToken, Checked, OtherAccessToken

_NONE = frozenset[str]()


def of_access_token(checked: Checked[AccessToken]) -> Principal:
    """Read a principal from a token of RFC 9068."""
    claims = checked.claims
    return Principal(
        subject=claims.sub,
        client_id=claims.client_id,
        session_id=claims.sid,
        token_id=claims.jti,
        scopes=_words(claims.scope or ""),
        roles=_set(claims.roles),
        permissions=_permissions(checked.every["permissions"]) if "permissions" in checked.every else _NONE,
        organization=_organization(checked.every) if "org_id" in checked.every else None,
        expires_at=claims.exp,
        auth_time=None if claims.auth_time is None else int(claims.auth_time),
        acr=claims.acr,
        amr=claims.amr,
        key_thumbprint=checked.every["cnf"]["jkt"] if "cnf" in checked.every else None,  # `check` has compared it
        status=_status(checked.every.get("status")),
        actor_statuses=_actor_statuses(checked.every["act_status"]) if "act_status" in checked.every else (),
        claims=read_only(checked.every),
    )


def of_other_token(checked: Checked[OtherAccessToken]) -> Principal:
    """Read a principal from an access token that does not follow RFC 9068: other claims stand in."""
    claims = checked.claims
    return Principal(
        subject=claims.sub,
        client_id=_first(claims.client_id, claims.azp, claims.cid, claims.appid),
        session_id=_first(claims.sid, claims.session_id),
        token_id=claims.jti,
        scopes=_scopes(claims.scope if claims.scope is not None else claims.scp),
        roles=_set(claims.roles),
        permissions=_permissions(checked.every["permissions"]) if "permissions" in checked.every else _NONE,
        organization=_organization(checked.every) if "org_id" in checked.every else None,
        expires_at=claims.exp,
        auth_time=None if claims.auth_time is None else int(claims.auth_time),
        acr=claims.acr,
        amr=claims.amr,
        key_thumbprint=checked.every["cnf"]["jkt"] if "cnf" in checked.every else None,  # `check` has compared it
        status=_status(checked.every.get("status")),
        actor_statuses=_actor_statuses(checked.every["act_status"]) if "act_status" in checked.every else (),
        claims=read_only(checked.every),
    )


def roles_at(claims: Mapping[str, Any], path: tuple[str, ...]) -> frozenset[str]:
    """Read the roles from a claim that may be nested; without the claim there are no roles.

    Raises:
        BadClaimError: It is not a list of names in any format that issuers use.
    """
    found: object = claims
    for name in path:
        if not isinstance(found, Mapping):
            raise BadClaimError("the claim with the roles is missing, or not an object", claim=path[0])
        found = cast("Mapping[str, object]", found).get(name)
        if found is None:
            return frozenset()
    names = names_in(found)
    if names is None:
        raise BadClaimError("the roles are not a list of names", claim=path[0])
    return _set(names)


def _permissions(claim: object) -> frozenset[str]:
    """Read what a subject may do: no standard defines the claim, so that of another type grants nothing."""
    names = cast("list[object]", claim) if isinstance(claim, list) else []
    return _set(tuple(cast("list[str]", names))) if all(isinstance(name, str) for name in names) else _NONE


def _organization(claims: Mapping[str, object]) -> PrincipalOrganization | None:
    """Read the organization of a token; as for permissions, what is of another type grants nothing."""
    org_id, slug = claims["org_id"], claims.get("org_slug")
    if not isinstance(org_id, str) or not org_id:
        return None
    return PrincipalOrganization(
        id=org_id,
        slug=slug if isinstance(slug, str) else None,
        roles=_permissions(claims.get("org_roles")),
        permissions=_permissions(claims.get("org_permissions")),
    )


def _first(*claims: str | None) -> str | None:
    return next((claim for claim in claims if claim is not None), None)


def _scopes(claim: str | tuple[str, ...] | None) -> frozenset[str]:
    return _words(claim) if isinstance(claim, str) else _set(claim or ())


def _status(claim: object) -> StatusReference | None:
    """Read where a token's status is (Token Status List §6). A `status` that means something else is not ours."""
    members = cast("dict[str, object]", claim) if isinstance(claim, dict) else {}
    if "status_list" not in members:
        return None
    return _reference(members["status_list"], "status")


def _actor_statuses(claim: object) -> tuple[StatusReference, ...]:
    """Read the same of the clients that have exchanged the token, which Gatepass puts into a claim of its own."""
    each = cast("list[object]", claim) if isinstance(claim, list) else []
    return tuple(_reference(member, "act_status") for member in each)


def _reference(member: object, claim: str) -> StatusReference:
    members = cast("dict[str, object]", member) if isinstance(member, dict) else {}
    idx, uri = members.get("idx"), members.get("uri")
    if isinstance(idx, float) and idx.is_integer():
        idx = int(idx)  # RFC 8259 §6 has one kind of number: in JavaScript, 9.0 and 9 are the same
    if type(idx) is not int or not 0 <= idx < _EXACT or not isinstance(uri, str):
        raise BadClaimError(f"{claim} does not name an index in a list", claim=claim)
    return StatusReference(idx, sys.intern(uri))


_EXACT = 1 << 53
"""Below it, every parser of JSON reads the same whole number (RFC 8259 §6)."""


# Many tokens have the same few scopes and roles: principals share the sets.
@lru_cache(1024)
def _words(text: str) -> frozenset[str]:
    return frozenset(filter(None, text.split(" ")))  # RFC 6749 §3.3: no other blank separates


@lru_cache(1024)
def _set(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(words)
