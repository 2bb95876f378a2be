"""Waiting for what another thread or process does, without guessing how long it takes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

_LONGEST_SECONDS = 20
_SOON_SECONDS = 4
"""Sooner than anything that is only looked for from time to time; bench/ and the chaos tests measure how soon."""


def soon(holds: Callable[[], bool]) -> None:
    """Expect it of what is told at once, though the machine be busy: what is promised within a second."""
    eventually(holds, seconds=_SOON_SECONDS)


def eventually(holds: Callable[[], bool], *, seconds: float = _LONGEST_SECONDS) -> None:
    """Ask again and again until it holds; fail when it still does not after a long while."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)
