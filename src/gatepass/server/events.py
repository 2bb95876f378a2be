"""What happened and is worth keeping: a row in the same transaction as the thing itself. Holds no secret."""

from __future__ import annotations

from typing import Literal, Protocol

import msgspec

EventKind = Literal["refresh_token_reused", "store_went_back"]


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event; `at` in seconds since 1970."""

    id: str
    at: float
    kind: EventKind
    user_id: str
    session_id: str


class Events(Protocol):
    """The log, append only."""

    async def record(self, event: Event) -> None:
        """Append the event."""
        ...

    async def of_session(self, session_id: str) -> list[Event]:
        """Return a session's events, oldest first."""
        ...
