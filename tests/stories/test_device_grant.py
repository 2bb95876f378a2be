"""Signing in on a device without a browser (RFC 8628): what the device, the person and a thief see of it."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.authorization import form_of
from tests.support.pages import Browser
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN
from tests.support.signal_receiver import GRANTS, add_receiver, members

from gatepass.jose import jwt
from gatepass.server.domain.sessions.device_code import GRANT_TYPE

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer, SettableClock


@pytest.fixture
def browser(server: RunningServer, api: httpx.Client) -> Generator[Browser]:
    """Ann's browser, signed in."""
    api.post("/signup", json=ANN)
    with Browser(server) as browser:
        browser.sign_in(ANN)
        yield browser


@pytest.fixture
def television(server: RunningServer) -> RelyingParty:
    """A public client on a device."""
    return add_relying_party(
        server,
        is_public=True,
        grant_types=(GRANT_TYPE, "refresh_token"),
        scope=("openid", "email", "roles", "offline_access"),
    )


def ask(api: httpx.Client, party: RelyingParty, **form: str) -> dict[str, Any]:
    """What the device gets to show."""
    answer = api.post("/oauth/device", data={"scope": "openid email", **party.credentials, **form})
    assert answer.status_code == 200, answer.text
    shown: dict[str, Any] = answer.json()
    return shown


def poll(api: httpx.Client, party: RelyingParty, shown: dict[str, Any]) -> httpx.Response:
    """One poll of the device."""
    form = {"grant_type": GRANT_TYPE, "device_code": shown["device_code"], **party.credentials}
    return api.post("/oauth/token", data=form)


def error(answer: httpx.Response) -> str:
    """The error of a poll."""
    assert answer.status_code == 400, answer.text
    return str(answer.json()["error"])


def decide(browser: Browser, user_code: str, decision: str, **more: Any) -> httpx.Response:  # noqa: ANN401
    """Type the code, look, and decide."""
    page = browser.post("/pages/device", user_code=user_code)
    action, fields = form_of(page.text)
    origin = {"origin": browser.server.url}
    return browser.http.post(action, data=fields | {"decision": decision} | more, headers=origin)


def test_a_device_does_not_outlive_a_theft(
    server: RunningServer, api: httpx.Client, browser: Browser, television: RelyingParty, clock: SettableClock
) -> None:
    """When the browser's token was stolen, nobody knows who let devices in with it: they are signed out too."""
    devices = [ask(api, television, scope="openid"), ask(api, television, scope="openid offline_access")]
    for shown in devices:
        decide(browser, shown["user_code"], "allow", scope=["offline_access"])
    tokens = [poll(api, television, shown).json() for shown in devices]
    with Browser(server) as other:
        other.sign_in(ANN)
        shown = ask(api, television, scope="openid")
        decide(other, shown["user_code"], "allow")
        neighbours = poll(api, television, shown).json()
    assert [television.refresh(api, each["refresh_token"])["expires_in"] for each in tokens]
    stolen = dict(browser.http.cookies)
    for _ in range(2):
        clock.advance(server.settings.refresh_quiet_seconds + 1)
        assert browser.refresh().status_code == 200
    with Browser(server) as thief:
        thief.http.cookies.update(stolen)
        assert thief.refresh().status_code == 401
    for each in tokens:
        form = {"grant_type": "refresh_token", "refresh_token": each["refresh_token"], **television.credentials}
        assert error(api.post("/oauth/token", data=form)) == "invalid_grant"
    assert television.refresh(api, neighbours["refresh_token"])["access_token"]


