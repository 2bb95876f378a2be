"""Time by two clocks: the wall clock, which may be set, and a monotonic one.

The age of information is the larger of what both clocks say, so that a wall clock set back does not make it younger.
The monotonic clock also counts while the machine is suspended.
"""

from __future__ import annotations

import time
from math import inf
from typing import NamedTuple

_BOOTTIME: int | None = getattr(time, "CLOCK_BOOTTIME", None)


def running_clock() -> float:
    """Return the seconds that have passed, those in suspension included where the system counts them (Linux)."""
    return time.monotonic() if _BOOTTIME is None else time.clock_gettime(_BOOTTIME)


def wall_clock() -> float:
    """Return the seconds since 1970. The system's function is looked up each time, so that a test may freeze it."""
    return time.time()


class Moment(NamedTuple):
    """A moment, by both clocks.

    Attributes:
        wall: Seconds since 1970.
        run: Seconds of the clock that only runs.
    """

    wall: float
    run: float

    def since(self, earlier: Moment) -> float:
        """The seconds that have passed: the larger of the two."""
        return max(self.wall - earlier.wall, self.run - earlier.run)

    def surely_since(self, earlier: Moment) -> float:
        """The seconds that have surely passed: the smaller of the two."""
        return min(self.wall - earlier.wall, self.run - earlier.run)


LONG_AGO = Moment(-inf, -inf)


class Lifetime(NamedTuple):
    """A validity period.

    Attributes:
        began: Since when.
        seconds: For how long.
    """

    began: Moment
    seconds: float

    def is_over(self, now: Moment) -> bool:
        """Whether it has ended, by either clock."""
        return now.since(self.began) >= self.seconds
