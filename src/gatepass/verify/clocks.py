"""Time by two clocks: the wall clock, which may be set at any moment, and one that only ever runs.

What was true a while ago is worth less the older it is, and a clock that was set back must not make it young again. So
an age is the larger of what the two clocks say. The one that runs counts while the machine is suspended, too.
"""

from __future__ import annotations

import time
from math import inf
from typing import NamedTuple

from gatepass.tokens.access_token import MAX_CLOCK_LEAD

TROUBLE_SECONDS = 60.0
"""For so long we look again at least every 1.5 seconds, and then every 4."""


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


class Proof(NamedTuple):
    """That we knew everything that had happened by a time.

    Attributes:
        as_of: That time, in seconds since 1970, by the issuer's clock.
        run: What our running clock showed then, at the earliest.
    """

    as_of: float
    run: float

    def age(self, now: Moment) -> float:
        """Return the seconds since: the larger of two answers. A proof that lies in the future is none."""
        if self.as_of > now.wall + MAX_CLOCK_LEAD:
            return inf
        return max(now.wall - self.as_of, now.run - self.run)


NO_PROOF = Proof(-inf, -inf)


def younger(one: Proof, other: Proof, now: Moment) -> Proof:
    """Return the proof that is worth more; an older one never takes a younger one's place."""
    return other if other.age(now) < one.age(now) else one


class Trouble:
    """How long something has failed, and when to try again: soon at first, a little later after a minute.

    Readers are many, and all lose the same server at once; so each waits a random while.
    """

    __slots__ = ("_began", "_failed_at", "_wait")

    def __init__(self) -> None:
        self._began: Moment | None = None
        self._failed_at = LONG_AGO
        self._wait = 0.0

    def __bool__(self) -> bool:
        return self._began is not None

    def failed(self, now: Moment, jitter: float, *, at_least: float = 0) -> None:
        """Keep that it failed; try again after some seconds, and not before the other side has asked for it."""
        if self._began is None:
            self._began, seconds = now, 0.5 * jitter  # perhaps it has only ended, as all streams do in time
        elif now.since(self._began) < TROUBLE_SECONDS:
            seconds = 0.25 + 1.25 * jitter
        else:
            seconds = 1.0 + 3.0 * jitter
        self._failed_at, self._wait = now, max(seconds, at_least)

    def is_over(self, now: Moment) -> bool:
        """Tell whether it is time to try again."""
        return now.since(self._failed_at) >= self._wait

    def hurry(self) -> None:
        """Try again at once."""
        self._wait = 0.0

    def ended(self) -> None:
        """Keep that it works."""
        self._began = None
        self._wait = 0.0
