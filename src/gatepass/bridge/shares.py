"""How many entries each transmitter may have: one that fills its share shuts out itself, and nobody else."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Container, Iterable, Mapping

MAX_ENTRIES = 50_000
"""How many entries there may be in all: the snapshot stays within its 4,000,000 characters."""


class Shares:
    """Who has entered what. An entry counts for the transmitter that entered it first, until it ends.

    Attributes:
        most: How many entries each may have, by its name.
        held: How many it has.
    """

    def __init__(self, most: Mapping[str, int], owners: Mapping[str, str]) -> None:
        """Begin with what is stored.

        Args:
            most: How many entries each may have, by its name.
            owners: Who entered what, by its digest; some may have no share any more.
        """
        self.most = dict(most)
        self._owners = dict(owners)
        self.held = Counter(self._owners.values())

    def has_room(self, name: str, digests: Iterable[str]) -> bool:
        """Whether a transmitter may enter these; what is there already, whoever entered it, takes no room."""
        new = sum(digest not in self._owners for digest in digests)
        return not new or (self.held[name] + new <= self.most[name] and len(self._owners) + new <= MAX_ENTRIES)

    def add(self, name: str, digests: Iterable[str]) -> None:
        """Count what a transmitter has entered."""
        new = {digest: name for digest in digests if digest not in self._owners}
        self._owners |= new
        self.held[name] += len(new)

    def keep(self, digests: Container[str]) -> None:
        """Count nothing but these any more."""
        self._owners = {digest: name for digest, name in self._owners.items() if digest in digests}
        self.held = Counter(self._owners.values())
