"""An application on Spring Boot, with Spring Security's client, resource server and back-channel logout, unchanged."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.authorization import form_of
from tests.support.commands import add_client
from tests.support.java import compiled
from tests.support.journey import arrive, is_at_the_server, send, travel
from tests.support.pages import Browser
from tests.support.ports import free_port
from tests.support.server import ANN, SettableClock, running_server
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.server import RunningServer

SOURCE = Path(__file__).parents[1] / "support" / "spring_client"
START_SECONDS = 60


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server by the real time, which the application goes by, and Ann."""
    with running_server(tmp_path_factory.mktemp("spring"), SettableClock(time.time())) as running:
        with running.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        yield running


@pytest.fixture(scope="module", params=["3.5.7", "4.0.7"])
def program(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The application, by this version of Spring Boot."""
    folder = tmp_path_factory.mktemp("spring_client")
    adds_pkce = str(request.param.startswith("3")).lower()
    return [
        *compiled(SOURCE, folder, "client.Client", f"-Dboot.version={request.param}"),
        f"--client.pkce={adds_pkce}",
    ]


@contextmanager
def listening(server: RunningServer, program: list[str]) -> Generator[str]:
    """The application's origin, registered as its guide says."""
    origin = f"http://localhost:{free_port()}"
    client = add_client(
        server,
        "Spring",
        "--redirect-uri",
        f"{origin}/login/oauth2/code/gatepass",
        "--post-logout-redirect-uri",
        f"{origin}/bye",
        "--backchannel-logout-uri",
        f"{origin}/logout/connect/back-channel/gatepass",
    )
    registration = "spring.security.oauth2.client.registration.gatepass"
    settings = {
        "server.port": origin.rpartition(":")[2],
        f"{registration}.client-id": client.id,
        f"{registration}.client-secret": client.secret,
        f"{registration}.scope": "openid,email",
        "spring.security.oauth2.client.provider.gatepass.issuer-uri": server.url,
        "api.issuer": server.url,
        "api.audience": server.url,
    }
    words = [f"--{name}={value}" for name, value in settings.items()]
    with subprocess.Popen([*program, *words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        try:
            eventually(lambda: _answers(origin, process), seconds=START_SECONDS)
            yield origin
        finally:
            process.kill()


def _answers(origin: str, process: subprocess.Popen[str]) -> bool:
    assert process.poll() is None, process.stdout and process.stdout.read()
    try:
        return httpx.get(f"{origin}/bye").status_code > 0
    except httpx.ConnectError:
        return False


@pytest.mark.soak
def test_the_road_on_spring(server: RunningServer, program: list[str]) -> None:
    """Sign-in, an API that takes the access token, logout at the application, and one elsewhere that ends it there."""
    with listening(server, program) as origin, Browser(server) as browser:
        learnt = travel(browser, f"{origin}/me", ANN)
        assert learnt.url.path == "/me", [each.url for each in learnt.history]
        told = learnt.json()
        assert told["email"] == ANN["email"]

        def called(token: str) -> httpx.Response:
            return httpx.get(f"{origin}/api/me", headers={"authorization": f"Bearer {token}"})

        assert called(told["access_token"]).json() == {"sub": told["sub"]}
        assert called(told["access_token"][:-2]).status_code == 401

        action, fields = form_of(browser.get(f"{origin}/logout").text)
        left = send(browser, origin + action, fields)
        assert str(left.url) == f"{origin}/bye"
        assert is_at_the_server(browser, arrive(browser, f"{origin}/me"))

        assert travel(browser, f"{origin}/me", ANN).json()["sub"] == told["sub"]
        with server.client() as api:
            own = api.post("/login", json=ANN).json()["token"]
            assert api.post("/logout/all", headers={"authorization": f"Bearer {own}"}).status_code == 204
        eventually(lambda: is_at_the_server(browser, arrive(browser, f"{origin}/me")))
