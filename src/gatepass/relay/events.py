"""The last events as the issuer has signed them, for readers that come back."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from gatepass.fanout import messages

if TYPE_CHECKING:
    from gatepass.tokens.revocation_event import Position, RevocationEvent, Revoked

_MOST_REVOCATIONS = 10_000
_MOST_EVENTS = 1_000
"""How much is kept. An issuer joins what a reader has missed; a relay, which cannot sign, sends each event again."""


class RelayedEvents:
    """An unbroken line of events.

    Attributes:
        position: The last of them; None before the first snapshot.
    """

    def __init__(self) -> None:
        self.position: Position | None = None
        self._events: deque[tuple[int, int, int, bytes]] = deque()
        self._size = 0

    def start_at(self, position: Position) -> None:
        """Begin a line: what came before is not known."""
        self.position = position
        self._events.clear()
        self._size = 0

    def add(self, token: str, event: RevocationEvent) -> bytes | None:
        """Keep an event and return the message with it; None if it does not continue the line, or is known already."""
        position, at, after = self.position, event.position, event.revoked.after
        if position is None or at.epoch != position.epoch or not after <= position.event_id < at.event_id:
            return None
        message, size = messages.revoked(at, token), _size(event.revoked)
        self._events.append((after, at.event_id, size, message))
        self._size += size
        while self._size > _MOST_REVOCATIONS or len(self._events) > _MOST_EVENTS:
            self._size -= self._events.popleft()[2]
        self.position = at
        return message

    def since(self, event_id: int) -> bytes | None:
        """All messages after an event; None if some of them are not kept."""
        missed = [(after, message) for after, at, _, message in self._events if at > event_id]
        is_last = self.position is not None and event_id == self.position.event_id
        if is_last or (missed and missed[0][0] <= event_id):
            return b"".join(message for _, message in missed)
        return None


def _size(revoked: Revoked) -> int:
    return 1 + sum(len(indexes) for _, indexes in revoked.status) + len(revoked.jtis) + len(revoked.kids)
