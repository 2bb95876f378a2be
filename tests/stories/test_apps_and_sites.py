"""Apps and sites: which applications have access to an account, and what disconnecting one ends."""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest
from tests.support.authorization import Flow, code_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.server import ANN

from gatepass.jose import jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

ASKS = ClientRules()
"""The rules of a client of somebody else's: people are asked the first time."""


@pytest.fixture
def browser(server: RunningServer, api: httpx.Client) -> Generator[Browser]:
    """A browser in which Ann has signed in."""
    assert api.post("/signup", json=ANN).status_code == 201
    with Browser(server) as browser:
        assert browser.sign_in(ANN).status_code == 303
        yield browser


@pytest.fixture
def bearer(browser: Browser, api: httpx.Client) -> dict[str, str]:
    """Ann's own token."""
    return {"authorization": f"Bearer {api.post('/login', json=ANN).json()['token']}"}


def agree(api: httpx.Client, browser: Browser, party: RelyingParty, scope: str = "openid email") -> dict[str, Any]:
    """Let Ann allow what the application asks for; its tokens."""
    flow = Flow(party, browser)
    prompt = "consent" if "offline_access" in scope else None
    answer = flow.follow(flow.ask(scope=scope, prompt=prompt))
    answer = flow.submit(answer, decision="allow") if answer.status_code == 200 else answer
    tokens: dict[str, Any] = flow.redeem(api, code_of(answer)).json()
    return tokens


def consents(api: httpx.Client, bearer: dict[str, str]) -> list[dict[str, Any]]:
    """What the call lists."""
    found: list[dict[str, Any]] = api.get("/account/consents", headers=bearer).json()["consents"]
    return found


def refreshes(api: httpx.Client, party: RelyingParty, tokens: dict[str, Any]) -> bool:
    """Whether the application still gets tokens."""
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **party.credentials}
    return api.post("/oauth/token", data=form).status_code == 200


def test_an_application_is_listed_by_what_it_may_do(
    server: RunningServer, api: httpx.Client, browser: Browser, bearer: dict[str, str]
) -> None:
    """The call and the page name the application, where it sends people, since when, and each scope."""
    assert consents(api, bearer) == []
    assert "No application has access" in browser.get("/pages/account/apps").text
    party = add_relying_party(server, rules=ASKS)
    agree(api, browser, party)
    assert consents(api, bearer) == [
        {
            "client_id": party.id,
            "client_name": "app",
            "host": "app.example.test",
            "scope": ["openid", "email"],
            "resource": [],
            "since": int(server.clock()),
            "remembered": True,
        }
    ]
    page = html.unescape(browser.get("/pages/account/apps").text)
    assert "app.example.test" in page
    assert "See your email address" in page
    assert "Apps and sites" in browser.get("/pages/account").text


def test_one_that_nobody_was_asked_about_is_listed_too(
    server: RunningServer, api: httpx.Client, browser: Browser, bearer: dict[str, str]
) -> None:
    """The operator's own application holds a grant without a consent, and can be disconnected just so."""
    party = add_relying_party(server)
    tokens = agree(api, browser, party)
    [listed] = consents(api, bearer)
    assert (listed["client_id"], listed["host"], listed["remembered"]) == (party.id, "app.example.test", False)
    assert listed["scope"] == ["openid", "email"]
    assert api.delete(f"/account/consents/{party.id}", headers=bearer).status_code == 204
    assert not refreshes(api, party, tokens)
    assert consents(api, bearer) == []


