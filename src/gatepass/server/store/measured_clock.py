"""The database's clock, computed from this node's steady clock and a measured offset."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatepass.server.base.clock import Clock

LARGEST_DRIFT = 5.0
"""If a node's offset was wrong by more seconds than this, it is not ready until it has been right for a while."""
FRESH_SECONDS = 15.0
"""How long a measurement is good for."""
_SLACK = 0.05
"""How fast a measurement must be to replace another: a slow answer says little about the time at its end."""


def steady_clock() -> float:
    """A monotonic clock that also counts the time while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME) if hasattr(time, "CLOCK_BOOTTIME") else time.monotonic()


class MeasuredClock:
    """`gatepass.server.base.clock.Clock` that follows the database's. Without a measurement it cannot be read.

    Args:
        local: any clock that runs evenly; where it begins does not matter.
    """

    def __init__(self, local: Clock = steady_clock) -> None:
        self.local = local
        self._offset: float | None = None
        self._uncertainty = 0.0
        self._measured_at = float("-inf")
        self._drifted_at = float("-inf")
        self.drift = 0.0
        """By how many seconds the offset was wrong at the last measurement."""

    def __call__(self) -> float:
        """The time at the database, in seconds since 1970."""
        assert self._offset is not None, "the clock is measured when the database is opened"
        return self.local() + self._offset

    def observe(self, sent_at: float, database_time: float, received_at: float) -> None:
        """Take a measurement: the database's clock was read midway between two moments of the local clock."""
        offset, uncertainty = database_time - (sent_at + received_at) / 2, (received_at - sent_at) / 2
        if self._offset is not None:
            self.drift = abs(offset - self._offset)
            if self.drift - uncertainty > LARGEST_DRIFT:
                self._drifted_at = received_at
        age = received_at - self._measured_at
        is_better = uncertainty <= self._uncertainty + _SLACK or age > FRESH_SECONDS
        if self._offset is None or is_better or self.drift > uncertainty + self._uncertainty:
            self._offset, self._uncertainty, self._measured_at = offset, uncertainty, received_at

    @property
    def is_right(self) -> bool:
        """Whether the offset was measured recently, and was not far off."""
        now = self.local()
        return abs(now - self._measured_at) <= FRESH_SECONDS and abs(now - self._drifted_at) > FRESH_SECONDS
