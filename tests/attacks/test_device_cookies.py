"""One guess for each pause keeps an owner out; and what keeps them in, a device cookie, is stolen (OWASP)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.factors import bearer, finish, set_up_totp
from tests.support.server import ANN

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.server import RunningServer

WRONG = {"email": ANN["email"], "password": "not the right password"}
LIMIT = 10


@pytest.fixture
def browser(server: RunningServer, ann: dict[str, str]) -> Generator[httpx.Client]:
    """A browser that its owner was signed in with before."""
    with server.client(headers={"origin": server.url, "gatepass-request": "1"}) as client:
        assert client.post("/login", json=ann | {"cookie": True}).status_code == 200
        assert client.post("/logout").status_code == 204
        yield client


def keep_out(api: httpx.Client, email: str = ANN["email"]) -> None:
    """Guess from elsewhere until everybody waits."""
    for _ in range(LIMIT):
        assert api.post("/login", json=WRONG | {"email": email}).status_code == 401
    assert api.post("/login", json=ANN | {"email": email}).status_code == 429


def stolen(server: RunningServer, browser: httpx.Client) -> dict[str, str]:
    """The cookie as a header, for another browser."""
    name = server.cookie("gatepass-known")
    return {"cookie": f"{name}={browser.cookies[name]}"}


def test_guesses_elsewhere_do_not_keep_an_owner_out(
    server: RunningServer, api: httpx.Client, browser: httpx.Client
) -> None:
    """The browser that was signed in before is let in, however others guess: one guess for each pause, for hours."""
    keep_out(api)
    for _ in range(21):
        assert browser.post("/login", json=ANN | {"cookie": True}).status_code == 200
        assert api.post("/login", json=ANN).status_code == 429
        server.clock.advance(900)
        assert api.post("/login", json=WRONG).status_code == 401


def test_an_owner_who_mistypes_is_like_anybody(api: httpx.Client, browser: httpx.Client) -> None:
    """The browser has as many free tries as an account, and none more: by then the account's own count decides."""
    keep_out(api)
    for _ in range(LIMIT):
        assert browser.post("/login", json=WRONG).status_code == 401
    assert browser.post("/login", json=ANN).status_code == 429


def test_a_stolen_cookie_guesses_as_often_as_anybody(
    server: RunningServer, api: httpx.Client, browser: httpx.Client
) -> None:
    """Of a hundred guesses with it ten are judged, and ten more at the account; whatever the thief sends beside it."""
    headers = stolen(server, browser)
    answers = [api.post("/login", json=WRONG, headers=headers).status_code for _ in range(100)]
    assert (answers.count(401), set(answers)) == (2 * LIMIT, {401, 429})
    name, _, value = headers["cookie"].partition("=")
    for forged in (value[:-1], value + "A", "A" + value, value.replace(".", ""), "." + value, ""):
        assert api.post("/login", json=WRONG, headers={"cookie": f"{name}={forged}"}).status_code == 429


def test_a_stolen_cookie_is_of_one_account(server: RunningServer, api: httpx.Client, browser: httpx.Client) -> None:
    """At another account, or at an address that nobody has, it is nothing."""
    bob = ANN | {"email": "bob@example.test"}
    api.post("/signup", json=bob)
    headers = stolen(server, browser)
    for email in (bob["email"], "nobody@example.test"):
        keep_out(api, email)
        assert api.post("/login", json=bob | {"email": email}, headers=headers).status_code == 429


def test_a_new_password_makes_strangers_of_all_browsers(
    server: RunningServer, api: httpx.Client, browser: httpx.Client
) -> None:
    """The cookie is dead with the password that it was made beside."""
    token = api.post("/login", json=ANN).json()["token"]
    new = ANN | {"password": "quite another password"}
    changed = api.post("/account/password", json={"password": new["password"]}, headers=bearer(token))
    assert changed.status_code == 204
    keep_out(api)
    assert browser.post("/login", json=new, headers=stolen(server, browser)).status_code == 429


def test_it_is_no_factor(server: RunningServer, api: httpx.Client, browser: httpx.Client) -> None:
    """Beside it the second factor is asked all the same; there too its browser is not kept out by others."""
    application, _ = set_up_totp(server, api, ANN)
    due = browser.post("/login", json=ANN | {"cookie": True})
    assert due.json()["code"] == "second_factor_required"
    thief, code = api.post("/login", json=ANN), application.next_code()
    for _ in range(LIMIT):
        assert finish(api, thief, code="000000").json()["code"] == "invalid_code"
    assert finish(api, thief, code=code).json()["code"] == "too_many_attempts"
    assert finish(browser, due, code=code).status_code == 200


def test_a_session_can_be_proved_again_while_others_guess(api: httpx.Client, ann: dict[str, str]) -> None:
    """A step-up counts in its own session first: who is signed in is not kept from it by guesses at the account."""
    token = api.post("/login", json=ann).json()["token"]
    keep_out(api)
    again = api.post("/reauthenticate", json={"password": ann["password"]}, headers=bearer(token))
    assert again.status_code == 200
    for _ in range(LIMIT):
        wrong = api.post("/reauthenticate", json={"password": WRONG["password"]}, headers=bearer(token))
        assert wrong.json()["code"] == "invalid_credentials"
    refused = api.post("/reauthenticate", json={"password": ann["password"]}, headers=bearer(token))
    assert refused.json()["code"] == "too_many_attempts"
