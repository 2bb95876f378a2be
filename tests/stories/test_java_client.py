"""A client in Java, by Nimbus' OAuth 2.0 SDK, unchanged: what Spring Security signs people in with."""

from __future__ import annotations

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

SOURCE = Path(__file__).parents[1] / "support" / "java_client"
BUILD_SECONDS = 400


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server by the real time, which the library goes by, and Ann."""
    with running_server(tmp_path_factory.mktemp("java"), SettableClock(time.time())) as running:
        with running.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        yield running


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The client, compiled under `make soak`. Skips where Java, Maven or a library is not."""
    if not SOAK:
        pytest.skip("a client in Java is built and tried under `make soak`")
    java, javac, maven = (shutil.which(name) for name in ("java", "javac", "mvn"))
    if java is None or javac is None or maven is None:
        pytest.skip("this needs a JDK and Maven, which are not here")
    folder = tmp_path_factory.mktemp("java_client")
    listed = folder / "classpath"

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=BUILD_SECONDS, check=False)

    pom = str(SOURCE / "pom.xml")
    fetched = run(maven, "-q", "-B", "-f", pom, "dependency:build-classpath", f"-Dmdep.outputFile={listed}")
    if fetched.returncode:
        pytest.skip(f"the client's libraries cannot be had here: {fetched.stdout[-500:]}")
    classpath = f"{folder / 'out'}:{listed.read_text()}"
    done = run(javac, "-Xlint:all,-processing", "-cp", classpath, "-d", "out", str(SOURCE / "Client.java"))
    assert done.returncode == 0, done.stderr  # a program that no longer builds is no reason to skip
    return [java, "-cp", classpath, "Client"]


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
