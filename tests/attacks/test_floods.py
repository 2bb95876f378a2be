"""Floods: one caller, or many at once, ask for more than the server should hold for them."""

from __future__ import annotations

import asyncio
import threading
from typing import TYPE_CHECKING

import pytest
from tests.support.server import SettableClock

from gatepass.server.base.errors import Unavailable
from gatepass.server.domain.sessions.session import MOST_SHOWN
from gatepass.server.store import sqlite
from gatepass.server.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from pathlib import Path

    import httpx

    from gatepass.server.domain.ports import Transaction


def test_a_person_with_many_sessions_is_shown_the_last_ones(
    api: httpx.Client, ann: dict[str, str], clock: SettableClock
) -> None:
    """A program that signs in again and again makes `GET /sessions` no longer than 100, the most recently used."""
    first = last = api.post("/login", json=ann).json()
    for _ in range(MOST_SHOWN):
        clock.advance(1)
        last = api.post("/login", json=ann).json()
    bearer = {"authorization": f"Bearer {last['token']}"}
    shown = api.get("/sessions", headers=bearer).json()["sessions"]
    assert len(shown) == MOST_SHOWN
    assert shown[0]["current"] is True
    assert shown[-1]["auth_time"] == shown[0]["auth_time"] - MOST_SHOWN + 1
    assert api.post("/refresh", json={"refresh_token": first["refresh_token"]}).status_code == 200


async def _nothing(_: Transaction) -> str:
    return "done"


def test_a_writer_that_stands_still_does_not_collect_work_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What does not fit into the queue is refused at once with `store_unavailable`; what waits is done in the end."""
    monkeypatch.setattr(sqlite, "MOST_WAITING", 10)
    standing, go_on = threading.Event(), threading.Event()

    async def stand(_: Transaction) -> str:
        standing.set()
        go_on.wait()
        return "done"

    async def flood() -> None:
        database = SqliteDatabase(tmp_path / "gatepass.db", SettableClock())
        try:
            first = asyncio.create_task(database.transaction(stand))
            await asyncio.to_thread(standing.wait)
            waiting = [asyncio.create_task(database.transaction(_nothing)) for _ in range(10)]
            await asyncio.sleep(0)
            with pytest.raises(Unavailable) as caught:
                await asyncio.wait_for(database.transaction(_nothing), 5)
            assert (caught.value.code, caught.value.retry_after) == ("store_unavailable", 5)
            go_on.set()
            assert await asyncio.gather(first, *waiting) == ["done"] * 11
        finally:
            go_on.set()
            database.close()

    asyncio.run(flood())
