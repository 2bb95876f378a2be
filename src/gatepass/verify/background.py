"""An event loop in its own thread, for requests that are sent repeatedly over the same connections."""

from __future__ import annotations

import asyncio
import os
import threading
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from concurrent.futures import Future

T = TypeVar("T")


class Background:
    """Runs coroutines. The thread begins with the first, and anew in a process that forked."""

    def __init__(self, name: str, cleanup: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Prepare, without starting the thread.

        Args:
            name: The thread's.
            cleanup: What to do in it at the end.
        """
        self._name = name
        self._cleanup = cleanup
        self._lock = threading.Lock()
        self._process = 0
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None

    def submit(self, coroutine: Coroutine[Any, Any, T]) -> Future[T]:
        """Run a coroutine.

        Raises:
            RuntimeError: No thread can be started.
        """
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._running())
        except RuntimeError:
            coroutine.close()
            raise

    def _running(self) -> asyncio.AbstractEventLoop:
        if self._process != os.getpid():  # the lock's holder is in the parent process
            self._process, self._lock, self._loop = os.getpid(), threading.Lock(), None
        with self._lock:
            if self._loop is None:
                loop = asyncio.new_event_loop()
                thread = threading.Thread(target=_run, args=(loop, self._cleanup), name=self._name, daemon=True)
                thread.start()
                self._loop, self._thread = loop, thread
            return self._loop

    def close(self, seconds: float) -> None:
        """Stop the thread and wait for it; the next coroutine starts another."""
        with self._lock:
            loop, thread, self._loop = self._loop, self._thread, None
        if loop is not None and thread is not None and self._process == os.getpid():
            loop.call_soon_threadsafe(loop.stop)
            thread.join(seconds)


def _run(loop: asyncio.AbstractEventLoop, cleanup: Callable[[], Coroutine[Any, Any, None]]) -> None:
    async def end() -> None:
        for task in asyncio.all_tasks() - {asyncio.current_task()}:
            task.cancel()
        await asyncio.sleep(0)  # they end
        await cleanup()

    try:
        loop.run_forever()
        loop.run_until_complete(end())
    finally:
        loop.close()
