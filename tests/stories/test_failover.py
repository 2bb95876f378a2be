"""PostgreSQL fails over to a standby that was behind: the last commits are lost, and nobody honest pays for it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.postgres import binaries, postgres
from tests.support.server import ANN, SettableClock, running_server
from tests.support.wait import eventually

from gatepass.jose import jwt

if TYPE_CHECKING:
    from pathlib import Path

    import httpx


def place(pair: dict[str, str]) -> tuple[str, int]:
    """The list and index of an access token."""
    found = jwt.peek(pair["token"]).claims["status"]["status_list"]
    return found["uri"], found["idx"]


def refresh(api: httpx.Client, pair: dict[str, str]) -> httpx.Response:
    """Refresh."""
    return api.post("/refresh", json={"refresh_token": pair["refresh_token"]})


def test_a_failover_that_loses_the_last_commits(tmp_path: Path) -> None:
    """Two nodes. A refresh, a sign-in and a logout are lost with the primary.

    Refreshes wait for half a minute; then who had moved on goes on, on either node. No place is given out twice, the
    events have another epoch, and readers are sent to the documents. Who signed in in the lost time signs in again.
    """
    clock = SettableClock()
    with (
        postgres(binaries()["18"]) as store,
        running_server(tmp_path, clock, database=store.url()) as one,
        running_server(tmp_path, clock, database=store.url(), issuer=one.url) as two,
        one.client() as here,
        two.client() as there,
    ):
        assert here.post("/signup", json=ANN).status_code == 201
        ann, leaving = (here.post("/login", json=ANN).json() for _ in range(2))
        standby = store.copy_as_standby()

        clock.advance(61)
        moved_on = refresh(there, ann).json()  # serial 2, which the standby has never heard of
        lost = here.post("/login", json=ANN).json()
        assert here.post("/logout", json={"refresh_token": leaving["refresh_token"]}).status_code == 204
        before = jwt.peek(here.get("/revocations/snapshot").text).claims

        with here.stream("GET", "/revocations") as stream:
            lines = (line for line in stream.iter_lines() if line.startswith(("event:", "data:")))
            next(lines)
            seen_epoch = json.loads(next(lines).removeprefix("data:"))["epoch"]
            store.fail_over_to(standby)
            for api in (here, there):
                eventually(lambda api=api: api.get("/ready").status_code == 200)  # type: ignore[misc]
            assert "event: resync" in lines  # perhaps after what had been revoked before
            assert json.loads(next(lines).removeprefix("data:"))["epoch"] != seen_epoch

        refused = refresh(here, moved_on)
        assert (refused.status_code, refused.json()["code"]) == (503, "store_settling")
        assert 0 < int(refused.headers["retry-after"]) <= 31
        signed_in = [api.post("/login", json=ANN).json() for api in (here, there) for _ in range(5)]
        assert {place(pair)[0] for pair in signed_in}.isdisjoint({place(pair)[0] for pair in (ann, lost)})
        assert len({place(pair) for pair in signed_in}) == 10

        clock.advance(31)
        assert refresh(there, moved_on).status_code == refresh(here, moved_on).status_code == 200
        assert refresh(here, lost).json()["code"] == "invalid_refresh_token"
        eventually(lambda: jwt.peek(here.get("/revocations/snapshot").text).claims["epoch"] != before["epoch"])
        assert [api.get("/ready").status_code for api in (here, there)] == [200, 200]
