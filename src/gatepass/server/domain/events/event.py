"""Events of the audit log: each is a row written in the transaction of what it records. They hold no secrets.

An ordinary refresh writes none.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

EventKind = Literal[
    "account_created",
    "account_deleted",
    "account_disabled",
    "account_enabled",
    "account_locked",
    "account_unlocked",
    "api_added",
    "api_changed",
    "api_removed",
    "authorization_code_reused",
    "client_added",
    "client_changed",
    "client_disabled",
    "client_enabled",
    "client_removed",
    "client_secret_rotated",
    "consent_given",
    "consent_withdrawn",
    "credential_stuffing_noticed",
    "data_exported",
    "device_forgotten",
    "device_remembered",
    "email_change_asked",
    "email_changed",
    "email_verified",
    "factor_added",
    "factor_removed",
    "grant_refused",
    "hook_failed",
    "impersonated",
    "invited",
    "key_added",
    "key_compromised",
    "key_retired",
    "logout_not_delivered",
    "member_added",
    "member_invited",
    "member_removed",
    "member_roles_changed",
    "organization_changed",
    "organization_created",
    "organization_domain_added",
    "organization_domain_changed",
    "organization_domain_lost",
    "organization_domain_removed",
    "organization_domain_verified",
    "organization_invitation_withdrawn",
    "organization_removed",
    "passkey_counter_went_back",
    "password_changed",
    "password_removed",
    "password_reset_asked",
    "profile_changed",
    "proved_again",
    "provider_connected",
    "provider_disconnected",
    "recovery_code_used",
    "recovery_codes_made",
    "refresh_token_reused",
    "role_added",
    "role_changed",
    "role_given",
    "role_removed",
    "role_taken",
    "session_ended",
    "sessions_ended",
    "settings_changed",
    "sign_in_code_asked",
    "sign_in_refused",
    "signal_not_taken",
    "signed_in",
    "signup_denied",
    "store_restored",
    "store_went_back",
    "stream_added",
    "stream_changed",
    "stream_removed",
    "webhook_added",
    "webhook_changed",
    "webhook_delivery_repeated",
    "webhook_removed",
    "webhook_secret_rotated",
    "webhook_tested",
]

OPERATOR = "operator"
"""The `actor` of commands of the command line."""
SERVER = "server"
"""The `actor` of what the server does on its own."""

MOST_SHOWN = 200
"""How many of a user's events are returned at once."""
_MAX_USER_AGENT = 256


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request came from."""

    address: str = ""
    user_agent: str = ""

    @classmethod
    def of(cls, address: str, user_agent: str) -> Origin:
        """The stored form: a browser's name is cut, because it can be of any length."""
        return cls(address=address, user_agent=user_agent[:_MAX_USER_AGENT])


NOWHERE = Origin()


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event; `at` in seconds since 1970.

    `user_id` is the user it is about; `actor` is who did it: a user or client id, `operator`, `server`, or empty if the
    actor is not authenticated. `reason` gives details in one word, such as why a sign-in was refused.
    """

    id: str
    at: float
    kind: EventKind
    user_id: str
    session_id: str
    actor: str = ""
    reason: str = ""
    jti: str = ""
    address: str = ""
    user_agent: str = ""

    def for_its_user(self) -> Event:
        """The event as its user may read it: without the address and the browser of another person who did it."""
        if self.actor in ("", self.user_id):
            return self
        return msgspec.structs.replace(self, address="", user_agent="")


class EventFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which events to list, oldest first; with `before`, newest first.

    Attributes:
        after: The event after which the page begins.
        before: The event before which it begins, back in time; empty for the newest of all.
        kind: What happened.
        user_id: Whom it is about.
        client_id: The client that it is about, or that did it.
        limit: How many at most.
    """

    after: str = ""
    before: str | None = None
    kind: EventKind | None = None
    user_id: str | None = None
    client_id: str | None = None
    limit: int = 50


class DayCount(msgspec.Struct, frozen=True):
    """How often something happened on a day, which counts from 1970 in UTC."""

    day: int
    kind: str
    count: int


class Events(Protocol):
    """The event log: append-only, except that old events and those about deleted users are removed."""

    async def record(self, event: Event) -> None:
        """Append the event."""
        ...

    async def of_session(self, session_id: str) -> list[Event]:
        """Return a session's events, oldest first."""
        ...

    async def of_user(self, user_id: str) -> list[Event]:
        """Return the events shown to a user: theirs, newest first, `MOST_SHOWN` at most."""
        ...

    async def after(self, event_id: str, *, user_id: str | None = None, limit: int = 1_000) -> Sequence[Event]:
        """Return events by id, starting after `event_id`, of one user or of all."""
        ...

    async def page(self, events: EventFilter) -> list[Event]:
        """Those that the filter describes."""
        ...

    async def daily(self, kinds: Sequence[EventKind], since: float) -> list[DayCount]:
        """How often each kind happened on each day since then."""
        ...

    async def sign_ins_since(self, at: float) -> tuple[int, int]:
        """How many sign-ins were tried since then, and how many from an unknown client address."""
        ...

    async def reasons_since(self, kind: EventKind, at: float) -> dict[str, int]:
        """How many events of a kind there were since then, by reason; only those that there were."""
        ...

    async def settings_seen(self) -> dict[str, str]:
        """The settings at the last start of a server, as names and digests; empty if there was none."""
        ...

    async def see_settings(self, digests: dict[str, str]) -> None:
        """Store the current settings."""
        ...

    async def forget_before(self, at: float) -> None:
        """Remove older events."""
        ...

    async def forget_user(self, user_id: str) -> None:
        """Remove the events about or by a deleted user."""
        ...
