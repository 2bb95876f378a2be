"""A clock that stands still until a test moves it."""

from __future__ import annotations

import time


class Clock:
    """A clock in place of `time.time`.

    Attributes:
        now: What it shows, in seconds since 1970; at first the real time, in whole seconds.
    """

    def __init__(self, now: float | None = None) -> None:
        """Start at a time, or at the current one."""
        self.now = float(int(time.time())) if now is None else now

    def __call__(self) -> float:
        """The clock's time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds

    def __repr__(self) -> str:
        return f"Clock({self.now})"
