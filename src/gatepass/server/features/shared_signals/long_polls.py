"""Receivers that wait for something to be told: one for each stream, woken when the store has something for it."""

from __future__ import annotations

import asyncio
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Generator

    from gatepass.server.domain.ports import Database, Transaction


class LongPolls:
    """Those who wait at this process. A second one at the same stream takes the place of the first."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._waiting: dict[tuple[str, str], asyncio.Event] = {}
        self._is_closed = False

    @contextmanager
    def listening(self, client_id: str, stream_id: str) -> Generator[asyncio.Event]:
        """Set the event when there may be something. Look after this, not before, so that nothing comes in between.

        Whether the stream is the client's, the look says: who names another's waits for nothing, and wakes nobody.
        """
        place = client_id, stream_id
        self._wake(place)
        event = self._waiting[place] = asyncio.Event()
        if self._is_closed:
            event.set()
        try:
            yield event
        finally:
            if self._waiting.get(place) is event:
                del self._waiting[place]

    async def catch_up(self) -> None:
        """Wake those for whom there is something: one look for all of them, and none while nobody waits."""
        if not self._waiting:
            return
        stream_ids = sorted({stream_id for _, stream_id in self._waiting})

        async def unit(tx: Transaction) -> list[str]:
            return await tx.signals.with_something(stream_ids)

        woken = set(await self._database.read(unit))
        for place in list(self._waiting):
            if place[1] in woken:
                self._wake(place)

    def close(self) -> None:
        """Let all go, and nobody wait again: the server is about to stop."""
        self._is_closed = True
        for place in list(self._waiting):
            self._wake(place)

    def _wake(self, place: tuple[str, str]) -> None:
        event = self._waiting.get(place)
        if event is not None:
            event.set()
