"""The feed of events that plugins are told: every one, in the order of commits; each plugin has its own position."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.events.event import Event

FEED_KEPT_SECONDS = 30 * 86_400.0
"""How long an event waits for a plugin that fails, and how long a plugin that is gone is waited for."""


class EventReader(msgspec.Struct, frozen=True, kw_only=True):
    """A plugin that is told of events; `error` and `tries` are of the event that it fails at."""

    name: str
    position: int
    tries: int
    error: str
    due_at: float
    seen_at: float


class EventFeed(Protocol):
    """The feed and its readers."""

    async def register(self, name: str, now: float) -> None:
        """Add a reader, if it is not there: it is told of what happens from then on."""
        ...

    async def readers(self) -> list[EventReader]:
        """Every reader, by name."""
        ...

    async def append(self, events: Sequence[Event]) -> None:
        """Number events, if there is a reader. No other unit may append at the same time."""
        ...

    async def is_waiting(self, name: str, now: float) -> bool:
        """Whether there is something that the reader may be told now."""
        ...

    async def claim(self, name: str, *, now: float, until: float) -> EventReader | None:
        """Take the reader until then; None if another node has it. One statement."""
        ...

    async def after(self, position: int, limit: int) -> list[tuple[int, Event]]:
        """The next events, with their positions."""
        ...

    async def move(self, name: str, position: int, *, due_at: float, tries: int = 0, error: str = "") -> None:
        """Keep how far a reader has come, and when it may go on."""
        ...

    async def forget_user(self, user_id: str) -> None:
        """Remove events about a person, and their name from others."""
        ...

    async def forget_before(self, at: float) -> None:
        """Remove what every reader was told, and events and readers that are older."""
        ...


class EventListener(Protocol):
    """A plugin's function."""

    @property
    def name(self) -> str:
        """Of the plugin."""
        ...

    async def tell(self, event: Event) -> None:
        """Call it. It may raise anything."""
        ...
