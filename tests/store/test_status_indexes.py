"""Indexes in status lists: each is given out once, in an order that reveals nothing."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import apsw
import pytest
from tests.support.server import NOON, SettableClock

from gatepass.server.domain.revocation.status_indexes import BLOCK, ListKeys, StatusIndexes, permuted
from gatepass.server.store.sqlite import SqliteDatabase
from gatepass.tokens.status_list import SIZE

if TYPE_CHECKING:
    from pathlib import Path

    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.domain.revocation.status_indexes import Block

LISTS = ListKeys(lambda key, _: key, lambda key, _: key)


async def reserve(database: Database, count: int = BLOCK) -> Block:
    """Reserve a block."""

    async def unit(tx: Transaction) -> Block:
        return await tx.status_lists.reserve(count, new_sealed_key=LISTS.new_sealed_key, now=NOON)

    return await database.transaction(unit)


def test_the_permutation_is_one_to_one(effort: int) -> None:
    """Every counter has a place of its own, within the list; all 2^20 of them in `make soak`."""
    counters = range(SIZE if effort > 1 else 40_000)
    places = {permuted(counter, b"k" * 32) for counter in counters}
    assert len(places) == len(counters)
    assert 0 <= min(places) <= max(places) < SIZE


def test_the_order_says_nothing() -> None:
    """Neighbouring counters are not neighbours in the list, and another key gives another order."""
    first = [permuted(counter, b"k" * 32) for counter in range(1_000)]
    second = [permuted(counter, b"l" * 32) for counter in range(1_000)]
    assert sum(abs(one - other) == 1 for one, other in pairwise(first)) < 10
    assert len(set(first) & set(second)) < 20
    assert sum(place > SIZE // 2 for place in first) in range(400, 600)


def test_a_full_list_is_followed_by_the_next(database: Database) -> None:
    """A list gives out 2^20 places at most; then another is opened, and nothing is given out twice."""

    async def run() -> None:
        blocks = [await reserve(database, count) for count in (SIZE - 10, 10, 10)]
        assert [(block.list, block.first) for block in blocks] == [(1, 0), (1, SIZE - 10), (2, 0)]

    asyncio.run(run())


def test_another_epoch_takes_another_list(database: Database) -> None:
    """A store that went back may have forgotten places that it gave out, so none comes from the lists it has."""

    async def new_epoch(tx: Transaction) -> None:
        await tx.revocations.open_epoch()

    async def run() -> None:
        assert [(await reserve(database)).list for _ in range(2)] == [1, 1]
        await database.transaction(new_epoch)
        assert [(await reserve(database)).list for _ in range(2)] == [2, 2]

    asyncio.run(run())


def test_one_process_takes_from_its_block(database: Database) -> None:
    """A thousand sign-ins at once cost a handful of reservations, and each has a place of its own."""
    reservations = 0

    async def counting() -> list[StatusIndex]:
        nonlocal reservations
        reservations += 1
        return LISTS.indexes(await reserve(database))

    async def run() -> None:
        indexes = StatusIndexes(counting)
        places = await asyncio.gather(*(indexes.next() for _ in range(1_000)))
        assert len(set(places)) == 1_000
        assert reservations == -(-1_000 // BLOCK)

    asyncio.run(run())


WRITER = """
import asyncio, json, sys
from gatepass.server.domain.revocation.status_indexes import ListKeys, StatusIndexes
from gatepass.server.base.settings import load
from gatepass.server.store.opening import open_database

lists = ListKeys(lambda key, _: key, lambda key, _: key)

async def main(database):
    async def reserve():
        async def unit(tx):
            return await tx.status_lists.reserve(8, new_sealed_key=lists.new_sealed_key, now=0.0)
        return lists.indexes(await database.transaction(unit))

    async def writer():
        indexes = StatusIndexes(reserve)
        return [await indexes.next() for _ in range(50)]

    return [place for places in await asyncio.gather(*(writer() for _ in range(32))) for place in places]

async def run():
    async with open_database(load(flags={"database": sys.argv[1]})) as database:
        print(json.dumps([[place.list, place.idx] for place in await main(database)]))

asyncio.run(run())
"""


@pytest.mark.parametrize("where", ["sqlite", "postgres18"])
def test_two_processes_with_32_writers_never_share_a_place(
    request: pytest.FixtureRequest, tmp_path: Path, where: str
) -> None:
    """3,200 places from 64 writers in 2 processes on one database: all different."""
    on_sqlite = where == "sqlite"
    url = f"sqlite:///{tmp_path}/gatepass.db" if on_sqlite else request.getfixturevalue(where).new_database()
    command = [sys.executable, "-c", WRITER, url]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    places = [tuple(place) for process in processes for place in json.loads(process.communicate()[0])]
    assert len(places) == len(set(places)) == 2 * 32 * 50


def test_the_database_itself_refuses_a_place_given_twice(tmp_path: Path) -> None:
    """Whatever goes wrong above it, `UNIQUE (list, idx)` keeps two grants from sharing a bit."""
    SqliteDatabase(tmp_path / "gatepass.db", SettableClock()).close()
    connection = apsw.Connection(str(tmp_path / "gatepass.db"))
    add = "INSERT INTO grants VALUES (?1, '', '', '', '', '', x'', 1, 0, 0, 0, '', 1, 7, 0, NULL, '', '', '', '', '')"
    connection.execute(add, (os.urandom(4).hex(),))
    with pytest.raises(apsw.ConstraintError):
        connection.execute(add, (os.urandom(4).hex(),))
    connection.close()
