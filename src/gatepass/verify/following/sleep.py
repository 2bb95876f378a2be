"""Detecting that the process was stopped, suspended or frozen, and so has missed heartbeats."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatepass.verify.clocks import Moment

SLEEP_SECONDS = 4.0
"""Two heartbeats: a process that has not read the clocks for this long has slept."""

AWAKE_SECONDS = 0.5
"""How long the first token after a sleep waits for news from the issuer."""


class Sleep:
    """Detects that the clocks were not read for a while."""

    __slots__ = ("_looked_at", "_slept_at", "_woke_at")

    def __init__(self) -> None:
        self._looked_at: Moment | None = None
        self._woke_at: float | None = None
        self._slept_at = -inf

    def note(self, now: Moment) -> None:
        """Detect a sleep, during which the data has aged.

        A wall clock that keeps jumping does not cause a wait each time.
        """
        before = self._looked_at
        if before is not None and now.since(before) > SLEEP_SECONDS and now.run - self._slept_at > SLEEP_SECONDS:
            self._looked_at, self._woke_at, self._slept_at = now, now.run, now.run

    def is_time_to_look(self, now: Moment, seconds: float) -> bool:
        """Whether the clocks were last read too long ago, or during the wake-up."""
        return self._looked_at is None or self._woke_at is not None or now.since(self._looked_at) >= seconds

    def looked(self, now: Moment) -> bool:
        """Record that we look, and tell whether we are awake: word has come since the last sleep, or was waited for."""
        self._looked_at = now
        if self._woke_at is not None and now.run - self._woke_at >= AWAKE_SECONDS:
            self._woke_at = None
        return self._woke_at is None

    def seconds_to_wait(self, now: Moment) -> float:
        """How long a token waits for news after a sleep; 0 if there was none."""
        return 0.0 if self._woke_at is None else self._woke_at + AWAKE_SECONDS - now.run

    def ended(self) -> None:
        """Record that news has come."""
        self._woke_at = None
