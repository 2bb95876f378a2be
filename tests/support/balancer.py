"""A load balancer of a hundred lines: it spreads connections over the nodes that say that they are ready."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import httpx

if TYPE_CHECKING:
    from collections.abc import Sequence

_ASK_SECONDS = 0.1


class Balancer:
    """Runs in a thread; `url` is where it listens. A node that is not ready, or not there, gets no new connection."""

    def __init__(self, nodes: Sequence[str] = ()) -> None:
        self.nodes = list(nodes)
        self.ready: list[str] = []
        self.url = ""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, name="balancer")
        self._started = threading.Event()
        self._stop = asyncio.Event()
        self._turn = 0
        self._open: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        """Start."""
        self._thread.start()
        self._started.wait()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def cut(self) -> None:
        """Break every connection that is open just now."""
        self._loop.call_soon_threadsafe(self._abort)

    def _abort(self) -> None:
        for writer in self._open:
            writer.transport.abort()

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0)
        self.url = f"http://localhost:{server.sockets[0].getsockname()[1]}"
        self._started.set()
        asking = asyncio.create_task(self._ask())
        await self._stop.wait()
        asking.cancel()
        server.close()
        self._abort()
        with suppress(asyncio.CancelledError):
            await asking
        pending = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)

    async def _ask(self) -> None:
        async with httpx.AsyncClient(timeout=1) as client:
            while True:
                self.ready = [node for node in self.nodes if await self._is_ready(client, node)]
                await asyncio.sleep(_ASK_SECONDS)

    async def _is_ready(self, client: httpx.AsyncClient, node: str) -> bool:
        try:
            return (await client.get(f"{node}/ready")).status_code == 200
        except httpx.TransportError:
            return False

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            found = await self._next_node()
            if found is not None:
                await asyncio.gather(_copy(reader, found[1]), _copy(found[0], writer))
        except OSError:
            pass
        finally:
            self._open.discard(writer)
            writer.transport.abort()

    async def _next_node(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        """Connect to the node whose turn it is; to any at all when none says that it is ready: its 503 is an answer."""
        candidates = self.ready or self.nodes
        for _ in candidates:
            self._turn += 1
            parts = urlsplit(candidates[self._turn % len(candidates)])
            with suppress(OSError):
                return await asyncio.open_connection("localhost", parts.port)
        return None


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65_536):
            writer.write(data)
            await writer.drain()
    finally:
        writer.close()
