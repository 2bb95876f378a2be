"""Receivers that wait for something to be told: one for each stream, woken when the store has something for it."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction


class LongPolls:
    """Those who wait at this process. A second one at the same stream takes the place of the first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[str, asyncio.Event] = {}
        self._is_closed = False

    async def wait(self, stream_id: str, seconds: float) -> None:
        """Wait until there may be something, but no longer."""
        if self._is_closed:
            return
        self._wake(stream_id)
        event = self._waiting[stream_id] = asyncio.Event()
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
        finally:
            if self._waiting.get(stream_id) is event:
                del self._waiting[stream_id]

    async def catch_up(self) -> None:
        """Wake those for whom there is something: one look for all of them, and none while nobody waits."""
        if not self._waiting:
            return
        stream_ids = list(self._waiting)

        async def unit(tx: Transaction) -> list[str]:
            return await tx.signals.with_something(stream_ids)

        for stream_id in await self._database.read(unit):
            self._wake(stream_id)

    def close(self) -> None:
        """Let all go, and nobody wait again: the server is about to stop."""
        self._is_closed = True
        for stream_id in list(self._waiting):
            self._wake(stream_id)

    def _wake(self, stream_id: str) -> None:
        event = self._waiting.get(stream_id)
        if event is not None:
            event.set()
