"""Copies of the issuer's status lists, with limits on how many tokens can cause to be stored or fetched."""

from __future__ import annotations

from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING

from gatepass.tokens.revocation_event import Position
from gatepass.verify.issuer import is_same_origin

from .document import TTL_SECONDS, Document
from .proof import NO_PROOF

if TYPE_CHECKING:
    from collections.abc import Iterable

MAX_LISTS = 1024
"""How many lists are held: 134 MB, for a billion grants. The most recently used ones are kept."""

BURST = 1024
LISTS_PER_SECOND = 100
"""How many unknown lists tokens may cause to be fetched at once, and then each second; only the issuer signs tokens."""

USED_SECONDS = 60
"""A list that no token has named for this long is not in use."""

_MAX_NOTED = 1024


class Copy(Document):
    """A copy of a status list.

    Attributes:
        octets: The bits.
        ttl: Seconds for which it is fresh.
        proof: What the document itself proves.
        is_joined: Whether the stream keeps it up to date: we know every event since it was made.
        heard: The last event that has set bits in it: an older list does not know them.
        wanted_at: When a token last named it that the fast path did not answer for, by the clock that only runs.
        clears_until: Until when the fast path may go by it, in seconds since 1970.
        is_resting: Whether it waits for the next token before the fast path may go by it; so we learn which are in use.
    """

    __slots__ = ("clears_until", "heard", "is_joined", "is_resting", "octets", "proof", "ttl", "wanted_at")

    def __init__(self, url: str, run: float) -> None:
        super().__init__(url)
        self.octets = bytearray()
        self.ttl = TTL_SECONDS
        self.proof = NO_PROOF
        self.is_joined = False
        self.heard = Position("", -1)
        self.wanted_at = run
        self.clears_until = -inf
        self.is_resting = False

    def hear(self, at: Position, indexes: Iterable[int]) -> None:
        """Set the bits of an event."""
        set_bits(self.octets, indexes)
        self.heard = at

    def knows_more_than(self, epoch: str | None, event_id: int) -> bool:
        """Whether an event has set bits in it that a list up to another event does not know."""
        return epoch == self.heard.epoch and event_id < self.heard.event_id


class StatusListCopies:
    """The lists that tokens have named.

    Attributes:
        held: Those that we have, by URL; the fast path reads it.
        awaited: Those that were never there yet.
    """

    def __init__(self, issuer: str) -> None:
        """Start empty; only lists at the issuer's own origin are accepted."""
        self.held: dict[str, Copy] = {}
        self.awaited: dict[str, Copy] = {}
        self._issuer = issuer
        self._out_of_reach: dict[str, float] = {}
        self._allowance, self._allowed_at = float(BURST), -inf

    def find(self, uri: str) -> Copy | None:
        """Find a list, held or awaited."""
        return self.held.get(uri) or self.awaited.get(uri)

    def ask(self, uri: str, run: float) -> Copy | None:
        """Find a list, or request it if allowed: at the issuer's own origin, and within the rate limit."""
        copy = self.find(uri)
        if copy is not None:
            copy.wanted_at = run
            return copy
        if not _is_ours(uri, self._issuer) or not self._may_ask(run):
            self._note_out_of_reach(uri, run)
            return None
        self._make_room()
        copy = self.awaited[uri] = Copy(uri, run)
        return copy

    def arrived(self, uri: str, run: float) -> Copy:
        """The copy that a fetched list is for."""
        return self.held.get(uri) or self.awaited.pop(uri, None) or Copy(uri, run)

    def hear(self, uri: str, at: Position, indexes: Iterable[int]) -> None:
        """Set the bits of an event in a list, if we hold it."""
        copy = self.held.get(uri)
        if copy is not None:
            copy.hear(at, indexes)

    def missing(self, run: float) -> int:
        """Count the lists in use that we do not hold."""
        self._out_of_reach = {
            uri: at for uri, at in self._out_of_reach.items() if run - at < USED_SECONDS and uri not in self.held
        }
        awaited = [uri for uri, copy in self.awaited.items() if run - copy.wanted_at < USED_SECONDS]
        return len(self._out_of_reach.keys() | awaited)

    @property
    def are_all_on_their_way(self) -> bool:
        """Whether all missing lists are being fetched."""
        return not self._out_of_reach and all(copy.is_on_its_way for copy in self.awaited.values())

    def _may_ask(self, run: float) -> bool:
        """A token bucket: tokens that name ever new lists cause a burst of fetches, then a fixed rate."""
        elapsed = max(0.0, run - self._allowed_at)
        self._allowance = min(float(BURST), self._allowance + elapsed * LISTS_PER_SECOND)
        self._allowed_at = run
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _note_out_of_reach(self, uri: str, run: float) -> None:
        """Record that a token names a list that must not be fetched, for `health`."""
        if len(self._out_of_reach) >= _MAX_NOTED:
            del self._out_of_reach[next(iter(self._out_of_reach))]
        self._out_of_reach[uri] = run

    def _make_room(self) -> None:
        """Drop lists if there are too many: first those never fetched, then the least recently used."""
        while len(self.held) + len(self.awaited) >= max(1, MAX_LISTS):
            failing = next((copy for copy in self.awaited.values() if copy.trouble), None)
            copy = failing or min((*self.awaited.values(), *self.held.values()), key=lambda copy: copy.wanted_at)
            self.awaited.pop(copy.url, None)
            self.held.pop(copy.url, None)
            self._note_out_of_reach(copy.url, copy.wanted_at)


def set_bits(octets: bytearray, indexes: Iterable[int]) -> None:
    """Set bits, ignoring those out of range."""
    size = len(octets)
    for index in indexes:
        if index >> 3 < size:
            octets[index >> 3] |= 1 << (index & 7)


@lru_cache(1024)
def _is_ours(uri: str, issuer: str) -> bool:
    return is_same_origin(uri, issuer)
