"""When to try again what has failed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.verify.clocks import LONG_AGO

if TYPE_CHECKING:
    from gatepass.verify.clocks import Moment

TROUBLE_SECONDS = 60.0
"""For so long we try again at least every 1.5 seconds, and then every 4."""


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
        """Record that it failed; try again after some seconds, and not before the other side has asked for it."""
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
        """Record that it works."""
        self._began = None
        self._wait = 0.0
