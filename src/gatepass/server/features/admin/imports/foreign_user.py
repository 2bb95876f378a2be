"""What a row of another system's file says of a user, and the checks that make it a user of ours."""

from __future__ import annotations

import calendar
import re
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.imports import ImportedUser
from gatepass.server.domain.accounts.profile import ProfileChanges, UserProfile
from gatepass.server.domain.accounts.user import check_role, check_user_id, normalise_email

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gatepass.server.features.admin.imports.providers import LinkableProviders

Row: TypeAlias = "tuple[int, ForeignUser | Refusal]"
"""The number of a line, and what it says or why it cannot be read."""

_LONGEST_NAME = 200
_LOCALE = re.compile(r"[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*")
_LONGEST_LOCALE = 35
_MILLISECONDS_FROM = 100_000_000_000
"""Larger numbers count milliseconds: as seconds they would be after the year 5000."""


class ForeignIdentity(Confidential, frozen=True, kw_only=True):
    """An account at a provider, by the name that the other system has for the provider."""

    provider: str
    subject: str
    email: str = ""
    kind: str = ""
    """The kind of provider, where the file says it."""
    issuer: str = ""
    """The provider's issuer, where the file says it."""


class ForeignUser(Confidential, frozen=True, kw_only=True):
    """A user as another system describes them; nothing is checked yet.

    `password` reads the hash, which can fail; `notes` says what of the row cannot come along.
    """

    id: str | None
    email: str
    password: Callable[[], str | None] = lambda: None
    email_verified: bool = False
    disabled: bool = False
    roles: tuple[str, ...] = ()
    created_at: int | None = None
    name: str = ""
    locale: str = ""
    metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    app_metadata: dict[str, Any] = msgspec.field(default_factory=dict[str, Any])
    identities: tuple[ForeignIdentity, ...] = ()
    notes: tuple[str, ...] = ()


class ImportPolicy(msgspec.Struct, frozen=True, kw_only=True):
    """What the operator wants of an import.

    Attributes:
        providers: The providers in the settings.
        are_verified: Every address is known to be its user's.
        with_roles: Roles come along.
        with_unknown_passwords: A user whose hash cannot be read comes along, without a password.
    """

    providers: LinkableProviders
    are_verified: bool = False
    with_roles: bool = True
    with_unknown_passwords: bool = False


def checked(user: ForeignUser, policy: ImportPolicy) -> ImportedUser:
    """The user as ours.

    Raises:
        Refusal: `invalid_email`, `invalid_user_id`, `invalid_role`, `unknown_password_hash`, `metadata_too_large`.
    """
    notes = list(user.notes)
    identities, unknown = policy.providers.linked(user.identities)
    notes += [f"The account at {name} is not connected: the settings have no such provider." for name in unknown]
    return ImportedUser(
        id=None if user.id is None else check_user_id(user.id),
        email=normalise_email(user.email),
        password_hash=_password(user, policy, notes),
        email_verified=user.email_verified or policy.are_verified,
        disabled=user.disabled,
        roles=tuple(dict.fromkeys(map(check_role, user.roles))) if policy.with_roles else (),
        created_at=user.created_at,
        profile=_profile(user),
        identities=identities,
        notes=tuple(notes),
    )


def _password(user: ForeignUser, policy: ImportPolicy, notes: list[str]) -> str | None:
    try:
        return user.password()
    except Refusal as error:
        if not policy.with_unknown_passwords:
            raise
        notes.append(f"Without a password: {error.detail}")
        return None


def _profile(user: ForeignUser) -> UserProfile:
    locale = user.locale.replace("_", "-")
    after = ProfileChanges(
        name="".join(filter(str.isprintable, " ".join(user.name.split())))[:_LONGEST_NAME],
        locale=locale if len(locale) <= _LONGEST_LOCALE and _LOCALE.fullmatch(locale) else "",
        metadata=user.metadata,
        app_metadata=user.app_metadata,
    ).applied_to(UserProfile())
    if isinstance(after, Refusal):
        raise after
    return after


def read_rows(numbered: Iterator[tuple[int, Any]], read: Callable[[Any], ForeignUser | None]) -> Iterator[Row]:
    """Read each record; `read` raises a Refusal or what msgspec raises, and returns None for what is no user."""
    for line, record in numbered:
        if isinstance(record, Refusal):
            yield line, record
            continue
        try:
            user = read(record)
        except Refusal as error:
            yield line, error
        except msgspec.ValidationError as error:
            yield line, Refusal("invalid_body", f"{error}.")
        else:
            if user is not None:
                yield line, user


def seconds_of(moment: str | float | None) -> int | None:
    """A time of another system in seconds since 1970; None for none that can be understood."""
    if isinstance(moment, int | float):
        seconds = int(moment / 1000 if moment > _MILLISECONDS_FROM else moment)
        return seconds if seconds >= 0 else None
    try:
        parsed = datetime.fromisoformat((moment or "").strip())
    except ValueError:
        return None
    if parsed.tzinfo is not None:
        parsed = parsed.astimezone(UTC)
    return max(0, calendar.timegm(parsed.timetuple()))


def flag(value: object) -> bool:
    """Whether a column says yes: PostgreSQL prints `t`, SQLite keeps 1, others write true."""
    return str(value).strip().lower() in ("1", "t", "true", "yes")


def joined(*names: str | None) -> str:
    """Given and family name as one."""
    return " ".join(name.strip() for name in names if name and name.strip())
