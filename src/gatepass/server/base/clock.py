"""A clock that tests can set."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """Seconds since 1970-01-01 UTC."""

    def __call__(self) -> float:
        """The time now."""
        ...


system_clock: Clock = time.time
