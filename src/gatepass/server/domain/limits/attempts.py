"""Failed attempts, counted by account and by network; above a limit, each one adds a longer pause."""

from __future__ import annotations

import ipaddress
from functools import lru_cache
from typing import Protocol

import msgspec

_IPV6_NETWORK_BITS = 64
"""The IPv6 prefix that one customer gets at least, who can change addresses freely within it."""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """The counts of the current window.

    `changes` counts how often an attempt was for another account than the one before: many accounts, each tried once or
    twice from one network, are a sign of a stolen password list. `last_at` in seconds since 1970.
    """

    failures: int
    changes: int
    last_at: float


NEVER = Tried(failures=0, changes=0, last_at=0)


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """How many failures a window allows, and the pauses after that: each twice the one before (seconds)."""

    free: int
    window: float
    first_pause: float
    longest_pause: float

    def wait(self, tried: Tried, now: float) -> float:
        """How many seconds until the next attempt; 0 if it is allowed now."""
        over = tried.failures - self.free
        if over < 0:
            return 0.0
        pause = min(self.longest_pause, self.first_pause * 2.0 ** min(over, 32))
        return max(0.0, tried.last_at + pause - now)


class Attempts(Protocol):
    """The store of counts. A `subject` is an account or a network, as a digest if it is personal."""

    async def of(self, subject: str, *, since: float) -> Tried:
        """The counts of a window that began after `since`."""
        ...

    async def hold(self, subject: str, *, since: float, now: float) -> Tried:
        """As `of`, and lock the subject until this transaction ends."""
        ...

    async def count(self, subject: str, *, at: str, since: float, now: float) -> Tried:
        """Count a failure `at` something; a window that began at `since` or before starts over. One statement."""
        ...

    async def clear(self, subject: str) -> None:
        """Clear the counts."""
        ...

    async def forget_before(self, since: float) -> None:
        """Remove windows that began before then."""
        ...


@lru_cache(maxsize=4_096)
def network_of(address: str) -> str:
    """The network that an address is counted for: itself, or the /64 of an IPv6 address; empty if it is unknown."""
    if not address:
        return ""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed), _IPV6_NETWORK_BITS), strict=False).network_address)
    return address
