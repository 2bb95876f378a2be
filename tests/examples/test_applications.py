"""The applications in `examples/` whose people sign in with Gatepass, by libraries that are somebody else's."""

from __future__ import annotations

import runpy
import socket
import threading
import time
import webbrowser
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.commands import add_client
from tests.support.journey import arrive, asks_for_a_password, fill_in, travel
from tests.support.pages import Browser
from tests.support.server import ANN, SettableClock, running_server
from tests.support.wait import eventually
from werkzeug.serving import make_server

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.server import RunningServer

EXAMPLES = Path(__file__).parents[2] / "examples"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server by the real time, which the libraries go by, and Ann."""
    with running_server(tmp_path_factory.mktemp("applications"), SettableClock(time.time())) as running:
        with running.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        yield running


@pytest.fixture
def browser(server: RunningServer) -> Generator[Browser]:
    """Ann's browser, in which she has not signed in."""
    with Browser(server) as browser:
        yield browser


def load(name: str, **environment: str) -> dict[str, Any]:
    """Read an example's file, with the environment that its README names; what it defines."""
    with pytest.MonkeyPatch.context() as patch:
        for variable, value in environment.items():
            patch.setenv(variable, value)
        return runpy.run_path(str(EXAMPLES / name / "main.py"))


@pytest.fixture(scope="module")
def web_app(server: RunningServer) -> Generator[str]:
    """The web application, listening; its first page."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        home = f"http://localhost:{port}/"
        words = ["--redirect-uri", home + "callback", "--post-logout-redirect-uri", home]
        client = add_client(server, "web", *words, "--backchannel-logout-uri", home + "backchannel")
        example = load("web_app", GATEPASS_ISSUER=server.url, CLIENT_ID=client.id, CLIENT_SECRET=client.secret)
        http = make_server("127.0.0.1", port, example["app"], threaded=True, fd=listener.fileno())
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield home
        http.shutdown()
        thread.join()


def test_the_web_application(web_app: str, browser: Browser) -> None:
    """Authlib in Flask: sign in, and out at both."""
    assert f"Welcome, {ANN['email']}" in travel(browser, f"{web_app}login", ANN).text
    out = arrive(browser, f"{web_app}logout")
    assert out.url.copy_with(query=None) == web_app
    assert "Nobody is signed in" in out.text
    assert asks_for_a_password(arrive(browser, f"{web_app}login"))


def test_the_web_application_hears_of_a_logout_elsewhere(web_app: str, browser: Browser) -> None:
    """Signed out on the account page, she is signed out of the application too; a forged token ends nothing."""
    assert "Welcome" in travel(browser, f"{web_app}login", ANN).text
    forged = browser.http.post(f"{web_app}backchannel", data={"logout_token": "e30.e30.e30"})
    assert forged.status_code == 400
    assert "Welcome" in browser.get(web_app).text
    browser.post("/pages/logout", at="/pages/account")
    eventually(lambda: "Nobody is signed in" in browser.get(web_app).text)


def test_the_native_application(
    server: RunningServer,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Any port on loopback, no secret, PKCE; a refresh token, and what follows it."""
    client = add_client(server, "notes", "--kind", "native", "--redirect-uri", "http://127.0.0.1/callback")
    example = load("native_app", GATEPASS_ISSUER=server.url, CLIENT_ID=client.id)
    travellers: list[threading.Thread] = []

    def opened(url: str) -> None:
        travellers.append(threading.Thread(target=travel, args=(browser, url, ANN)))
        travellers[0].start()

    monkeypatch.setattr(webbrowser, "open", opened)
    example["main"]()
    travellers[0].join()
    assert capsys.readouterr().out == f"Welcome, {ANN['email']}\nStill welcome, {ANN['email']}\n"


def test_the_command_line(
    server: RunningServer,
    browser: Browser,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """It shows a code and waits; the person types it elsewhere, and agrees."""
    words = ["--public", "--grant", "device_code", "--scope", "openid", "--scope", "email"]
    client = add_client(server, "backup", *words)
    example = load("cli_device", GATEPASS_ISSUER=server.url, CLIENT_ID=client.id)
    browser.sign_in(ANN)
    slept: list[float] = []

    def wait(seconds: float) -> None:
        slept.append(seconds)
        server.clock.advance(seconds)
        if len(slept) == 1:
            return
        _, address, _, _, code = capsys.readouterr().out.split()
        typed = fill_in(browser, arrive(browser, address), user_code=code)
        assert "Device connected" in fill_in(browser, typed, decision="allow").text

    monkeypatch.setitem(example["main"].__globals__, "sleep", wait)
    example["main"]()
    assert slept == [5, 5]
    assert capsys.readouterr().out.endswith(f"Welcome, {ANN['email']}\n")
