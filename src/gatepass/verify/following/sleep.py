"""A process that did not run for a while was stopped, suspended or frozen, and has missed heartbeats meanwhile."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatepass.verify.clocks import Moment

SLEEP_SECONDS = 4.0
"""Two heartbeats: a process that has not looked at the clocks for so long has slept."""

AWAKE_SECONDS = 0.5
"""How long the first token after such a sleep waits for word from the issuer."""


class Sleep:
    """Notices that nobody has looked at the clocks for a while."""

    __slots__ = ("_looked_at", "_slept_at", "_woke_at")

    def __init__(self) -> None:
        self._looked_at: Moment | None = None
        self._woke_at: float | None = None
        self._slept_at = -inf

    def note(self, now: Moment) -> None:
        """Notice a sleep: what we know has grown old meanwhile.

        A wall clock that jumps again and again makes nobody wait each time.
        """
        before = self._looked_at
        if before is not None and now.since(before) > SLEEP_SECONDS and now.run - self._slept_at > SLEEP_SECONDS:
            self._looked_at, self._woke_at, self._slept_at = now, now.run, now.run

    def is_time_to_look(self, now: Moment, seconds: float) -> bool:
        """Tell whether the last look at the clocks was so long ago, or while we were waking up."""
        return self._looked_at is None or self._woke_at is not None or now.since(self._looked_at) >= seconds

    def looked(self, now: Moment) -> bool:
        """Record that we look, and tell whether we are awake: word has come since the last sleep, or was waited for."""
        self._looked_at = now
        if self._woke_at is not None and now.run - self._woke_at >= AWAKE_SECONDS:
            self._woke_at = None
        return self._woke_at is None

    def seconds_to_wait(self, now: Moment) -> float:
        """Return how long a token waits for word after a sleep; 0 if there was none."""
        return 0.0 if self._woke_at is None else self._woke_at + AWAKE_SECONDS - now.run

    def ended(self) -> None:
        """Record that word has come."""
        self._woke_at = None
