"""Decoys: password hashes to check for addresses without an account, so that timing does not reveal which exist.

Imported users keep hashes of other kinds until they sign in. Some take a tenth of the time of ours, and some ten times
as long. If all unknown addresses took the time of our own kind, the timing would identify imported users. So unknown
addresses are spread over the kinds in the same proportions as real users. A keyed hash of the address chooses the kind,
so that it is always the same for one address.
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
    """An imported kind of hash: how many users have it, and one such hash as an example."""

    name: str
    count: int
    sample: str

    def __repr__(self) -> str:
        """Show no hash."""
        return f"Kind({self.name!r}, {self.count})"


class Decoys:
    """Chooses the decoy for an address. The result of checking it must be ignored: it is a real user's hash."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._total = 0
        self._kinds: tuple[Kind, ...] = ()

    def learn(self, total: int, kinds: Sequence[Kind]) -> None:
        """Set how many passwords there are in total, and how many of each kind."""
        self._total = total
        self._kinds = tuple(sorted(kinds, key=lambda kind: kind.name))

    def is_of(self, kinds: Sequence[Kind]) -> bool:
        """Whether these numbers are already set."""
        counts = [(kind.name, kind.count) for kind in sorted(kinds, key=lambda kind: kind.name)]
        return counts == [(kind.name, kind.count) for kind in self._kinds]

    def of(self, email: str) -> str | None:
        """The hash to check for an address; None for one of our own kind."""
        drawn = hmac.digest(self._key, email.encode(), hashlib.sha256)[:_DRAWN_BYTES]
        rank = int.from_bytes(drawn, "big") * self._total >> (8 * _DRAWN_BYTES)
        for kind in self._kinds:
            rank -= kind.count
            if rank < 0:
                return kind.sample
        return None
