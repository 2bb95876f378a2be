"""Waiting for what another thread or process does, without guessing how long it takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_SECONDS = 20


def eventually(holds: Callable[[], bool]) -> None:
    """Ask again and again until it holds; fail when it still does not after a long while."""
    deadline = time.monotonic() + _LONGEST_SECONDS
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)
