"""oauth2-proxy, unchanged and by the settings that our guide shows: people reach an application through it."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.conftest import SOAK
from tests.support.commands import add_client
from tests.support.journey import travel
from tests.support.pages import Browser
from tests.support.ports import free_port
from tests.support.server import ANN, SettableClock, running_server
from tests.support.wait import eventually

from gatepass.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.server import RunningServer

VERSION = "v7.15.6"
BUILD_SECONDS = 600
GUIDE = Path(__file__).parents[2] / "docs" / "guides" / "applications.md"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server by the real time, and Ann, whose address is not verified."""
    with running_server(tmp_path_factory.mktemp("o2p"), SettableClock(time.time())) as running:
        with running.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        yield running


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    """The proxy, built under `make soak`, which takes minutes. Skips where Go or the module is not."""
    if not SOAK:
        pytest.skip("oauth2-proxy is built and tried under `make soak`")
    go = shutil.which("go", path=os.environ["PATH"] + ":/usr/local/go/bin")
    if go is None:
        pytest.skip("this needs Go, which is not here")
    folder = tmp_path_factory.mktemp("oauth2_proxy")
    done = subprocess.run(
        [go, "install", f"github.com/oauth2-proxy/oauth2-proxy/v7@{VERSION}"],
        env=os.environ | {"GOTOOLCHAIN": "local", "GOBIN": str(folder)},
        capture_output=True,
        text=True,
        timeout=BUILD_SECONDS,
        check=False,
    )
    if done.returncode:
        pytest.skip(f"oauth2-proxy cannot be built here: {done.stderr[-500:]}")
    return str(folder / "oauth2-proxy")


def settings_of_the_guide(**changed: str) -> str:
    """The file that the guide shows, with this place's values."""
    shown = re.search(r"## oauth2-proxy\n.*?```ini\n(.*?)```", GUIDE.read_text(), re.DOTALL)
    assert shown is not None
    text = shown[1]
    for name, value in changed.items():
        text, count = re.subn(rf"^{name} = .*$", lambda _, line=f"{name} = {value}": line, text, flags=re.MULTILINE)
        assert count == 1, name
    return text


@pytest.fixture(scope="module")
def site(server: RunningServer, program: str, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Where people reach the application."""
    address = f"127.0.0.1:{free_port()}"
    url = f"http://{address}"
    client = add_client(server, "oauth2-proxy", "--redirect-uri", f"{url}/oauth2/callback")
    file = tmp_path_factory.mktemp("site") / "oauth2-proxy.cfg"
    here = settings_of_the_guide(
        oidc_issuer_url=f'"{server.url}"',
        client_id=f'"{client.id}"',
        client_secret=f'"{client.secret}"',
        redirect_url=f'"{url}/oauth2/callback"',
        email_domains='["example.test"]',
        cookie_secret=f'"{secrets.token_hex(16)}"',
        cookie_refresh='"1s"',
    )
    extra = ('upstreams = ["static://202"]', "cookie_secure = false", "skip_provider_button = true")
    file.write_text("\n".join((here, f'http_address = "{address}"', *extra)))
    with subprocess.Popen([program, "--config", str(file)], stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as proxy:
        try:
            eventually(lambda: is_up(url))
            yield url
        finally:
            proxy.kill()


def is_up(url: str) -> bool:
    """Whether it answers."""
    try:
        return httpx.get(f"{url}/ping").status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


@pytest.mark.soak
def test_who_reaches_the_application(site: str, server: RunningServer) -> None:
    """Nobody whose address is not verified; after that Ann, until her account is closed: the cookie is renewed."""
    with Browser(server) as browser:
        refused = travel(browser, f"{site}/", ANN)
        assert (refused.status_code, "oauth2/callback" in str(refused.url)) == (httpx.codes.FORBIDDEN, True)
    main(["user", "verify", ANN["email"], *server.place])
    with Browser(server) as browser:
        assert travel(browser, f"{site}/", ANN).status_code == httpx.codes.ACCEPTED
        assert browser.get(f"{site}/oauth2/userinfo").json()["email"] == ANN["email"]
        main(["user", "disable", ANN["email"], *server.place])
        eventually(lambda: browser.http.get(f"{site}/").status_code != httpx.codes.ACCEPTED)
