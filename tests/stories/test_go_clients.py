"""A client in Go, by libraries of others: golang.org/x/oauth2 and coreos/go-oidc, unchanged."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.conftest import SOAK
from tests.support.commands import add_client
from tests.support.journey import travel
from tests.support.pages import Browser
from tests.support.ports import free_port
from tests.support.server import ANN, SettableClock, running_server

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.server import RunningServer

SOURCE = Path(__file__).parents[1] / "support" / "go_client"
BUILD_SECONDS = 400


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server by the real time, which the libraries go by, and Ann."""
    with running_server(tmp_path_factory.mktemp("go"), SettableClock(time.time())) as running:
        with running.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        yield running


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The client, built under `make soak`, as a first build takes half a minute. Skips where Go or a module is not."""
    if not SOAK:
        pytest.skip("a client in Go is built and tried under `make soak`")
    go = shutil.which("go", path=os.environ["PATH"] + ":/usr/local/go/bin")
    if go is None:
        pytest.skip("this needs Go, which is not here")
    built = str(tmp_path_factory.mktemp("go_client") / "client")
    environment = os.environ | {"GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [go, *words],
            cwd=SOURCE,
            env=environment,
            capture_output=True,
            text=True,
            timeout=BUILD_SECONDS,
            check=False,
        )

    fetched = run("mod", "download")
    if fetched.returncode:
        pytest.skip(f"the client's modules cannot be had here: {fetched.stderr[-500:]}")
    done = run("build", "-o", built, ".")
    assert done.returncode == 0, done.stderr  # a program that no longer builds is no reason to skip
    return built


@pytest.mark.soak
def test_the_road_in_go(server: RunningServer, program: str) -> None:
    """Discovery, code with PKCE, ID token with its nonce and `at_hash`, refresh, and UserInfo by the new token."""
    address = f"127.0.0.1:{free_port()}"
    client = add_client(server, "Go", "--redirect-uri", f"http://{address}/callback")
    command = [program, server.url, client.id, client.secret, address]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process, Browser(server) as browser:
        assert process.stdout is not None
        learnt = travel(browser, process.stdout.readline().strip(), ANN)
        process.kill()
    assert learnt.status_code == 200, learnt.text
    told = learnt.json()
    assert (told["email"], told["refreshed"]) == (ANN["email"], True)
    assert told["sub"] == told["userinfo"]
