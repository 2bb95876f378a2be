"""Time by two clocks: the wall clock, which may be set at any moment, and one that only ever runs.

What was true a while ago is worth less the older it is, and a clock that was set back must not make it young again. So
an age is the larger of what the two clocks say. The one that runs counts while the machine is suspended, too.
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
        """Return the seconds that have passed: the larger of two answers."""
        return max(self.wall - earlier.wall, self.run - earlier.run)

    def surely_since(self, earlier: Moment) -> float:
        """Return the seconds that have passed by both clocks: the smaller of two answers."""
        return min(self.wall - earlier.wall, self.run - earlier.run)


LONG_AGO = Moment(-inf, -inf)


class Lifetime(NamedTuple):
    """How long something is good.

    Attributes:
        began: Since when.
        seconds: For how long.
    """

    began: Moment
    seconds: float

    def is_over(self, now: Moment) -> bool:
        """Tell whether it has ended, by either clock."""
        return now.since(self.began) >= self.seconds
