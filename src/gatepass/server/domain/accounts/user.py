"""User accounts, without their credentials."""

from __future__ import annotations

import re
from typing import Literal, Protocol, TypeAlias

import msgspec
from email_validator import EmailNotValidError, validate_email

from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings.roles import RESERVED_ROLE_PREFIX, ROLE

OPERATOR_ROLE = "gatepass-operator"
"""The role of people who may administer this server. Tokens for applications never name it."""
MAX_EMAIL_LENGTH = 254
"""Characters; RFC 5321 §4.5.3.1.3 allows 256 octets for a path with its angle brackets."""

_USER_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.:|-]{0,63}")
_OUR_ID = re.compile(r"(?!usr_)[a-z]{3,4}_")
"""How ids of other kinds begin: clients, sessions, grants, events."""
_ACTORS = ("operator", "server", "first-party")
_BLANKS = " \u00a0\u2007\u202f\u3000"
_MOST_LOCAL_OCTETS = 64
"""RFC 5321 §4.5.3.1.1."""


Closed: TypeAlias = Literal["account_disabled", "account_locked"]
"""Why nobody can sign in to an account: disabled by the operator, or locked by its user."""


class User(msgspec.Struct, frozen=True, kw_only=True):
    """A user. Times in seconds since 1970; `None` where it has not happened."""

    id: str
    email: str
    created_at: float
    roles: tuple[str, ...] = ()
    email_verified_at: float | None = None
    disabled_at: float | None = None
    locked_at: float | None = None
    origin: Literal["self", "operator", "import"] = "self"
    """Who made the account."""
    address_proved_at: float | None = None
    """When its owner showed that they read mail at the address; operators, imports and providers only vouch for it."""

    @property
    def closed(self) -> Closed | None:
        """Why sign-in is refused; None if it is allowed."""
        if self.disabled_at is not None:
            return "account_disabled"
        return None if self.locked_at is None else "account_locked"

    @property
    def is_operator(self) -> bool:
        """Whether the user may administer this server."""
        return OPERATOR_ROLE in self.roles

    @property
    def is_unclaimed(self) -> bool:
        """Whether the owner was never verified: anyone could have created the account and set its credentials."""
        return self.email_verified_at is None and self.origin != "operator"


class UserFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which users to list, by email address.

    Attributes:
        search: How the address, the name or the id begins, in lower case; nothing stands for all.
        role: A role that they have.
        organization: The id of an organization that they belong to.
        disabled: Whether they are disabled.
        after: The address after which the page begins.
        limit: How many at most.
    """

    search: str = ""
    role: str | None = None
    organization: str | None = None
    disabled: bool | None = None
    after: str = ""
    limit: int = 50


class Users(Protocol):
    """The store of users; an email address belongs to at most one of them."""

    async def add(self, user: User) -> bool:
        """Add the user; False if the address or the id is taken, or a deleted user's, and then nothing is written."""
        ...

    async def by_id(self, user_id: str) -> User | None:
        """Find by identifier."""
        ...

    async def by_email(self, email: str) -> User | None:
        """Find by normalized email address."""
        ...

    async def signed_in(self, session_id: str, user_id: str, now: float) -> User | None:
        """Find by identifier, if the session belongs to the user and is active."""
        ...

    async def all(self) -> list[User]:
        """All users, by email address."""
        ...

    async def page(self, users: UserFilter) -> list[User]:
        """Those that the filter describes, by email address."""
        ...

    async def count(self) -> tuple[int, int]:
        """How many there are, and how many of them are disabled."""
        ...

    async def reserved_names_taken(self) -> list[tuple[str, str]]:
        """Which users and clients lost which role or scope when it became a right at this server."""
        ...

    async def set_roles(self, user_id: str, roles: tuple[str, ...]) -> None:
        """Replace the roles."""
        ...

    async def set_locked(self, user_id: str, at: float | None) -> None:
        """Lock the account from `at` on, or unlock it with `None`."""
        ...

    async def set_email(self, user_id: str, email: str, verified_at: float | None) -> bool:
        """Change the address, which its owner has not proved yet; False if another user has it: nothing is written."""
        ...

    async def set_proved(self, user_id: str, at: float) -> None:
        """Record when the owner has shown to read mail at the address."""
        ...

    async def set_verified(self, user_id: str, at: float) -> None:
        """Record when the address was verified."""
        ...

    async def remove(self, user_id: str) -> None:
        """Remove the user, whose other data must have been removed. The id is never used again."""
        ...

    async def was_deleted(self, user_id: str) -> bool:
        """Whether a user of this id was removed."""
        ...

    async def set_disabled(self, user_id: str, at: float | None) -> None:
        """Disable from `at` on, or enable with `None`."""
        ...


def account_closed(reason: Closed) -> Refusal:
    """The refusal for a user who has proved that a closed account is theirs."""
    match reason:
        case "account_disabled":
            return Refusal("account_disabled", "The operator has disabled this account.")
        case "account_locked":
            return Refusal("account_locked", "This account is locked: set a new password to unlock it.")


def normalise_email(text: str) -> str:
    """Check an email address and return its normalized spelling, in lower case.

    Raises:
        Refusal: `invalid_email`.
    """
    text = text.strip(_BLANKS)  # phone keyboards add a space after a word; a line break is not such a mistake
    if len(text) > MAX_EMAIL_LENGTH:
        raise Refusal("invalid_email", f"An email address has at most {MAX_EMAIL_LENGTH} characters.")
    try:
        # `test_environment` allows addresses under .test, which RFC 2606 reserves for testing.
        address = validate_email(text, check_deliverability=False, test_environment=True).normalized
    except (EmailNotValidError, UnicodeError) as error:
        raise Refusal("invalid_email", "This is not a valid email address.") from error
    if len(address.rpartition("@")[0].encode()) > _MOST_LOCAL_OCTETS:
        raise Refusal("invalid_email", f"Before the @, an email address has at most {_MOST_LOCAL_OCTETS} octets.")
    return address.lower()


def application_roles(roles: tuple[str, ...]) -> tuple[str, ...]:
    """The roles that applications are told: those of this server are none of their business."""
    return tuple(role for role in roles if not role.startswith(RESERVED_ROLE_PREFIX))


def check_user_id(text: str) -> str:
    """Return an id that a user has elsewhere, if nobody takes it for something else.

    Services are told by the `sub` of their tokens (RFC 9068 §5), and the log names who did something.

    Raises:
        Refusal: `invalid_user_id`.
    """
    is_ours = text in _ACTORS or _OUR_ID.match(text) is not None
    if not _USER_ID.fullmatch(text) or is_ours:
        raise Refusal(
            "invalid_user_id", "An id is 1 to 64 letters, digits and any of _ . : | - and is none of another kind here."
        )
    return text


def check_role(text: str) -> str:
    """Return the application's role if it is one.

    Raises:
        Refusal: `invalid_role`.
    """
    if text.startswith(RESERVED_ROLE_PREFIX):
        raise Refusal("invalid_role", f"Roles that begin with {RESERVED_ROLE_PREFIX} are reserved.")
    if not ROLE.fullmatch(text):
        raise Refusal("invalid_role", "A role is 1 to 64 letters, digits, and any of _ . : -")
    return text
