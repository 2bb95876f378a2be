"""A TCP proxy between any two of ours, that can do what networks do: drop, freeze, reset, refuse."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import Self


class Proxy:
    """Runs in a thread and listens on one port of loopback for as long as the block lasts.

    Attributes:
        port: Where it listens.
        target: The port that new connections are led to; None refuses them.
        connected: How many connections there have been.
    """

    def __init__(self, target: int | None = None) -> None:
        self.port = 0
        self.target = target
        self.connected = 0
        self._holds_new = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="proxy")
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._links: set[_Link] = set()

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://localhost:{self.port}"

    def freeze(self, *, new: bool = False) -> None:
        """Pass nothing on any more over the connections that there are, and end none; with `new`, nor over new ones."""
        self._do(self._freeze, new)

    def thaw(self) -> None:
        """Pass on what was kept back, and everything after it."""
        self._do(self._thaw)

    def reset(self) -> None:
        """Break every connection that there is."""
        self._do(self._reset)

    def _do(self, what: object, *arguments: object) -> None:
        done = threading.Event()

        def work() -> None:
            what(*arguments)  # type: ignore[operator] # a method of ours
            done.set()

        self._loop.call_soon_threadsafe(work)
        done.wait()

    def _freeze(self, new: bool) -> None:  # noqa: FBT001 - handed on by `_do`
        self._holds_new = new
        for link in self._links:
            link.flows.clear()

    def _thaw(self) -> None:
        self._holds_new = False
        for link in self._links:
            link.flows.set()

    def _reset(self) -> None:
        for link in self._links:
            link.abort()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0)
        self.port = server.sockets[0].getsockname()[1]
        self._started.set()
        await self._stop.wait()
        server.close()
        self._reset()
        pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connected += 1
        if self.target is None:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target)
        except OSError:
            writer.transport.abort()
            return
        link = _Link(writer, far_writer)
        if self._holds_new:
            link.flows.clear()
        self._links.add(link)
        try:
            async with asyncio.TaskGroup() as both:
                both.create_task(link.copy(reader, far_writer))
                both.create_task(link.copy(far_reader, writer))
        except* OSError:
            pass
        finally:
            self._links.discard(link)
            link.abort()


class _Link:
    """Two connections, one to each side."""

    def __init__(self, *writers: asyncio.StreamWriter) -> None:
        self.flows = asyncio.Event()
        self.flows.set()
        self._writers = writers

    def abort(self) -> None:
        """Break both."""
        for writer in self._writers:
            writer.transport.abort()

    async def copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Pass on what comes, while it flows."""
        while data := await reader.read(65_536):
            await self.flows.wait()
            writer.write(data)
            await writer.drain()
        await self.flows.wait()
        with suppress(OSError):
            writer.write_eof()
