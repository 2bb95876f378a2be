"""What is revoked just now, in memory: the log, applied."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.tokens.revocation_event import Revoked
from gatepass.tokens.status_list import Bits

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gatepass.server.revocations.log import Revocation
    from gatepass.tokens.revocation_event import Position


class LogRead(msgspec.Struct, frozen=True):
    """A reading of the log: where it stands, which lists there are, and the entries that were asked for."""

    head: Position
    lists: tuple[int, ...]
    entries: tuple[Revocation, ...]


class FeedState:
    """The bits of every list, the revoked tokens and keys, as of a position."""

    def __init__(self, read: LogRead) -> None:
        self.position = read.head
        self.lists = {number: Bits() for number in read.lists}
        self.jtis: dict[str, int] = {}
        self.kids: set[str] = set()
        self._apply(read.entries)

    def advance(self, read: LogRead) -> set[int]:
        """Apply what came since, of the same epoch; the lists that it changed or opened."""
        opened = set(read.lists) - set(self.lists)
        for number in opened:
            self.lists[number] = Bits()
        self._apply(read.entries)
        self.position = read.head
        return opened | {entry.status.list for entry in read.entries if entry.status is not None}

    def _apply(self, entries: Iterable[Revocation]) -> None:
        for entry in entries:
            if entry.status is not None:
                self.lists.setdefault(entry.status.list, Bits()).set((entry.status.idx,))
            if entry.jti is not None:
                self.jtis[entry.jti] = int(entry.expires_at)
            if entry.kid is not None:
                self.kids.add(entry.kid)


def revoked(entries: Iterable[Revocation], *, after: int, status_uri: str) -> Revoked:
    """What an event message says of these entries; `status_uri` is where lists lie, without the number."""
    indexes: dict[int, list[int]] = {}
    jtis: dict[str, int] = {}
    kids: list[str] = []
    for entry in entries:
        if entry.status is not None:
            indexes.setdefault(entry.status.list, []).append(entry.status.idx)
        if entry.jti is not None:
            jtis[entry.jti] = int(entry.expires_at)
        if entry.kid is not None:
            kids.append(entry.kid)
    status = tuple((f"{status_uri}{number}", tuple(places)) for number, places in indexes.items())
    return Revoked(after=after, status=status, jtis=jtis, kids=tuple(kids))
