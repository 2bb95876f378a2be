"""Connections to PostgreSQL, a bounded number of them, each lent to one caller at a time.

asyncpg's own pool resets a connection with a statement each time that it comes back, which would cost as much as what
it was lent for. Ours holds nothing that needs resetting.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

WAIT_SECONDS = 3.0
"""How long a caller waits for a connection while all are lent."""
_PAUSE_SECONDS = 0.5
"""How long everybody is told at once that there is none, after one could not be made."""


class Lent(Protocol):
    """What the pool needs to know of a connection."""

    def is_closed(self) -> bool:
        """Whether it is of no more use."""
        ...

    def terminate(self) -> None:
        """Close it without a word."""
        ...


C = TypeVar("C", bound=Lent)


class NoConnection(Exception):
    """All are lent, or none can be made."""


class Pool(Generic[C]):
    """At most `size` connections, made when they are needed; the one that came back last is lent first."""

    def __init__(
        self,
        make: Callable[[], Awaitable[C]],
        *,
        size: int,
        is_full: Callable[[Exception], bool] = lambda _: False,
    ) -> None:
        self._make = make
        self._free = size
        self._is_full = is_full
        """Whether an error of `make` says that others hold all that there are; then ours go round."""
        self._full_until = 0.0
        self._idle: list[C] = []
        self._lent: set[C] = set()
        self._waiting: deque[asyncio.Future[C | None]] = deque()
        self._none_before = 0.0
        self._is_closed = False

    async def acquire(self) -> C:
        """Borrow a connection, which must be given back.

        Raises:
            NoConnection: when none is free in time, or none could be made a moment ago.
            Exception: what `make` raises.
        """
        until = asyncio.get_running_loop().time() + WAIT_SECONDS
        while True:
            while self._idle:
                connection = self._idle.pop()
                if not connection.is_closed():
                    self._lent.add(connection)
                    return connection
                self._free += 1
            if self._free > 0 and not self._must_share():
                try:
                    return await self._new()
                except Exception as error:
                    if not self._must_share_after(error):
                        raise
                continue  # one may have come back meanwhile
            handed_over = await self._wait(until)
            if handed_over is not None:
                return handed_over

    def give_back(self, connection: C) -> None:
        """Let the next one have it; or its place, when it is closed."""
        self._lent.discard(connection)
        if self._is_closed:
            connection.terminate()
        if connection.is_closed():
            self._free += 1
            self._wake(None)
        elif not self._wake(connection):
            self._idle.append(connection)

    def close(self) -> None:
        """Close every connection, those that are lent too."""
        self._is_closed = True
        for connection in (*self._idle, *self._lent):
            connection.terminate()
        self._idle.clear()

    def _must_share(self) -> bool:
        """Whether a moment ago no more could be had, and there is one that will come back."""
        return bool(self._lent) and asyncio.get_running_loop().time() < self._full_until

    def _must_share_after(self, error: BaseException) -> bool:
        """Whether one could not be made because others hold the rest, and there are some of ours."""
        return isinstance(error, Exception) and self._is_full(error) and bool(self._lent or self._idle)

    async def _wait(self, until: float) -> C | None:
        """Wait for a connection, or for room for one."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[C | None] = loop.create_future()
        self._waiting.append(future)
        timer = loop.call_at(until, _give_up, future)
        try:
            return await future
        except asyncio.CancelledError:
            if future.done() and not future.cancelled() and future.exception() is None:
                self._pass_on(future.result())
            raise
        finally:
            timer.cancel()

    def _pass_on(self, connection: C | None) -> None:
        """What came to somebody who is gone."""
        if connection is not None:
            self.give_back(connection)
        else:
            self._wake(None)

    async def _new(self) -> C:
        loop = asyncio.get_running_loop()
        if loop.time() < self._none_before or self._is_closed:
            self._wake(None)  # they need not wait either
            raise NoConnection("no connection could be made a moment ago")
        self._free -= 1
        try:
            connection = await self._make()
        except BaseException as error:
            self._free += 1
            if self._must_share_after(error):
                self._full_until = loop.time() + _PAUSE_SECONDS
            else:
                self._none_before = loop.time() + _PAUSE_SECONDS
                self._wake(None)
            raise
        self._lent.add(connection)
        return connection

    def _wake(self, connection: C | None) -> bool:
        """Hand it to who has waited longest; whether somebody has."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                if connection is not None:
                    self._lent.add(connection)  # from now on, and not only when its borrower has woken up
                future.set_result(connection)
                return True
        return False


def _give_up(future: asyncio.Future[C | None]) -> None:
    if not future.done():
        future.set_exception(NoConnection("every connection is in use"))
