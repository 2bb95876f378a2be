"""What the password of an address that nobody has is compared with: a hash of a kind that somebody's could be.

People who moved in have hashes of other kinds until they sign in, some ten times cheaper than ours and some ten times
dearer. If everybody else cost the same, the time would tell who they are. So of the addresses that have no password as
many cost like each kind as there are people with it; which one, a keyed hash of the address says, always the same.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

_DRAWN_BYTES = 8


class Kind(msgspec.Struct, frozen=True):
    """A kind of hash that is not our own: how many people have it, and the hash of one of them."""

    name: str
    count: int
    sample: str

    def __repr__(self) -> str:
        """Show no hash."""
        return f"Kind({self.name!r}, {self.count})"


class Decoys:
    """Draws. Whoever compares with what is drawn forgets the result: it is somebody's hash."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._total = 0
        self._kinds: tuple[Kind, ...] = ()

    def learn(self, total: int, kinds: Sequence[Kind]) -> None:
        """Take over how many passwords there are, and how many of each kind."""
        self._total = total
        self._kinds = tuple(sorted(kinds, key=lambda kind: kind.name))

    def is_of(self, kinds: Sequence[Kind]) -> bool:
        """Whether these numbers are known already."""
        counts = [(kind.name, kind.count) for kind in sorted(kinds, key=lambda kind: kind.name)]
        return counts == [(kind.name, kind.count) for kind in self._kinds]

    def of(self, email: str) -> str | None:
        """The hash to compare with; None for one of our own kind."""
        drawn = hmac.digest(self._key, email.encode(), hashlib.sha256)[:_DRAWN_BYTES]
        place = int.from_bytes(drawn, "big") * self._total >> (8 * _DRAWN_BYTES)
        for kind in self._kinds:
            place -= kind.count
            if place < 0:
                return kind.sample
        return None
