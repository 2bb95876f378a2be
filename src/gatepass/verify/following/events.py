"""The issuer's events: the last known position, and the bits set by recent ones."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatepass.tokens.revocation_event import Position

RECENT_INDEXES = 10_000
"""How many bits are remembered, for lists made before them that arrive later."""


class KnownEvents:
    """The last known position in the issuer's events.

    Attributes:
        position: The last event that we know; None before the first snapshot, and once events are missing.
    """

    __slots__ = ("_complete_from", "_recent", "_size", "position")

    def __init__(self) -> None:
        self.position: Position | None = None
        self._recent: deque[tuple[int, str, tuple[int, ...]]] = deque()
        self._size = 0
        self._complete_from = 0

    def start_at(self, position: Position) -> None:
        """Follow the events from here on."""
        self.position = position
        self._recent.clear()
        self._size, self._complete_from = 0, position.event_id

    def remember(self, event_id: int, uri: str, indexes: tuple[int, ...]) -> None:
        """Remember the bits of an event, dropping the oldest."""
        self._recent.append((event_id, uri, indexes))
        self._size += len(indexes)
        while self._size > RECENT_INDEXES:
            forgotten, _, gone = self._recent.popleft()
            self._size -= len(gone)
            self._complete_from = forgotten

    def cover(self, epoch: str | None, event_id: int) -> bool:
        """Whether every event is known since a document that includes this one."""
        return self.position is not None and epoch == self.position.epoch and event_id >= self._complete_from

    def since(self, event_id: int, uri: str) -> Iterator[tuple[int, tuple[int, ...]]]:
        """Yield the later events that have set bits of a list, each with these."""
        for at, of, indexes in self._recent:
            if of == uri and at > event_id:
                yield at, indexes