def test_a_theft_that_ends_a_device_is_told_to_its_application(
    server: RunningServer, api: httpx.Client, browser: Browser, clock: SettableClock
) -> None:
    """The application of the device hears of its sign-in's end (CAEP session-revoked), as after any other end."""
    receiver = add_receiver(server, api, grants=(GRANT_TYPE, *GRANTS))
    stream_id = receiver.stream()
    shown = ask(api, receiver.party, scope="openid")
    decide(browser, shown["user_code"], "allow")
    sid = jwt.peek(poll(api, receiver.party, shown).json()["id_token"]).claims["sid"]
    stolen = dict(browser.http.cookies)
    for _ in range(2):
        clock.advance(server.settings.refresh_quiet_seconds + 1)
        assert browser.refresh().status_code == 200
    with Browser(server) as thief:
        thief.http.cookies.update(stolen)
        assert thief.refresh().status_code == 401
    [(kind, claims)] = receiver.told(stream_id)
    assert (kind, claims["sub_id"]["session"]["id"]) == ("session-revoked", sid)
    assert members(claims)["initiating_entity"] == "policy"


def test_the_road(
    api: httpx.Client, browser: Browser, television: RelyingParty, clock: SettableClock, server: RunningServer
) -> None:
    """The device shows a code, polls, and gets tokens once the person has agreed; its session is its own."""
    shown = ask(api, television, nonce="n-1")
    assert re.fullmatch(r"[BCDFGHJKLMNPQRSTVWXZ]{4}-[BCDFGHJKLMNPQRSTVWXZ]{4}", shown["user_code"])
    assert shown["verification_uri"] == f"{server.url}/device"
    assert (shown["expires_in"], shown["interval"]) == (600, 5)
    assert error(poll(api, television, shown)) == "authorization_pending"
    page = browser.get(f"/device?user_code={shown['user_code']}")
    assert f'value="{shown["user_code"]}"' in page.text
    clock.advance(6)
    assert error(poll(api, television, shown)) == "authorization_pending"  # opening the page has done nothing
    looked = browser.post("/pages/device", user_code=shown["user_code"].lower().replace("-", " "))
    assert "Requested from" in looked.text
    assert "Anyone who sent you this code" in looked.text
    assert "Device connected" in decide(browser, shown["user_code"], "allow").text
    clock.advance(6)
    tokens = poll(api, television, shown).json()
    assert tokens["scope"] == "openid email"
    assert jwt.peek(tokens["id_token"]).claims["nonce"] == "n-1"
    assert error(poll(api, television, shown)) == "invalid_grant"
    browser.post("/pages/logout", at="/pages/account")
    assert television.refresh(api, tokens["refresh_token"])["scope"] == "openid email"


def test_a_code_is_read_however_it_is_typed(api: httpx.Client, browser: Browser, television: RelyingParty) -> None:
    """RFC 8628 §6.1: case, blanks and dashes do not matter, nor do the wide letters of Asian keyboards."""
    user_code = ask(api, television)["user_code"]
    wide = "".join(chr(ord(letter) + 0xFEE0) for letter in user_code)
    for typed in (user_code.lower(), f" {' '.join(user_code)}\t", user_code.replace("-", "\u2013"), wide):
        assert "Requested from" in browser.post("/pages/device", user_code=typed).text, typed


def test_the_person_is_always_asked(api: httpx.Client, browser: Browser, television: RelyingParty) -> None:
    """A consent to a device is never remembered, and scopes may be left out."""
    for _ in range(2):
        shown = ask(api, television, scope="openid email roles")
        assert "wants" not in decide(browser, shown["user_code"], "allow", scope=["roles"]).text
        assert poll(api, television, shown).json()["scope"] == "openid roles"


def test_who_cancels_is_heard(api: httpx.Client, browser: Browser, television: RelyingParty) -> None:
    """`access_denied`, and there is nothing left to decide."""
    shown = ask(api, television)
    decide(browser, shown["user_code"], "cancel")
    assert error(poll(api, television, shown)) == "access_denied"
    assert browser.post("/pages/device", user_code=shown["user_code"]).status_code == 403


def test_a_hasty_device_slows_down_for_good(api: httpx.Client, television: RelyingParty, clock: SettableClock) -> None:
    """RFC 8628 §3.5: five seconds more each time."""
    shown = ask(api, television)
    assert error(poll(api, television, shown)) == "authorization_pending"
    clock.advance(4)
    assert error(poll(api, television, shown)) == "slow_down"
    clock.advance(6)
    assert error(poll(api, television, shown)) == "slow_down"
    clock.advance(15)
    assert error(poll(api, television, shown)) == "authorization_pending"


