"""A victim's browser is made to end what the attacker has begun, so that it is signed in as the attacker."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING

import pytest
from tests.support.elsewhere import come_back, go_there
from tests.support.pages import Browser
from tests.support.scripted_provider import ScriptedProvider
from tests.support.server import ANN, NOON, running_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.server import RunningServer


@pytest.fixture
def provider() -> Generator[ScriptedProvider]:
    """The provider."""
    with ScriptedProvider() as provider:
        provider.now = lambda: NOON
        yield provider


@pytest.fixture
def server(tmp_path: Path, provider: ScriptedProvider) -> Generator[RunningServer]:
    """A server that knows it."""
    with running_server(tmp_path, providers={"corp": provider.settings()}) as running:
        yield running


def test_the_answer_in_another_browser(server: RunningServer, provider: ScriptedProvider) -> None:
    """The attacker's answer opens nothing in a browser that did not ask, whether or not that one is on its way too."""
    with Browser(server) as attacker, Browser(server) as victim:
        answer = provider.authorize(go_there(attacker))
        assert come_back(victim, answer).status_code == 403
        go_there(victim)
        assert come_back(victim, answer).status_code == 403
        assert victim.refresh().status_code == 401
    assert provider.forms == []


def test_a_state_is_good_once_and_for_ten_minutes(server: RunningServer, provider: ScriptedProvider) -> None:
    """Also with the cookie still there; nobody is asked anything the second time, or too late."""
    with Browser(server) as browser:
        answer = provider.authorize(go_there(browser))
        cookies = dict(browser.http.cookies)
        assert come_back(browser, answer).status_code == 303
        browser.http.cookies.clear()
        browser.http.cookies.update(cookies)
        assert come_back(browser, answer).status_code == 403
        late = provider.authorize(go_there(browser))
        server.clock.advance(601)
        assert come_back(browser, late).status_code == 403
    assert len(provider.forms) == 1


def test_a_cookie_that_was_made_up(server: RunningServer, provider: ScriptedProvider) -> None:
    """It is sealed: one that is none, or of another kind, is as good as absent."""
    with Browser(server) as browser:
        answer = provider.authorize(go_there(browser))
        sealed = browser.http.cookies[browser.server.cookie("gatepass-provider")]
        for value in ("x", "", sealed[:-4] + "AAAA", "A" * len(sealed)):
            browser.http.cookies.clear()
            browser.http.cookies.set(browser.server.cookie("gatepass-provider"), value)
            assert come_back(browser, answer).status_code == 403
    assert provider.forms == []


def test_an_attacker_s_account_elsewhere_is_not_connected(server: RunningServer, provider: ScriptedProvider) -> None:
    """To connect takes a form of ours, of the person who is signed in, and ends in their session only."""
    with server.client() as api, Browser(server) as victim, Browser(server) as attacker:
        for person in (ANN, ANN | {"email": "eve@example.test"}):
            api.post("/signup", json=person)
        victim.sign_in(ANN)
        attacker.sign_in(ANN | {"email": "eve@example.test"})
        forged = {"provider": "corp", "csrf": "x"}
        path = "/pages/account/identities/connect"
        assert victim.http.get(path).status_code == 405
        for origin in ("https://evil.example", server.url):
            assert victim.http.post(path, data=forged, headers={"origin": origin}).status_code == 403
        # What the attacker has begun for their own account does not end in the victim's.
        leaving = attacker.post(path, at="/pages/account/identities", provider="corp")
        url = html.unescape(leaving.text.partition("0; url=")[2].partition('"')[0])
        answer = provider.authorize(url)
        name = victim.server.cookie("gatepass-provider")
        victim.http.cookies.set(name, attacker.http.cookies[name])
        assert come_back(victim, answer).status_code == 403
        token = victim.refresh().json()["token"]
        mine = api.get("/account/identities", headers={"authorization": f"Bearer {token}"}).json()
        assert mine == {"identities": []}
