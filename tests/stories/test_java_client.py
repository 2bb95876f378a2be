"""A client in Java, by Nimbus' OAuth 2.0 SDK, unchanged: what Spring Security signs people in with."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.commands import add_client
from tests.support.java import compiled
from tests.support.journey import travel
from tests.support.pages import Browser
from tests.support.ports import free_port
from tests.support.server import ANN, SettableClock, running_server

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.server import RunningServer

SOURCE = Path(__file__).parents[1] / "support" / "java_client"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server by the real time, which the library goes by, and Ann."""
    with running_server(tmp_path_factory.mktemp("java"), SettableClock(time.time())) as running:
        with running.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        yield running


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The client."""
    return compiled(SOURCE, tmp_path_factory.mktemp("java_client"), "Client")


@pytest.mark.soak
def test_the_road_in_java(server: RunningServer, program: list[str]) -> None:
    """Discovery, code with PKCE, ID token with its nonce and `at_hash`, refresh, UserInfo, and an API that verifies."""
    address = f"127.0.0.1:{free_port()}"
    client = add_client(server, "Java", "--redirect-uri", f"http://{address}/callback")
    command = [*program, server.url, client.id, client.secret, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, Browser(server) as browser:
        assert process.stdout is not None
        learnt = travel(browser, process.stdout.readline().strip(), ANN)
        process.kill()
    assert learnt.status_code == 200, learnt.text
    told = learnt.json()
    assert (told["email"], told["refreshed"]) == (ANN["email"], True)
    assert told["sub"] == told["userinfo"] == told["api"]
