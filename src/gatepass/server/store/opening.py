"""Opening the database that the settings name."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from gatepass.server.base.clock import system_clock
from gatepass.server.base.errors import no_data
from gatepass.server.domain.keys.data_key import unlock
from gatepass.server.domain.keys.master_key import read_master_keys
from gatepass.server.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from pathlib import Path

    from gatepass.server.base.clock import Clock
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.ports import Database, Transaction


@asynccontextmanager
async def open_database(
    settings: Settings, clock: Clock | None = None, *, must_exist: bool = False
) -> AsyncGenerator[Database]:
    """Open it until the block ends.

    Args:
        settings: the settings.
        clock: another time than the database's, for tests.
        must_exist: refuse, and make nothing, where there is no data yet.

    Raises:
        StartupError: when it cannot be used.
    """
    if not settings.is_on_postgres:
        if must_exist:
            _check_not_empty(settings.sqlite_path)
        sqlite = SqliteDatabase(settings.sqlite_path, clock or system_clock)
        try:
            yield sqlite
        finally:
            sqlite.close()
        return
    from gatepass.server.store.postgres import PostgresDatabase  # noqa: PLC0415 - SQLite does without its memory

    postgres = await PostgresDatabase.open(
        settings.database,
        clock,
        connections=settings.database_connections,
        rest_seconds=settings.failover_rest_seconds,
        must_exist=must_exist,
    )
    try:
        yield postgres
    finally:
        await postgres.close()


@asynccontextmanager
async def open_store(
    settings: Settings, clock: Clock | None = None, *, must_exist: bool = False
) -> AsyncGenerator[tuple[Database, DataKey]]:
    """Open the database and its data key, as the server and the command line both do. Raises as `open_database`.

    With `must_exist` nothing is made where there is no data yet.
    """
    masters = read_master_keys(settings.master_key, settings.master_key_path)
    async with open_database(settings, clock, must_exist=must_exist) as database:
        data_key = await unlock(database, masters, settings.master_key_path)
        await open_first_epoch(database)
        yield database, data_key


async def open_first_epoch(database: Database) -> None:
    """Start the first epoch of revocation events in a new database."""

    async def unit(tx: Transaction) -> None:
        if not (await tx.revocations.head()).epoch:
            await tx.revocations.open_epoch()

    await database.transaction(unit)


def _check_not_empty(path: Path) -> None:
    try:
        is_empty = path.is_file() and path.stat().st_size == 0
    except OSError:
        return  # opening it reports why
    if is_empty:
        raise no_data(f"{path} is empty")
    if not path.exists():
        raise no_data(f"{path} does not exist")
