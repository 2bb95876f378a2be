"""What a route requires of a principal: scopes, a role, permissions, how and when the user signed in."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.jose.errors import InvalidPolicyError

from .errors import InsufficientAuthenticationError, InsufficientScopeError
from .organization import ANY_ORGANIZATION

if TYPE_CHECKING:
    from collections.abc import Collection

    from .organization import PrincipalOrganization


class Rights(Protocol):
    """What a requirement looks at: a `Principal` has it."""

    @property
    def scopes(self) -> frozenset[str]:
        """The scopes that the token grants."""
        ...

    @property
    def roles(self) -> frozenset[str]:
        """The subject's roles."""
        ...

    @property
    def permissions(self) -> frozenset[str]:
        """What these permit."""
        ...

    @property
    def organization(self) -> PrincipalOrganization | None:
        """The organization that the token is for, and the rights in it."""
        ...

    @property
    def acr(self) -> str | None:
        """How strong the sign-in was."""
        ...

    @property
    def amr(self) -> tuple[str, ...]:
        """The authentication methods that it used."""
        ...

    @property
    def auth_time(self) -> int | None:
        """When, in seconds since 1970."""
        ...


class Requirement(msgspec.Struct, frozen=True, kw_only=True):
    """One set of requirements, checked when it is made, so that a typo fails at start-up and not at a request.

    Attributes:
        scope: Scopes separated by spaces; all are needed (RFC 6749 §3.3).
        roles: Roles, of which one is enough.
        permission: Permissions separated by spaces; all are needed.
        organization: Where roles and permissions are needed: the id of an organization, or `"*"` for whichever the
            token is for. None: as the issuer gives them outside of any organization.
        acr: Authentication context classes separated by spaces; one is enough (RFC 9470 §4).
        amr: Authentication methods separated by spaces; all are needed (RFC 8176).
        max_age: The maximum age in seconds of the user's sign-in.

    Raises:
        InvalidPolicyError: No principal could satisfy one of them, or it cannot be written into a challenge.
    """

    scope: str | None = None
    roles: frozenset[str] | None = None
    permission: str | None = None
    organization: str | None = None
    acr: str | None = None
    amr: str | None = None
    max_age: int | None = None

    @classmethod
    def of(  # noqa: PLR0913 - the arguments of `require`
        cls,
        *,
        scope: str | None,
        role: str | Collection[str] | None,
        permission: str | None,
        organization: str | None,
        acr: str | None,
        amr: str | None,
        max_age: int | None,
    ) -> Requirement:
        """Make one from a caller's arguments.

        Raises:
            InvalidPolicyError: As for the class.
        """
        roles = None if role is None else frozenset((role,) if isinstance(role, str) else role)
        return cls(
            scope=scope,
            roles=roles,
            permission=permission,
            organization=organization,
            acr=acr,
            amr=amr,
            max_age=max_age,
        )

    def __post_init__(self) -> None:
        _check_words(self.scope, "scope")
        _check_words(self.permission, "permission")
        _check_words(self.organization, "organization")
        if self.organization is not None and " " in self.organization:
            raise InvalidPolicyError("organization is more than one")
        _check_words(self.acr, "acr")
        _check_words(self.amr, "amr")
        if self.roles is not None and not (self.roles and all(self.roles)):
            raise InvalidPolicyError("role is empty")
        if self.max_age is not None and self.max_age < 0:
            raise InvalidPolicyError("max_age is negative")

    def check(self, principal: Rights, now: float) -> None:
        """Return if everything holds.

        Scopes, roles and permissions come first: where they are missing, signing in again would not help.

        Args:
            principal: The principal of the request.
            now: The time, in seconds since 1970.

        Raises:
            InsufficientScopeError: A scope, the role or a permission is missing, or the organization is another.
            InsufficientAuthenticationError: `acr`, `amr` or `max_age` does not hold.
        """
        if self.scope is not None and not principal.scopes >= _words(self.scope):
            raise InsufficientScopeError("a scope is missing", scope=self.scope)
        rights = principal if self.organization is None else self._in_organization(principal)
        if self.roles is not None and self.roles.isdisjoint(rights.roles):
            raise InsufficientScopeError("the role is missing", scope=self.scope)
        if self.permission is not None and not rights.permissions >= _words(self.permission):
            raise InsufficientScopeError("a permission is missing", scope=self.scope)
        if self.acr is not None and principal.acr not in _words(self.acr):
            raise self._step_up("a stronger sign-in is needed")
        if self.amr is not None and not _words(self.amr).issubset(principal.amr):
            raise self._step_up("a sign-in by other means is needed")
        if self.max_age is not None and (principal.auth_time is None or now - principal.auth_time > self.max_age):
            raise self._step_up("a more recent sign-in is needed")

    def _in_organization(self, principal: Rights) -> PrincipalOrganization:
        """Rights in one organization are none in another, and none outside."""
        found = principal.organization
        if found is None or self.organization not in (found.id, ANY_ORGANIZATION):
            raise InsufficientScopeError("the token is not for this organization", scope=self.scope)
        return found

    def _step_up(self, message: str) -> InsufficientAuthenticationError:
        return InsufficientAuthenticationError(message, acr_values=self.acr, max_age=self.max_age)


def check_all(requirements: tuple[Requirement, ...], principal: Rights, now: float) -> None:
    """Return if every requirement holds. A refusal names all that is needed, so the client has to ask only once.

    Raises:
        InsufficientScopeError: A scope, role or permission is missing; it names the scopes of all of them.
        InsufficientAuthenticationError: A better sign-in is needed; it names the shortest `max_age` of all.
    """
    try:
        for requirement in requirements:
            requirement.check(principal, now)
    except InsufficientScopeError as error:
        scopes = dict.fromkeys(word for one in requirements for word in (one.scope or "").split())
        raise InsufficientScopeError(str(error), scope=" ".join(scopes) or None) from None
    except InsufficientAuthenticationError as error:
        ages = [one.max_age for one in requirements if one.max_age is not None]
        raise InsufficientAuthenticationError(
            str(error), acr_values=error.acr_values, max_age=min(ages, default=None)
        ) from None


@lru_cache(256)
def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


def _check_words(words: str | None, name: str) -> None:
    """RFC 6749 §3.3: printable ASCII without quotes and backslashes, so it can stand in a header."""
    if words is None:
        return
    if not words.split() or not all(_is_word_character(character) for character in words):
        raise InvalidPolicyError(f"{name} is not a list of words separated by spaces")


def _is_word_character(character: str) -> bool:
    return " " <= character <= "~" and character not in '"\\'