def test_disconnecting_ends_all_that_the_application_holds(
    server: RunningServer, api: httpx.Client, browser: Browser, bearer: dict[str, str]
) -> None:
    """Every grant, the offline session and the code that was not redeemed yet; and the next request asks again."""
    party = add_relying_party(server, rules=ASKS, scope=("openid", "email", "offline_access"))
    online, offline = agree(api, browser, party), agree(api, browser, party, "openid offline_access")
    waiting = Flow(party, browser)
    code = code_of(waiting.ask())
    assert refreshes(api, party, online)
    assert refreshes(api, party, offline)
    assert api.delete(f"/account/consents/{party.id}", headers=bearer).status_code == 204
    assert not refreshes(api, party, online)
    assert not refreshes(api, party, offline)
    assert waiting.redeem(api, code).json()["error"] == "invalid_grant"
    userinfo = api.get("/oauth/userinfo", headers={"authorization": f"Bearer {online['access_token']}"})
    assert userinfo.status_code == 401
    assert not any(each["client_id"] for each in api.get("/sessions", headers=bearer).json()["sessions"])
    kinds = [(each["kind"], each["reason"]) for each in api.get("/account/events", headers=bearer).json()["events"]]
    assert ("consent_withdrawn", party.id) in kinds
    asked_anew = Flow(party, browser)
    assert "wants to access your account" in asked_anew.follow(asked_anew.ask()).text


def test_disconnecting_one_application_leaves_the_others_and_the_browser(
    server: RunningServer, api: httpx.Client, browser: Browser, bearer: dict[str, str]
) -> None:
    """The other application refreshes on, and the person stays signed in."""
    parties = [add_relying_party(server, rules=ASKS) for _ in range(2)]
    tokens = [agree(api, browser, party) for party in parties]
    page = browser.get("/pages/account/apps")
    assert page.text.count("Disconnect app") == 2
    form = {"client_id": parties[0].id}
    assert browser.post("/pages/account/apps/disconnect", at="/pages/account/apps", **form).status_code == 303
    assert not refreshes(api, parties[0], tokens[0])
    assert refreshes(api, parties[1], tokens[1])
    assert browser.get("/pages/account").status_code == 200
    again = browser.post("/pages/account/apps/disconnect", at="/pages/account/apps", **form)
    assert again.status_code == 404
    assert "no longer has access" in again.text


def test_an_application_of_somebody_elses_is_not_found(
    server: RunningServer, api: httpx.Client, browser: Browser, bearer: dict[str, str]
) -> None:
    """Bob cannot end what Ann allowed; and nobody can disconnect the server's own sign-in by its name."""
    party = add_relying_party(server, rules=ASKS)
    tokens = agree(api, browser, party)
    bob = {"email": "bob@example.test", "password": "a password of good length"}
    assert api.post("/signup", json=bob).status_code == 201
    other = {"authorization": f"Bearer {api.post('/login', json=bob).json()['token']}"}
    for client_id in (party.id, "first-party", "cli_unknown"):
        answer = api.delete(f"/account/consents/{client_id}", headers=other)
        assert (answer.status_code, answer.json()["code"]) == (404, "consent_not_found")
    assert refreshes(api, party, tokens)
    assert consents(api, other) == []


def test_a_client_whose_id_is_a_url(
    server: RunningServer, api: httpx.Client, browser: Browser, bearer: dict[str, str]
) -> None:
    """Its slashes are encoded in the path, and it is found."""
    party = add_relying_party(server, rules=ASKS)
    agree(api, browser, party)
    url = "https://app.example.test/client"
    party.write("UPDATE consents SET client_id = ?1", url)
    assert api.delete(f"/account/consents/{quote(url, safe='')}", headers=bearer).status_code == 204


def test_an_offline_session_is_listed_by_the_name_of_its_client(
    server: RunningServer, api: httpx.Client, browser: Browser, bearer: dict[str, str]
) -> None:
    """The account shows it, under the application's name, and it can be ended there."""
    metadata = ClientMetadata(redirect_uris=(CALLBACK,))
    party = add_relying_party(server, rules=ASKS, scope=("openid", "offline_access"), metadata=metadata)
    tokens = agree(api, browser, party, "openid offline_access")
    sessions = api.get("/sessions", headers=bearer).json()["sessions"]
    [offline] = [each for each in sessions if each["kind"] == "offline"]
    assert (offline["client_id"], offline["client_name"]) == (party.id, "app")
    assert offline["id"] == jwt.peek(tokens["access_token"]).claims["sid"]
    assert "<div>app" in browser.get("/pages/account").text
    assert api.delete(f"/sessions/{offline['id']}", headers=bearer).status_code == 204
    assert not refreshes(api, party, tokens)
