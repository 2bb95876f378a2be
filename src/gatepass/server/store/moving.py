"""Moving all data from SQLite to PostgreSQL in one transaction, with the rows of every table counted."""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
# (apsw's stubs name a type that Python 3.11 does not have)
from __future__ import annotations

from typing import TYPE_CHECKING, Any

import apsw

from gatepass.server.base.clock import system_clock
from gatepass.server.base.errors import StartupError
from gatepass.server.store.postgres import PostgresDatabase
from gatepass.server.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_ROWS_AT_ONCE = 5_000
_NOT_MOVED = ("migrations", "store_line")
"""Tables about the database itself, which are not copied."""


async def move(source: Path, target: str) -> dict[str, int]:
    """Copy every row, and return the number of rows of each table. The source stays unchanged.

    The source is locked against writes meanwhile.

    Raises:
        StartupError: when either cannot be used, the target is not empty, or a count differs: then nothing was written.
    """
    if not source.exists():  # noqa: ASYNC240 - a command runs nothing else
        raise StartupError(f"There is no database {source}.", "Name the database: --from sqlite:///path/to/gatepass.db")
    SqliteDatabase(source, system_clock).close()  # migrates its tables
    postgres = await PostgresDatabase.open(target, connections=1)
    reading = apsw.Connection(str(source))
    try:
        reading.execute("BEGIN IMMEDIATE")
        async with postgres.connection() as connection, connection.raw.transaction(isolation="read_committed"):
            return await _copy(reading, connection.raw)
    finally:
        reading.close()
        await postgres.close()


async def _copy(reading: apsw.Connection, writing: Any) -> dict[str, int]:  # noqa: ANN401 - asyncpg's connection
    tables = list(_tables(reading))
    for table in tables:
        if await writing.fetchval(f"SELECT EXISTS (SELECT 1 FROM {table})"):
            raise StartupError(
                f"The target database is not empty: it has rows in {table}.", "Create a new database: CREATE DATABASE …"
            )
    counts: dict[str, int] = {}
    for table in tables:
        columns = [name for _, name, *_ in reading.execute(f"PRAGMA table_info({table})")]
        rows = reading.execute(f"SELECT {', '.join(columns)} FROM {table}")
        while batch := [row for _, row in zip(range(_ROWS_AT_ONCE), rows, strict=False)]:
            await writing.copy_records_to_table(table, records=batch, columns=columns)
        counts[table] = await writing.fetchval(f"SELECT COUNT(*) FROM {table}")
        expected = reading.execute(f"SELECT COUNT(*) FROM {table}").get
        if counts[table] != expected:
            raise StartupError(
                f"Of {table} {counts[table]} rows arrived, and there are {expected}.", "Nothing was written; try again."
            )
    return counts


def _tables(connection: apsw.Connection) -> Iterator[str]:
    """Every table, after those it refers to."""
    names = [str(row[0]) for row in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
    left = {
        name: {str(row[2]) for row in connection.execute(f"PRAGMA foreign_key_list({name})")}
        for name in sorted(names)
        if name not in _NOT_MOVED and not name.startswith("sqlite_")
    }
    while left:
        ready = [name for name, others in left.items() if not (others - {name}) & left.keys()]
        yield from ready
        for name in ready:
            del left[name]
