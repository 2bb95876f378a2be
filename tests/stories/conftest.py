"""A server of its own for each story, with a clock that the story sets, and a client on a real socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.server import ANN, SettableClock, running_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer


@pytest.fixture
def clock() -> SettableClock:
    """The server's clock."""
    return SettableClock()


@pytest.fixture
def server(tmp_path: Path, clock: SettableClock) -> Generator[RunningServer]:
    """A server with its usual settings, but for a cheap password hash."""
    with running_server(tmp_path / "data", clock) as running:
        yield running


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client of the server."""
    with server.client() as client:
        yield client


@pytest.fixture
def ann(api: httpx.Client) -> dict[str, str]:
    """Somebody who has signed up: e-mail address and password."""
    assert api.post("/signup", json=ANN).status_code == 201
    return ANN
