"""One contract, run on every database."""

from __future__ import annotations

import asyncio
import inspect
import threading
from typing import TYPE_CHECKING, TypeVar, cast

import pytest
from tests.support.postgres import binaries
from tests.support.server import SettableClock
from tests.support.sqlite import migrated_sqlite

from gatepass.server.store.postgres import PostgresDatabase
from gatepass.server.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from concurrent.futures import Future
    from pathlib import Path
    from typing import Any

    from tests.support.postgres import Postgres

    from gatepass.server.domain.ports import Database

T = TypeVar("T")


class FromAnyLoop:
    """A database whose connections belong to one event loop, for tests that call it from one after another."""

    def __init__(self, open_database: Callable[[], Coroutine[Any, Any, PostgresDatabase]]) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="postgres-loop")
        self._thread.start()
        try:
            self.database = self._run(open_database()).result()
        except BaseException:
            self._stop()
            raise

    def close(self) -> None:
        """Close the database, and end the loop."""
        self._run(self.database.close()).result()
        self._stop()

    def _stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def __getattr__(self, name: str) -> object:
        """Call the database over there."""
        found = getattr(self.database, name)
        if not inspect.iscoroutinefunction(found):
            return found

        async def call(*given: object, **named: object) -> object:
            return await asyncio.wrap_future(self._run(found(*given, **named)))

        return call


@pytest.fixture
def clock() -> SettableClock:
    """The database's clock."""
    return SettableClock()


@pytest.fixture(params=["sqlite", *(f"postgres{version}" for version in binaries())])
def database(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Generator[Database]:
    """An empty database."""
    if request.param == "sqlite":
        sqlite = SqliteDatabase(migrated_sqlite(tmp_path / "gatepass.db"), clock)
        yield sqlite
        sqlite.close()
        return
    server: Postgres = request.getfixturevalue(request.param)
    url = server.migrated_database()
    opened = FromAnyLoop(lambda: PostgresDatabase.open(url, clock))
    yield cast("Database", opened)
    opened.close()
