"""Sites on Node.js by well-known libraries, unchanged: Auth0's for Express, Passport's and Auth.js."""

from __future__ import annotations

import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.authorization import form_of
from tests.support.commands import add_client
from tests.support.journey import arrive, is_at_the_server, send, travel
from tests.support.node import installed, node
from tests.support.pages import Browser
from tests.support.ports import free_port
from tests.support.server import ANN, SettableClock, running_server
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.server import RunningServer

SOURCE = Path(__file__).parents[1] / "support" / "node_sites"
CALLBACKS = {
    "express-openid-connect": "/callback",
    "passport": "/callback",
    "authjs": "/auth/callback/gatepass",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server by the real time, which the sites go by, and Ann."""
    with running_server(tmp_path_factory.mktemp("sites"), SettableClock(time.time())) as running:
        with running.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        yield running


@contextmanager
def site(server: RunningServer, library: str, *options: str) -> Generator[str]:
    """A site by this library; its origin."""
    program, folder = node(), installed(SOURCE)
    port = free_port()
    origin = f"http://localhost:{port}"
    client = add_client(
        server, library, "--redirect-uri", origin + CALLBACKS[library], *(each.format(origin) for each in options)
    )
    command = [program, str(folder / "site.mjs"), library, server.url, client.id, client.secret, str(port)]
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline().strip() == origin
            yield origin
        finally:
            process.kill()


def _signed_in(learnt: httpx.Response) -> None:
    assert learnt.url.path == "/me", learnt.text
    told = learnt.json()
    assert told["email"] == ANN["email"]
    assert told["sub"] == told["id_token_sub"]


def test_express_openid_connect(server: RunningServer) -> None:
    """Sign-in and UserInfo; a logout at the site ends the sign-in here, and one here ends it there."""
    options = ("--post-logout-redirect-uri", "{}", "--backchannel-logout-uri", "{}/backchannel-logout")
    with site(server, "express-openid-connect", *options) as origin, Browser(server) as browser:
        _signed_in(travel(browser, f"{origin}/me", ANN))
        left = arrive(browser, f"{origin}/logout")
        assert str(left.url).rstrip("/") == origin
        assert is_at_the_server(browser, arrive(browser, f"{origin}/me"))
        _signed_in(travel(browser, f"{origin}/me", ANN))
        with server.client() as api:
            own = api.post("/login", json=ANN).json()["token"]
            assert api.post("/logout/all", headers={"authorization": f"Bearer {own}"}).status_code == 204
        eventually(lambda: is_at_the_server(browser, arrive(browser, f"{origin}/me")))


def test_passport(server: RunningServer) -> None:
    """It sends no PKCE, so the operator lets this client do without: sign-in and UserInfo."""
    with site(server, "passport", "--pkce", "optional") as origin, Browser(server) as browser:
        _signed_in(travel(browser, f"{origin}/me", ANN))


def test_auth_js(server: RunningServer) -> None:
    """It reads the ID token alone, so the operator puts the address there: sign-in, begun by a form of the site."""
    with site(server, "authjs", "--claims-in-id-token") as origin, Browser(server) as browser:
        action, fields = form_of(arrive(browser, f"{origin}/me").text)
        travel(browser, str(send(browser, action, fields).url), ANN)
        _signed_in(arrive(browser, f"{origin}/me"))
