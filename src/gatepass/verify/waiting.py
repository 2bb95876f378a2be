"""Two drivers for flows that never block: a flow yields a future and how long to wait for it at most."""

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
    """Run a flow in an event loop, without blocking it."""
    try:
        while True:
            flight, seconds = next(flow)
            if not _is_in_asyncio():
                await _await_elsewhere(flight, seconds)
                continue
            wrapped = asyncio.wrap_future(flight)
            wrapped.add_done_callback(_read)  # the flow raises its error
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await asyncio.wait((wrapped,))
    except StopIteration as stop:
        return cast("T", stop.value)


def _is_in_asyncio() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


async def _await_elsewhere(flight: futures.Future[Any], seconds: float) -> None:
    """Wait under trio, in a separate thread."""
    import anyio.to_thread  # noqa: PLC0415 - installed wherever a framework runs under trio

    await anyio.to_thread.run_sync(futures.wait, (flight,), seconds, abandon_on_cancel=True)


def _read(done: asyncio.Future[Any]) -> None:
    """Keep asyncio from logging an unretrieved error."""
    if not done.cancelled():
        done.exception()
