"""A classic relying party that we did not write: Apache's mod_auth_openidc before an application, as Debian has it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from tests.support.apache import apache, program
from tests.support.commands import add_client
from tests.support.journey import arrive, asks_for_a_password, travel
from tests.support.pages import Browser
from tests.support.ports import free_port
from tests.support.scripted_site import ScriptedSite
from tests.support.server import ANN, SettableClock, running_server
from tests.support.wait import eventually

if TYPE_CHECKING:
    from collections.abc import Generator


@pytest.fixture(scope="module")
def behind() -> Generator[ScriptedSite]:
    """The application that is guarded: it sees who has signed in, in headers."""
    with ScriptedSite() as site:
        for path in ("/", "/renewed", "/out"):
            site.put(path, b"the application")
        yield site


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Generator[Browser]:
    """Ann's browser at a server of the real time."""
    program()
    with running_server(tmp_path_factory.mktemp("server"), SettableClock(time.time())) as server:
        with server.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        with Browser(server) as browser:
            yield browser


@pytest.fixture(scope="module")
def site(browser: Browser, behind: ScriptedSite, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """Where people reach the application, through Apache."""
    port = free_port()
    home = f"http://localhost:{port}/"
    client = add_client(
        browser.server,
        "Apache",
        *("--redirect-uri", home + "oidc"),
        *("--post-logout-redirect-uri", home + "out"),
        *("--backchannel-logout-uri", home + "oidc?logout=backchannel"),
    )
    folder = tmp_path_factory.mktemp("apache")
    with apache(folder, port, issuer=browser.server.url, client=client, behind=behind.url):
        yield home


def test_sign_in_renew_and_sign_out(site: str, browser: Browser, behind: ScriptedSite) -> None:
    """Discovery, PKCE, `form_post`, ID token and UserInfo; a refresh; and a logout at both."""
    assert travel(browser, site, ANN).text == "the application"
    first = behind.asked[-1].headers
    assert first["oidc_claim_email"] == ANN["email"]
    assert first["oidc_claim_iss"] == browser.server.url
    assert browser.get(f"{site}renewed").text == "the application"
    assert behind.asked[-1].headers["oidc_access_token"] != first["oidc_access_token"]
    out = arrive(browser, f"{site}oidc?logout={quote(site + 'out', safe='')}")
    assert str(out.url) == site + "out"
    assert asks_for_a_password(arrive(browser, site))


def test_signed_out_elsewhere(site: str, browser: Browser) -> None:
    """The logout token that the server posts ends the session that Apache keeps."""
    assert travel(browser, site, ANN).text == "the application"
    browser.post("/pages/logout", at="/pages/account")
    eventually(lambda: asks_for_a_password(arrive(browser, site)))
