"""One contract, run on every database."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.server import SettableClock

from gatepass.server.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from gatepass.server.transaction import Database


@pytest.fixture
def clock() -> SettableClock:
    """The database's clock."""
    return SettableClock()


@pytest.fixture(params=["sqlite"])
def database(request: pytest.FixtureRequest, tmp_path: Path, clock: SettableClock) -> Generator[Database]:
    """An empty database."""
    assert request.param == "sqlite"
    opened = SqliteDatabase(tmp_path / "gatepass.db", clock)
    yield opened
    opened.close()
