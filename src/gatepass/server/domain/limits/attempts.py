"""Failed attempts, counted by account and by address; after a number of them each costs a longer pause."""

from __future__ import annotations

import ipaddress
from typing import Protocol

import msgspec

_IPV6_NETWORK_BITS = 64
"""What one customer is given at least: within it an address is changed for nothing."""


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """What has been counted since the window began.

    `changes` is how often an attempt was at something else than the one before: many accounts, each tried once or
    twice from one address, are somebody else's list of passwords. `last_at` in seconds since 1970.
    """

    failures: int
    changes: int
    last_at: float


NEVER = Tried(failures=0, changes=0, last_at=0)


class Limit(msgspec.Struct, frozen=True, kw_only=True):
    """How many failures are free within a window, and the pauses after that: each twice the one before (seconds)."""

    free: int
    window: float
    first_pause: float
    longest_pause: float

    def wait(self, tried: Tried, now: float) -> float:
        """How many seconds until the next attempt; 0 when it may be made now."""
        over = tried.failures - self.free
        if over < 0:
            return 0.0
        pause = min(self.longest_pause, self.first_pause * 2.0 ** min(over, 32))
        return max(0.0, tried.last_at + pause - now)


class Attempts(Protocol):
    """Where attempts are counted. A `subject` names an account or an address, as a digest where it is somebody's."""

    async def of(self, subject: str, *, since: float) -> Tried:
        """What is counted of a window that began after `since`."""
        ...

    async def hold(self, subject: str, *, since: float, now: float) -> Tried:
        """As `of`, and whoever else holds or counts this subject waits for the end of this transaction."""
        ...

    async def count(self, subject: str, *, at: str, since: float, now: float) -> Tried:
        """Count a failure, `at` something; a window that began at `since` or before begins anew. One statement."""
        ...

    async def clear(self, subject: str) -> None:
        """Forget what was counted."""
        ...

    async def forget_before(self, since: float) -> None:
        """Drop windows that began before."""
        ...


def network_of(address: str) -> str:
    """What an address is counted under: itself, or the /64 that an IPv6 address lies in; nothing for none."""
    if not address:
        return ""
    parsed = ipaddress.ip_address(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(parsed), _IPV6_NETWORK_BITS), strict=False).network_address)
    return address
