"""The real SQL on the real SQLite, and the figures at the end of the run."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.refresh.servers import PostgresServer, SqliteServer

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.support.postgres import Postgres


@pytest.fixture
def sqlite(tmp_path: Path) -> Generator[SqliteServer]:
    """An empty database that two writers share."""
    with asyncio.Runner() as runner:
        server = SqliteServer(tmp_path, runner)
        yield server
        server.close()


@pytest.fixture
def two_nodes(postgres18: Postgres) -> Generator[PostgresServer]:
    """An empty PostgreSQL under two nodes whose clocks are far off."""
    with asyncio.Runner() as runner:
        server = PostgresServer(postgres18, runner)
        yield server
        server.close()


@pytest.fixture(params=["sqlite", "two_nodes"])
def store(request: pytest.FixtureRequest) -> SqliteServer:
    """Either of them."""
    server: SqliteServer = request.getfixturevalue(request.param)
    return server


@pytest.fixture
def report(record_property: Callable[[str, object], None]) -> Callable[[str], None]:
    """Show a line when all tests have run."""
    return lambda figures: record_property("figures", figures)
