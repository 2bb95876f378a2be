"""Two ways to wait, for flows that wait for nobody: they yield a future and how long to wait for it at most."""

from __future__ import annotations

import asyncio
from concurrent import futures
from contextlib import suppress
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Generator

    Wait: TypeAlias = tuple[futures.Future[Any], float]
    """What to wait for, and for how many seconds at most."""

T = TypeVar("T")


def wait(flow: Generator[Wait, None, T]) -> T:
    """Run a flow in a thread, which blocks while it waits."""
    try:
        while True:
            flight, seconds = next(flow)
            futures.wait((flight,), seconds)
    except StopIteration as stop:
        return cast("T", stop.value)


async def await_(flow: Generator[Wait, None, T]) -> T:
    """Run a flow in an event loop, which goes on turning while it waits."""
    try:
        while True:
            flight, seconds = next(flow)
            wrapped = asyncio.wrap_future(flight)
            wrapped.add_done_callback(_read)  # its error is the flow's to raise
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await asyncio.wait((wrapped,))
    except StopIteration as stop:
        return cast("T", stop.value)


def _read(done: asyncio.Future[Any]) -> None:
    """Keep asyncio from logging an error that nobody has looked at."""
    if not done.cancelled():
        done.exception()
