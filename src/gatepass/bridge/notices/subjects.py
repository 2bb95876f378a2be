"""Subject identifiers (RFC 9493) of notices: which names of the issuer's they give."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from gatepass.jose.errors import BadClaimError, WrongIssuerError

if TYPE_CHECKING:
    from collections.abc import Collection

_MOST_ALIASES = 16


class NamedSubjects(NamedTuple):
    """The names that a subject identifier gives.

    Attributes:
        subs: Subjects, as `sub` names them.
        sids: Sign-ins, as `sid` names them.
        opaque: Ids of either.
    """

    subs: tuple[str, ...] = ()
    sids: tuple[str, ...] = ()
    opaque: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        """Whether there is any."""
        return bool(self.subs or self.sids or self.opaque)


def read(identifier: object, issuers: Collection[str]) -> NamedSubjects:
    """Read an identifier.

    Args:
        identifier: The JSON value.
        issuers: Who its names may be from.

    Returns:
        The names; none for a format by which tokens name nobody, such as `email`.

    Raises:
        BadClaimError: It is no identifier.
        WrongIssuerError: It names somebody of another issuer.
    """
    members = _object(identifier)
    match members.get("format"):
        case "iss_sub":
            return NamedSubjects(subs=(_of_issuer(members, issuers),))
        case "opaque":
            return NamedSubjects(opaque=(_text(members, "id"),))
        case "aliases":
            return _aliases(members, issuers)
        case "complex":
            return _complex(members, issuers)
        case str():
            return NamedSubjects()
        case _:
            raise BadClaimError("the subject identifier has no format", claim="sub_id")


def _complex(members: dict[str, Any], issuers: Collection[str]) -> NamedSubjects:
    """OpenID Shared Signals Framework 1.0, Complex Subjects: here a session, a user, or both."""
    user = read(members["user"], issuers) if "user" in members else NamedSubjects()
    session = read(members["session"], issuers) if "session" in members else NamedSubjects()
    return NamedSubjects(subs=(*user.subs, *user.opaque), sids=(*session.sids, *session.opaque))


def _aliases(members: dict[str, Any], issuers: Collection[str]) -> NamedSubjects:
    """RFC 9493 §3.2.8: several names of one subject; the format does not nest."""
    identifiers = members.get("identifiers")
    if not isinstance(identifiers, list) or not 0 < len(cast("list[object]", identifiers)) <= _MOST_ALIASES:
        raise BadClaimError("aliases has no identifiers, or too many", claim="sub_id")
    every = cast("list[object]", identifiers)
    if any(isinstance(each, dict) and cast("dict[str, Any]", each).get("format") == "aliases" for each in every):
        raise BadClaimError("aliases are in aliases", claim="sub_id")
    found = [read(each, issuers) for each in every]
    return NamedSubjects(
        subs=tuple(name for each in found for name in each.subs),
        sids=tuple(name for each in found for name in each.sids),
        opaque=tuple(name for each in found for name in each.opaque),
    )


def _of_issuer(members: dict[str, Any], issuers: Collection[str]) -> str:
    if _text(members, "iss") not in issuers:
        raise WrongIssuerError("the subject is of another issuer than the transmitter may speak for", claim="sub_id")
    return _text(members, "sub")


def _text(members: dict[str, Any], name: str) -> str:
    value = members.get(name)
    if not isinstance(value, str) or not value:
        raise BadClaimError(f"the subject identifier has no {name}", claim="sub_id")
    return value


def _object(value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise BadClaimError("the subject identifier is not an object", claim="sub_id")
    return cast("dict[str, Any]", value)
