"""The current revocations in memory: the log, applied up to a position."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.tokens.revocation_event import Position
from gatepass.tokens.status_list import Bits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gatepass.server.domain.revocation.log import Revocation
    from gatepass.server.domain.revocation.status_index import StatusIndex


class LogRead(msgspec.Struct, frozen=True):
    """A reading of the log: its position, the existing lists, and the requested entries.

    `begun_at` is when it began, by a monotonic clock: it includes everything revoked before that.
    """

    head: Position
    lists: tuple[int, ...]
    entries: tuple[Revocation, ...]
    begun_at: float


class KnownRevocations:
    """The bits of every list, the revoked tokens and keys, as of a position in the log.

    `changed_at` has for each list the event that changed it last, and `as_of` is when the log was last read, by
    `time.monotonic`.
    """

    def __init__(self) -> None:
        self.position = Position("", 0)
        self.lists: dict[int, Bits] = {}
        self.changed_at: dict[int, int] = {}
        self.jtis: dict[str, int] = {}
        self.kids: set[str] = set()
        self.names_changed_at = 0
        self.as_of = float("-inf")

    def begin_anew(self, read: LogRead) -> None:
        """Replace everything by a reading from the beginning of the log."""
        self.lists = {number: Bits() for number in read.lists}
        self.changed_at = dict.fromkeys(read.lists, read.head.event_id)
        self.jtis = {}
        self.kids = set()
        self.names_changed_at = read.head.event_id
        self._apply(read.entries)
        self.position, self.as_of = read.head, read.begun_at

    def advance(self, read: LogRead) -> bool:
        """Apply later entries of the same epoch; return whether there are new lists."""
        opened = set(read.lists) - set(self.lists)
        for number in opened:
            self.lists[number] = Bits()
        self._apply(read.entries)
        self.position, self.as_of = read.head, read.begun_at
        return bool(opened)

    def list_changed_at(self, number: int) -> int:
        """The event that changed a list last."""
        return self.changed_at.get(number, 0)

    def is_revoked(self, status: StatusIndex | None, jti: str) -> bool:
        """Whether the bit of the status index is set, or the token is revoked by its `jti`."""
        if jti in self.jtis:
            return True
        bits = None if status is None else self.lists.get(status.list)
        return bits is not None and status is not None and bits[status.idx]

    def _apply(self, entries: Iterable[Revocation]) -> None:
        for entry in entries:
            if entry.status is not None:
                self.lists.setdefault(entry.status.list, Bits()).set((entry.status.idx,))
                self.changed_at[entry.status.list] = entry.id
                continue
            self.names_changed_at = entry.id
            if entry.jti is not None:
                self.jtis[entry.jti] = int(entry.expires_at)
            if entry.kid is not None:
                self.kids.add(entry.kid)
