"""What happened and is worth keeping: a row in the same transaction as the thing itself. Holds no secret.

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
    "authorization_code_reused",
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
    "key_added",
    "key_compromised",
    "key_retired",
    "passkey_counter_went_back",
    "password_changed",
    "password_removed",
    "password_reset_asked",
    "proved_again",
    "provider_connected",
    "provider_disconnected",
    "recovery_code_used",
    "recovery_codes_made",
    "refresh_token_reused",
    "role_given",
    "role_taken",
    "session_ended",
    "sessions_ended",
    "settings_changed",
    "sign_in_code_asked",
    "sign_in_refused",
    "signed_in",
    "store_restored",
    "store_went_back",
]

OPERATOR = "operator"
"""The `actor` of what is done from the command line."""
SERVER = "server"
"""The `actor` of what the server does by itself."""

MOST_SHOWN = 200
"""Of a person's events at once."""
_MAX_USER_AGENT = 256


class Origin(msgspec.Struct, frozen=True, kw_only=True):
    """Where a request came from."""

    address: str = ""
    user_agent: str = ""

    @classmethod
    def of(cls, address: str, user_agent: str) -> Origin:
        """What is kept of it: a browser's name is as long as its owner likes."""
        return cls(address=address, user_agent=user_agent[:_MAX_USER_AGENT])


NOWHERE = Origin()


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event; `at` in seconds since 1970.

    `user_id` is whom it is about, `actor` who did it: a user or client id, `operator`, `server`, or nothing where
    nobody has proved who they are. `reason` says more in one word, such as why a sign-in was refused.
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


class Events(Protocol):
    """The log, append only but for what is too old or about somebody who is gone."""

    async def record(self, event: Event) -> None:
        """Append the event."""
        ...

    async def of_session(self, session_id: str) -> list[Event]:
        """Return a session's events, oldest first."""
        ...

    async def of_user(self, user_id: str) -> list[Event]:
        """Return what a person is shown: their events, newest first, `MOST_SHOWN` of them at most."""
        ...

    async def after(self, event_id: str, *, user_id: str | None = None, limit: int = 1_000) -> Sequence[Event]:
        """Return events in the order of their ids from the one after `event_id` on, of one person or of everybody."""
        ...

    async def sign_ins_since(self, at: float) -> tuple[int, int]:
        """How many sign-ins were tried from then on, and how many of them by callers whose address is not known."""
        ...

    async def settings_seen(self) -> dict[str, str]:
        """What the settings were when a server last started: name and digest, nothing where none has."""
        ...

    async def see_settings(self, digests: dict[str, str]) -> None:
        """Keep what the settings are."""
        ...

    async def forget_before(self, at: float) -> None:
        """Drop what is older."""
        ...

    async def forget_user(self, user_id: str) -> None:
        """Drop what is about or by a person who is gone."""
        ...
