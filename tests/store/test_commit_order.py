"""Ids of revocation events are in commit order, however many write at once: a reader that has seen one misses none."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.server import NOON

from gatepass.server.domain.revocation.status_index import StatusIndex

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatepass.server.domain.ports import Database, Transaction

WRITERS, EACH = 16, 10


def revoking(first: int, count: int) -> Callable[[Transaction], Awaitable[None]]:
    """A unit that writes several entries, and takes its time over it."""

    async def unit(tx: Transaction) -> None:
        for idx in range(first, first + count):
            await tx.revocations.revoke_indexes([StatusIndex(1, idx)], NOON)
            await tx.users.all()

    return unit


def test_a_reader_misses_nothing(database: Database) -> None:
    """Sixteen writers, each about another person, and a reader that goes on from the last id that it has seen.

    It has seen everything, once.
    """

    async def writer(number: int) -> None:
        for turn in range(EACH):
            await database.transaction(revoking(100 * number + 3 * turn, 3), about=f"p{number}")

    async def read_on(seen: list[int]) -> None:
        async def unit(tx: Transaction) -> list[int]:
            head = await tx.revocations.head()
            entries = await tx.revocations.after(seen[-1] if seen else 0, NOON)
            return [entry.id for entry in entries if entry.id <= head.event_id]

        seen.extend(await database.read(unit))

    async def run() -> None:
        async def open_epoch(tx: Transaction) -> None:
            await tx.revocations.open_epoch()

        await database.transaction(open_epoch)
        writing = asyncio.gather(*(writer(number) for number in range(WRITERS)))
        seen: list[int] = []
        while not writing.done():
            await read_on(seen)
            await asyncio.sleep(0)
        await read_on(seen)
        assert seen == list(range(1, 3 * WRITERS * EACH + 1))

    asyncio.run(run())
