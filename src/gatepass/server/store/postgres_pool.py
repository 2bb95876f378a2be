"""A bounded pool of connections to PostgreSQL, each lent to one caller at a time.

asyncpg's own pool resets a connection by a statement each time it is returned, which would cost as much as its use. Our
connections hold nothing that needs resetting.
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
"""How long callers are refused immediately after a connection could not be made."""


class Lent(Protocol):
    """What the pool needs of a connection."""

    def is_closed(self) -> bool:
        """Whether it can no longer be used."""
        ...

    def terminate(self) -> None:
        """Close it abruptly."""
        ...


C = TypeVar("C", bound=Lent)


class NoConnection(Exception):
    """All connections are lent, or none can be made."""


class Pool(Generic[C]):
    """At most `size` connections, made when needed; the last one returned is lent first."""

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
        """Whether an error of `make` means that the database has no more connections; then ours are shared."""
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
                continue  # one may have been returned meanwhile
            handed_over = await self._wait(until)
            if handed_over is not None:
                return handed_over

    def give_back(self, connection: C) -> None:
        """Give it to the next caller, or its slot if it is closed."""
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
        """Whether no more connections could be made a moment ago, and one of ours will be returned."""
        return bool(self._lent) and asyncio.get_running_loop().time() < self._full_until

    def _must_share_after(self, error: BaseException) -> bool:
        """Whether a connection could not be made because others hold them, and we have some."""
        return isinstance(error, Exception) and self._is_full(error) and bool(self._lent or self._idle)

    async def _wait(self, until: float) -> C | None:
        """Wait for a connection, or for a slot for one."""
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
        """Pass on what was given to a cancelled caller."""
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
        """Give it to the longest waiting caller; return whether there was one."""
        while self._waiting:
            future = self._waiting.popleft()
            if not future.done():
                if connection is not None:
                    self._lent.add(connection)  # from now on, and not only when the borrower resumes
                future.set_result(connection)
                return True
        return False


def _give_up(future: asyncio.Future[C | None]) -> None:
    if not future.done():
        future.set_exception(NoConnection("every connection is in use"))
