"""Telling receivers what is queued for them: each by a task of its own, so that one that is slow holds up no other."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import TYPE_CHECKING, TypeVar

import structlog

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

T = TypeVar("T")

log = structlog.get_logger("gatepass")

MOST_RECEIVERS = 16
"""Told by one process at the same time, of one kind."""
OF_ONE_RECEIVER = 8
"""Exchanges with one receiver at the same time: one that does not answer keeps a few of `PublicFetch.MOST_AT_ONCE`."""


class Telling:
    """The tasks, by receiver.

    Args:
        kind: What the receivers are, in one word, for the log.
        tell: Tells the receiver of this id some of what is due, and returns whether there was anything.
    """

    def __init__(self, kind: str, tell: Callable[[str], Awaitable[bool]]) -> None:
        self._kind = kind
        self._tell = tell
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._latest = ""
        self._is_full = self._is_closed = False

    def begin(self, receivers: Iterable[str]) -> None:
        """Begin with those that this process does not tell just now; if there is no room for all, they take turns."""
        waiting = sorted(set(receivers).difference(self._tasks), key=lambda each: (each <= self._latest, each))
        room = 0 if self._is_closed else MOST_RECEIVERS - len(self._tasks)
        self._is_full = len(waiting) > room
        for receiver in waiting[:room]:
            self._latest = receiver
            task = self._tasks[receiver] = asyncio.create_task(self._tell_all(receiver))
            task.add_done_callback(partial(self._end, receiver))

    def close(self) -> None:
        """Stop: what was claimed and not noted is told again by the next process that finds it due."""
        self._is_closed = True
        for task in self._tasks.values():
            task.cancel()

    async def _tell_all(self, receiver: str) -> None:
        """Until nothing is due, or another waits for its turn."""
        while await self._tell(receiver) and not self._is_full:
            pass

    def _end(self, receiver: str, task: asyncio.Task[None]) -> None:
        del self._tasks[receiver]
        if not task.cancelled() and (error := task.exception()) is not None:
            log.warning("a receiver was put off", kind=self._kind, id=receiver, reason=type(error).__name__)


async def few_at_a_time(exchanges: Iterable[Awaitable[T]]) -> list[T | BaseException]:
    """Await what goes to one receiver, a few at a time; a failure of one is its result, and ends no other."""
    turns = asyncio.Semaphore(OF_ONE_RECEIVER)

    async def in_turn(exchange: Awaitable[T]) -> T:
        async with turns:
            return await exchange

    return await asyncio.gather(*map(in_turn, exchanges), return_exceptions=True)