def test_it_expires(api: httpx.Client, browser: Browser, television: RelyingParty, clock: SettableClock) -> None:
    """After ten minutes neither code is of any use, approved or not."""
    shown, approved = ask(api, television), ask(api, television)
    decide(browser, approved["user_code"], "allow")
    clock.advance(600)
    assert [error(poll(api, television, each)) for each in (shown, approved)] == ["expired_token"] * 2
    assert browser.post("/pages/device", user_code=shown["user_code"]).status_code == 403


def test_another_clients_code(
    api: httpx.Client, browser: Browser, television: RelyingParty, server: RunningServer
) -> None:
    """CVE-2023-2585 of Keycloak: a device code is its client's."""
    shown = ask(api, television)
    decide(browser, shown["user_code"], "allow")
    other = add_relying_party(server, is_public=True, grant_types=(GRANT_TYPE,))
    assert error(poll(api, other, shown)) == "invalid_grant"
    assert poll(api, television, shown).status_code == 200


def test_ten_polls_at_once_have_one_winner(api: httpx.Client, browser: Browser, television: RelyingParty) -> None:
    """An approval brings tokens once."""
    shown = ask(api, television)
    decide(browser, shown["user_code"], "allow")
    with ThreadPoolExecutor(10) as threads:
        answers = list(threads.map(lambda _: poll(api, television, shown).status_code, range(10)))
    assert sorted(answers) == [200, *[400] * 9]


def test_a_session_that_ended_after_the_approval(api: httpx.Client, browser: Browser, television: RelyingParty) -> None:
    """Who is signed out before the device polls has let nobody in."""
    shown = ask(api, television)
    decide(browser, shown["user_code"], "allow")
    browser.post("/pages/logout", at="/pages/account")
    assert error(poll(api, television, shown)) == "access_denied"


def test_codes_are_not_guessed(api: httpx.Client, browser: Browser, television: RelyingParty) -> None:
    """Wrong codes meet longer and longer pauses, and a right one does not help meanwhile."""
    shown = ask(api, television)
    statuses = [browser.post("/pages/device", user_code=f"BBBB-BBB{letter}").status_code for letter in "BCDFGHJKLMNP"]
    assert statuses[0] == 403
    assert statuses[-1] == 429
    assert browser.post("/pages/device", user_code=shown["user_code"]).status_code == 429


def test_devices_that_wait_have_a_limit(
    api: httpx.Client, television: RelyingParty, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anyone can ask in the name of a public client; and a client without the grant cannot ask at all."""
    monkeypatch.setattr("gatepass.server.features.oauth.device.api.MOST_OF_A_CLIENT", 1)
    ask(api, television)
    refused = api.post("/oauth/device", data=television.credentials)
    assert (refused.status_code, refused.headers["retry-after"]) == (429, "600")
    other = add_relying_party(server)
    assert api.post("/oauth/device", data=other.credentials).json()["error"] == "unauthorized_client"
    for form in ({"scope": "nonsense"}, {"resource": "https://other.example.test"}, {"dpop_jkt": "x"}):
        assert api.post("/oauth/device", data={**television.credentials, **form}).status_code == 400


def test_a_stranger_keeps_no_other_network_out(
    api: httpx.Client, television: RelyingParty, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The limit is one for each network, or anyone could use up the codes of a public client for everybody."""
    monkeypatch.setattr("gatepass.server.features.oauth.device.api.MOST_OF_A_CLIENT", 1)
    ask(api, television)
    television.write("UPDATE device_codes SET address = ?1", "2001:db8:1:2::3")
    ask(api, television)
    assert api.post("/oauth/device", data=television.credentials).status_code == 429
    television.write("UPDATE device_codes SET address = ?1", "2001:db8:1:2::3")
    monkeypatch.setattr("gatepass.server.features.oauth.device.api.MOST_IN_ALL", 2)
    assert api.post("/oauth/device", data=television.credentials).status_code == 429
