"""What a server has recorded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from gatepass.server.store.opening import open_store

if TYPE_CHECKING:
    from tests.support.server import RunningServer

    from gatepass.server.domain.events.event import Event
    from gatepass.server.domain.ports import Transaction


def all_events(server: RunningServer) -> list[Event]:
    """Every event, in order."""

    async def unit(tx: Transaction) -> list[Event]:
        return list(await tx.events.after("", limit=100_000))

    async def read() -> list[Event]:
        async with open_store(server.settings) as (database, _):
            return await database.read(unit)

    return asyncio.run(read())
