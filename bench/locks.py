"""What the locks on PostgreSQL let through: ends of sessions a second of many people at once, PostgreSQL on one core.

*At a distance*: each unit takes the round trips of an end of a session to a database 0.3 ms away, and revokes an index.
*The lock alone*: a unit that only revokes, so that nothing but what all units have to wait for takes time: the locks,
the row that counts revocations, NOTIFY and the commit. Both under the lock of the whole database and under that of the
person, and with a disk that is synced and without.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.support.postgres import binaries, postgres

from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.store.postgres import PostgresDatabase

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Transaction

SECONDS: Final = 5.0
CONNECTIONS: Final = 16
ROUND_TRIPS: Final = 10
DISTANCE: Final = 0.000_3
SIZE: Final = 1_000_000


async def units_per_second(database: PostgresDatabase, *, whole: bool, is_far: bool) -> float:
    """How many units are committed, by as many workers as there are connections."""
    numbers = itertools.count()
    end = time.perf_counter() + SECONDS
    number = 0

    async def revoke(tx: Transaction) -> None:
        if is_far:
            await asyncio.sleep(ROUND_TRIPS * DISTANCE)
        await tx.revocations.revoke_indexes([StatusIndex(1, number % SIZE)], time.time())

    async def work() -> int:
        nonlocal number
        count = 0
        while time.perf_counter() < end:
            number = next(numbers)
            await database.transaction(revoke, about="" if whole else f"usr_{number}")
            count += 1
        return count

    began = time.perf_counter()
    done = await asyncio.gather(*(work() for _ in range(CONNECTIONS)))
    return sum(done) / (time.perf_counter() - began)


async def measure(url: str) -> None:
    """Print a line for each."""
    database = await PostgresDatabase.open(url, connections=CONNECTIONS)
    try:
        await database.transaction(lambda tx: tx.revocations.open_epoch())
        for what, is_far in (("at a distance of 0.3 ms", True), ("the lock alone", False)):
            whole, about = (
                await units_per_second(database, whole=True, is_far=is_far),
                await units_per_second(database, whole=False, is_far=is_far),
            )
            print(f"  {what:28} {whole:8,.0f} {about:8,.0f} {about / whole:6.1f}")
    finally:
        await database.close()


def main() -> None:
    """Measure with a disk that is synced, and without."""
    os.sched_setaffinity(0, {1})
    print(f"{'units a second':30} {'whole':>8} {'person':>8}  times")
    for is_durable in (False, True):
        print("every commit is synced" if is_durable else "commits are not synced")
        with postgres(binaries()["18"], durable=is_durable, core=0) as server:
            asyncio.run(measure(server.url()))


if __name__ == "__main__":
    main()
