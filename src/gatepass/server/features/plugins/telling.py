"""Telling a plugin each event, in order and at least once: by any node, but one at a time.

An event that a plugin fails at is told again, with growing pauses, and what follows waits, for the plugin is promised
an order. Other plugins have positions of their own, and wait for nothing.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import structlog

from gatepass.server.domain.hooks.failure import type_and_place
from gatepass.server.domain.webhooks.delivery import hand_over_news

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.events.event import Event
    from gatepass.server.domain.events.feed import EventListener, EventReader
    from gatepass.server.domain.ports import Database, Transaction

log = structlog.get_logger("gatepass")

EVENT_SECONDS = 10.0
"""How long a plugin may take for one event."""
READER_PAUSES = (1.0, 5.0, 30.0, 300.0, 1_800.0)
"""Seconds before each further try; the last for as long as it fails."""
_CLAIM_SECONDS = 60.0
"""How long one node has a plugin; it tells no event that might outlast it."""
_AT_ONCE = 100


class PluginTelling:
    """Tells one plugin."""

    def __init__(self, database: Database, listener: EventListener) -> None:
        self._database = database
        self._listener = listener

    async def register(self) -> None:
        """Make it known that there is such a plugin: events are kept for it from now on."""

        async def unit(tx: Transaction) -> None:
            await tx.event_feed.register(self._listener.name, tx.now)

        await self._database.transaction(unit)

    async def tell_due(self) -> None:
        """Tell it what is new, until there is nothing or it fails."""
        await hand_over_news(self._database)
        name = self._listener.name

        async def look(tx: Transaction) -> bool:
            return await tx.event_feed.is_waiting(name, tx.now)

        async def claim(tx: Transaction) -> tuple[EventReader, Sequence[tuple[int, Event]]] | None:
            reader = await tx.event_feed.claim(name, now=tx.now, until=tx.now + _CLAIM_SECONDS)
            return None if reader is None else (reader, await tx.event_feed.after(reader.position, _AT_ONCE))

        # Most of the time there is nothing, and checking costs no write.
        while await self._database.read(look):
            claimed = await self._database.transaction(claim)
            if claimed is None:
                return
            await self._tell(*claimed)

    async def _tell(self, reader: EventReader, events: Sequence[tuple[int, Event]]) -> None:
        position, error, began = reader.position, "", time.monotonic()
        for number, event in events:
            if time.monotonic() - began > _CLAIM_SECONDS - EVENT_SECONDS:
                break
            if error := await self._failure(event):
                log.warning("a plugin failed at an event", plugin=reader.name, id=event.id, reason=error)
                break
            position = number
        # Another event than the one that it failed at before begins with the shortest pause.
        tries = 0 if not error else 1 + (reader.tries if position == reader.position else 0)

        async def unit(tx: Transaction) -> None:
            pause = READER_PAUSES[min(tries, len(READER_PAUSES)) - 1] if tries else 0.0
            await tx.event_feed.move(reader.name, position, due_at=tx.now + pause, tries=tries, error=error)

        await self._database.transaction(unit)

    async def _failure(self, event: Event) -> str:
        """Tell it one event, and return what it raised, as far as a log should tell."""
        try:
            async with asyncio.timeout(EVENT_SECONDS):
                await self._listener.tell(event)
        except asyncio.CancelledError:
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise  # the server stops
            return "CancelledError"
        except Exception as error:  # noqa: BLE001 - a plugin may raise anything
            return type_and_place(error)
        return ""
