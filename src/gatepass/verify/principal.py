"""The principal of a verified token: the user or client that it was issued to."""

from __future__ import annotations

import time
from collections.abc import Mapping  # noqa: TC003 - msgspec reads the annotations
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens.status_list import StatusReference  # noqa: TC001 - as above

from .errors import REQUIREMENTS_UNMET
from .frozen_claims import read_only, thawed
from .organization import PrincipalOrganization  # noqa: TC001 - as above
from .require import Requirement

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from gatepass.jose import JoseError


class Principal(msgspec.Struct, frozen=True, kw_only=True):
    """The user or client that a verified token was issued to. It is immutable: several requests may share one.

    Attributes:
        subject: The user's id, or the client's own id where no user is involved (`sub`).
        client_id: The application that the token was issued to, or None if the issuer does not say.
        session_id: The sign-in that the token belongs to (`sid`).
        token_id: The token's unique id (`jti`).
        scopes: The scopes that the token grants.
        roles: The subject's roles.
        permissions: What these permit, as the issuer says it.
        organization: The organization that the token is for, or None. What its subject may do there is in it alone.
        expires_at: When the token expires, in seconds since 1970 (`exp`).
        auth_time: When the user last signed in, in seconds since 1970.
        acr: The authentication context class: how strong that sign-in was.
        amr: The authentication methods that it used.
        claims: Every claim of the token, read-only all the way down: arrays are tuples, objects read-only mappings.
        key_thumbprint: The key that the token is bound to, which the sender has proved to have (`cnf.jkt`), or None.
        status: The status list entry that says whether the token is revoked, or None if it has none.
        actor_statuses: The same of each client that has exchanged it on its way here: revoked is what one of them lost.

    One can be made by hand, as a test does: `Principal(subject="ada", scopes=frozenset({"orders:read"}))`. It can be
    pickled and copied; `to_dict` and `from_dict` are for JSON.
    """

    subject: str
    client_id: str | None = None
    session_id: str | None = None
    token_id: str | None = None
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
    organization: PrincipalOrganization | None = None
    expires_at: float = inf
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    claims: Mapping[str, Any] = MappingProxyType({})
    key_thumbprint: str | None = None
    status: StatusReference | None = None
    actor_statuses: tuple[StatusReference, ...] = ()

    @property
    def every_status(self) -> tuple[StatusReference, ...]:
        """Every entry of a status list that can revoke the token."""
        return self.actor_statuses if self.status is None else (self.status, *self.actor_statuses)

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
        plain["permissions"] = sorted(self.permissions)
        plain["organization"] = (
            None if self.organization is None else msgspec.to_builtins(self.organization, order="sorted")
        )
        plain["status"] = None if self.status is None else msgspec.to_builtins(self.status)
        plain["actor_statuses"] = msgspec.to_builtins(list(self.actor_statuses))
        plain["expires_at"] = None if self.expires_at == inf else self.expires_at
        return plain | {"amr": list(self.amr), "claims": thawed(self.claims)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Principal:
        """Rebuild it from what `to_dict` returned. Nothing is verified: store the document where others cannot write.

        Raises:
            InvalidPolicyError: It is something else.
        """
        try:
            read = msgspec.convert({**document, "claims": {}}, _Written)
            claims = read_only(dict(document.get("claims") or {}))
        except (msgspec.ValidationError, TypeError, ValueError):
            raise InvalidPolicyError("the document is not one that to_dict returns") from None
        known = {name: getattr(read, name) for name in read.__struct_fields__ if name not in ("claims", "expires_at")}
        return Principal(**known, expires_at=inf if read.expires_at is None else read.expires_at, claims=claims)

    def require(  # noqa: PLR0913 - the call reads as its policy
        self,
        *,
        scope: str | None = None,
        role: str | Collection[str] | None = None,
        permission: str | None = None,
        organization: str | None = None,
        acr: str | None = None,
        amr: str | None = None,
        max_age: int | None = None,
        now: float | None = None,
    ) -> None:
        """Return if the principal has what is named, or raise an error that `challenge` turns into the right response.

        Args:
            scope: Scopes separated by spaces; all are needed.
            role: A role; or several, of which one is enough.
            permission: Permissions separated by spaces; all are needed.
            organization: The id of an organization, or `"*"` for whichever the token is for. Then `role` and
                `permission` are those in it; without it, rights in an organization never count.
            acr: Authentication context classes separated by spaces; one is enough.
            amr: Authentication methods separated by spaces; all are needed.
            max_age: The maximum age in seconds of the user's sign-in.
            now: The time, in seconds since 1970; by default the system's.

        Raises:
            InsufficientScopeError: A scope, the role or a permission is missing, or the organization is another.
            InsufficientAuthenticationError: `acr`, `amr` or `max_age` does not hold: sign in again (RFC 9470).
            InvalidPolicyError: No principal could satisfy an argument.
        """
        requirement = Requirement.of(
            scope=scope,
            role=role,
            permission=permission,
            organization=organization,
            acr=acr,
            amr=amr,
            max_age=max_age,
        )
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
    permissions: frozenset[str] = frozenset()
    organization: PrincipalOrganization | None = None
    expires_at: float | None = None
    auth_time: int | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    key_thumbprint: str | None = None
    status: StatusReference | None = None
    actor_statuses: tuple[StatusReference, ...] = ()
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
