"""When to retry after a failure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.verify.clocks import LONG_AGO

if TYPE_CHECKING:
    from gatepass.verify.clocks import Moment

TROUBLE_SECONDS = 60.0
"""For this long, retry at least every 1.5 seconds, and then every 4."""


class Trouble:
    """How long something has been failing, and when to retry: soon at first, a little later after a minute.

    Many readers lose the same server at once, so each waits a random time.

    Attributes:
        times: How often it has failed.
    """

    __slots__ = ("_began", "_failed_at", "_wait", "times")

    def __init__(self) -> None:
        self.times = 0
        self._began: Moment | None = None
        self._failed_at = LONG_AGO
        self._wait = 0.0

    def __bool__(self) -> bool:
        return self._began is not None

    def failed(self, now: Moment, jitter: float, *, at_least: float = 0) -> None:
        """Record a failure; retry after some seconds, and not before the server has asked."""
        if self._began is None:
            self._began, seconds = now, 0.5 * jitter  # it may have ended normally, as all streams do
        elif now.since(self._began) < TROUBLE_SECONDS:
            seconds = 0.25 + 1.25 * jitter
        else:
            seconds = 1.0 + 3.0 * jitter
        self._failed_at, self._wait = now, max(seconds, at_least)
        self.times += 1

    def is_over(self, now: Moment) -> bool:
        """Whether it is time to retry."""
        return now.since(self._failed_at) >= self._wait

    def hurry(self) -> None:
        """Try again at once."""
        self._wait = 0.0

    def ended(self) -> None:
        """Record that it works."""
        self.times = 0
        self._began = None
        self._wait = 0.0
