"""The principal of a verified token: the user or client that it was issued to."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from functools import lru_cache
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import msgspec

from gatepass.jose.errors import BadClaimError, InvalidPolicyError
from gatepass.tokens.access_token import names_in
from gatepass.tokens.status_list import StatusReference

from .errors import REQUIREMENTS_UNMET
from .require import Requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from gatepass.jose import JoseError
    from gatepass.tokens.access_token import AccessToken, Checked, OtherAccessToken


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """The user or client that a verified token was issued to. It is immutable: several requests may share one.

    Attributes:
        subject: The user's id, or the client's own id where no person is involved (`sub`).
        client_id: The application that the token was issued to, or None if the issuer does not say.
        session_id: The sign-in that the token belongs to (`sid`).
        token_id: The token's unique id (`jti`).
        scopes: The scopes that the token grants.
        roles: The subject's roles.
        expires_at: When the token expires, in seconds since 1970 (`exp`).
        auth_time: When the person last signed in, in seconds since 1970.
        acr: The authentication context class: how strong that sign-in was.
        amr: The authentication methods that it used.
        claims: Every claim of the token, read-only all the way down: arrays are tuples, objects read-only mappings.
        key_thumbprint: The key that the token is bound to, which the sender has proved to have (`cnf.jkt`), or None.
        status: The status list entry that says whether the token is revoked, or None if it has none.

    One can be made by hand, as a test does: `Principal(subject="ada", scopes=frozenset({"orders:read"}))`. It can be
    pickled and copied; `to_dict` and `from_dict` are for JSON.
    """

    subject: str
    client_id: str | None = None
    session_id: str | None = None
    token_id: str | None = None
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    expires_at: float = inf
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    claims: Mapping[str, Any] = MappingProxyType({})
    key_thumbprint: str | None = None
    status: StatusReference | None = None

    @property
    def is_authenticated(self) -> bool:
        """True: Django and others ask this of a user."""
        return True

    # What Django's and REST framework's throttles and permissions ask of a user besides. None of it comes from a token,
    # so it grants nothing.

    @property
    def is_anonymous(self) -> bool:
        """False: a principal is authenticated."""
        return False

    @property
    def is_active(self) -> bool:
        """True: the token is valid."""
        return True

    @property
    def is_staff(self) -> bool:
        """False: a token does not make anyone a Django administrator; require a role instead."""
        return False

    @property
    def is_superuser(self) -> bool:
        """False, like `is_staff`."""
        return False

    @property
    def pk(self) -> str:
        """The subject; throttles count by it."""
        return self.subject

    def get_username(self) -> str:
        """Return the subject."""
        return self.subject

    def has_perm(self, _perm: str, _obj: object = None) -> bool:
        """Return False: permissions of Django's own database are not in a token."""
        return False

    def has_perms(self, perm_list: Iterable[str], _obj: object = None) -> bool:
        """Return whether the list is empty."""
        return not list(perm_list)

    def has_module_perms(self, _app_label: str) -> bool:
        """Return False, like `has_perm`."""
        return False

    def to_dict(self) -> dict[str, Any]:
        """Return it as JSON types, claims included, for a queue, a cache or a log of your own."""
        plain = {name: getattr(self, name) for name in Principal.__struct_fields__ if name != "claims"}
        plain["scopes"], plain["roles"] = sorted(self.scopes), sorted(self.roles)
        plain["status"] = None if self.status is None else msgspec.to_builtins(self.status)
        plain["expires_at"] = None if self.expires_at == inf else self.expires_at
        return plain | {"amr": list(self.amr), "claims": _thawed(self.claims)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Principal:
        """Rebuild it from what `to_dict` returned. Nothing is verified: store the document where nobody else can write.

        Raises:
            InvalidPolicyError: It is something else.
        """
        try:
            read = msgspec.convert({**document, "claims": {}}, _Written)
            claims = _read_only(dict(document.get("claims") or {}))
        except (msgspec.ValidationError, TypeError, ValueError):
            raise InvalidPolicyError("the document is not one that to_dict returns") from None
        known = {name: getattr(read, name) for name in read.__struct_fields__ if name not in ("claims", "expires_at")}
        return Principal(**known, expires_at=inf if read.expires_at is None else read.expires_at, claims=claims)

    def require(  # noqa: PLR0913 - the call reads as its policy
        self,
        *,
        scope: str | None = None,
        role: str | Collection[str] | None = None,
        acr: str | None = None,
        amr: str | None = None,
        max_age: int | None = None,
        now: float | None = None,
    ) -> None:
        """Return if the principal has what is named, or raise an error that `challenge` turns into the right response.

        Args:
            scope: Scopes separated by spaces; all are needed.
            role: A role; or several, of which one is enough.
            acr: Authentication context classes separated by spaces; one is enough.
            amr: Authentication methods separated by spaces; all are needed.
            max_age: The most seconds since the person last signed in.
            now: The time, in seconds since 1970; by default the system's.

        Raises:
            InsufficientScopeError: A scope or the role is missing.
            InsufficientAuthenticationError: `acr`, `amr` or `max_age` does not hold: sign in again (RFC 9470).
            InvalidPolicyError: No principal could satisfy an argument.
        """
        requirement = Requirement.of(scope=scope, role=role, acr=acr, amr=amr, max_age=max_age)
        requirement.check(self, time.time() if now is None else now)

    def __repr__(self) -> str:
        # No claims: they may hold what does not belong in a log.
        return f"Principal(subject={self.subject!r}, client_id={self.client_id!r})"

    def __rich_repr__(self) -> list[tuple[str, object]]:
        return [("subject", self.subject), ("client_id", self.client_id)]

    def __hash__(self) -> int:
        return hash((self.subject, self.token_id, self.expires_at))

    def __copy__(self) -> Principal:
        return self

    def __deepcopy__(self, _: dict[int, object]) -> Principal:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return Principal.from_dict, (self.to_dict(),)


class _Written(msgspec.Struct, kw_only=True):
    """What `Principal.to_dict` writes."""

    subject: str
    client_id: str | None = None
    session_id: str | None = None
    token_id: str | None = None
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    expires_at: float | None = None
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    key_thumbprint: str | None = None
    status: StatusReference | None = None
    claims: dict[str, Any] = {}


class Admitted(Principal, frozen=True, kw_only=True):
    """A principal whose `require` raises an exception that its framework answers by itself.

    Attributes:
        refuse: Turns an error of ours into such an exception.
    """

    refuse: Callable[[JoseError], Exception]

    def require(self, **requirement: Any) -> None:  # noqa: ANN401 - the arguments of `Principal.require`
        """Do as `Principal.require` does."""
        try:
            Principal.require(self, **requirement)
        except REQUIREMENTS_UNMET as error:
            raise self.refuse(error) from error


def answering(principal: Principal, refuse: Callable[[JoseError], Exception]) -> Principal:
    """Return a principal whose `require` raises an exception that its framework answers by itself."""
    return Admitted(**{name: getattr(principal, name) for name in Principal.__struct_fields__}, refuse=refuse)


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
        expires_at=claims.exp,
        auth_time=None if claims.auth_time is None else int(claims.auth_time),
        acr=claims.acr,
        amr=claims.amr,
        key_thumbprint=checked.every["cnf"]["jkt"] if "cnf" in checked.every else None,  # `check` has compared it
        status=_status(checked.every.get("status")),
        claims=_read_only(checked.every),
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
        expires_at=claims.exp,
        auth_time=None if claims.auth_time is None else int(claims.auth_time),
        acr=claims.acr,
        amr=claims.amr,
        key_thumbprint=checked.every["cnf"]["jkt"] if "cnf" in checked.every else None,  # `check` has compared it
        status=_status(checked.every.get("status")),
        claims=_read_only(checked.every),
    )


