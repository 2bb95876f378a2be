"""Processor time as a multiple of a fixed piece of work, so that a slow or busy machine fails no test."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

ROUNDS = 3


def cost_of(work: Callable[[], object]) -> float:
    """How much this thread works for it, in yardsticks (some 10 ms on a fast core); the least of three rounds."""
    return min(_seconds(work) / _seconds(_yardstick) for _ in range(ROUNDS))


def _seconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return time.thread_time() - began


def _yardstick() -> int:
    return sum(number % 7 for number in range(150_000))