def roles_at(claims: Mapping[str, Any], path: tuple[str, ...]) -> frozenset[str]:
    """Read the roles from a claim that may be nested; without the claim there are no roles.

    Raises:
        BadClaimError: It is not a list of names in any format that issuers use.
    """
    found: object = claims
    for name in path:
        if not isinstance(found, Mapping):
            raise BadClaimError("the claim of the roles is not where it should be", claim=path[0])
        found = cast("Mapping[str, object]", found).get(name)
        if found is None:
            return frozenset()
    names = names_in(found)
    if names is None:
        raise BadClaimError("the roles are no list of names", claim=path[0])
    return _set(names)


def _first(*claims: str | None) -> str | None:
    return next((claim for claim in claims if claim is not None), None)


def _scopes(claim: str | tuple[str, ...] | None) -> frozenset[str]:
    return _words(claim) if isinstance(claim, str) else _set(claim or ())


def _status(claim: object) -> StatusReference | None:
    """Read where a token's status is (Token Status List §6). A `status` that means something else is not ours."""
    members = cast("dict[str, object]", claim) if isinstance(claim, dict) else {}
    if "status_list" not in members:
        return None
    try:
        found = msgspec.convert(members["status_list"], StatusReference)
    except msgspec.ValidationError:
        raise BadClaimError("status names no place in a list", claim="status") from None
    if found.idx < 0:
        raise BadClaimError("status names no place in a list", claim="status")
    return StatusReference(found.idx, sys.intern(found.uri))


# Many tokens have the same few scopes and roles: principals share the sets.
@lru_cache(1024)
def _words(text: str) -> frozenset[str]:
    return frozenset(filter(None, text.split(" ")))  # RFC 6749 §3.3: no other blank separates


@lru_cache(1024)
def _set(words: tuple[str, ...]) -> frozenset[str]:
    return frozenset(words)


_intern = sys.intern

_REPEATED = frozenset({"iss", "aud", "client_id", "azp", "scope", "scp"})
"""Claims that are the same in thousands of remembered tokens, which share one string."""


_PLAIN = frozenset({str, int, float, bool, type(None)})


def _read_only(claims: dict[str, Any]) -> Mapping[str, Any]:
    """Make a claims set immutable, in place: nobody else holds it."""
    for name, value in claims.items():
        kind = value.__class__
        if kind is str:
            if name in _REPEATED:
                claims[name] = _intern(value)
        elif kind is list or kind is dict:
            claims[name] = _frozen(value)
    return MappingProxyType(claims)


def _thawed(value: object) -> Any:  # noqa: ANN401 - JSON
    """Undo `_frozen`: return plain JSON types."""
    if isinstance(value, Mapping):
        return {name: _thawed(item) for name, item in cast("Mapping[str, object]", value).items()}
    return [_thawed(item) for item in cast("tuple[object, ...]", value)] if isinstance(value, tuple) else value


def _frozen(value: object) -> object:
    """Make JSON immutable. Its depth is that of a token, which `jose` limits."""
    if value.__class__ is list:
        items = cast("list[object]", value)
        return tuple(items) if _PLAIN.issuperset(map(type, items)) else tuple(_frozen(item) for item in items)
    if value.__class__ is dict:
        return MappingProxyType({name: _frozen(item) for name, item in cast("dict[str, object]", value).items()})
    return value
