"""Codes, refresh tokens and assertions that are no good: each is an event, up to a limit, and none is used up by it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.stories.test_device_grant import ask
from tests.support.authorization import Flow, code_of, new_verifier
from tests.support.pages import Browser
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN, SettableClock, running_server

from gatepass.server.domain.sessions.client_metadata import ClientRules
from gatepass.server.domain.sessions.device_code import GRANT_TYPE as DEVICE_CODE

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

LIMIT = 3
ALL = ("authorization_code", "refresh_token", DEVICE_CODE)


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server on which few tries may fail, and Ann."""
    folder = tmp_path_factory.mktemp("failures")
    settings: dict[str, Any] = {"attempts_per_address": LIMIT, "trusted_proxy": ("127.0.0.1/32", "::1/128")}
    with running_server(folder, SettableClock(), **settings) as server:
        with server.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        yield server


@pytest.fixture
def api(few: RunningServer) -> Generator[httpx.Client]:
    """A client of it."""
    with few.client() as api:
        yield api


@pytest.fixture
def browser(few: RunningServer) -> Generator[Browser]:
    """Ann's browser, signed in."""
    with Browser(few) as browser:
        browser.sign_in(ANN)
        yield browser


def party_of(few: RunningServer, *, is_public: bool = False) -> RelyingParty:
    """A client with every grant type that a person signs in by."""
    return add_relying_party(few, grant_types=ALL, is_public=is_public, rules=ClientRules(consent="never"))


def events(party: RelyingParty) -> int:
    """How many tries of a client are recorded, each with whose code or token it was, where there is such a one."""
    count = "SELECT COUNT(*) FROM events WHERE kind = 'grant_refused' AND reason = ?1"
    return int(party.read(count, party.id))


def whose(party: RelyingParty) -> str:
    """Whose code or token the last try was with."""
    last = "SELECT user_id FROM events WHERE kind = 'grant_refused' AND reason = ?1 ORDER BY at DESC, id DESC LIMIT 1"
    return str(party.read(last, party.id))


def test_a_try_that_fails_is_an_event(few: RunningServer, api: httpx.Client, browser: Browser) -> None:
    """A code with another verifier, at another client; a refresh token and a device's code there: each is told."""
    party, thief = party_of(few), party_of(few)
    ann = party.read("SELECT id FROM users")
    flow = Flow(party, browser)
    code = code_of(flow.ask())
    assert flow.redeem(api, code, code_verifier=new_verifier()).json()["error"] == "invalid_grant"
    assert (events(party), whose(party)) == (1, ann)
    stolen = Flow(thief, browser, verifier=flow.verifier)
    assert stolen.redeem(api, code).json()["error"] == "invalid_grant"
    assert (events(thief), whose(thief)) == (1, ann)
    tokens = flow.redeem(api, code).json()
    few.clock.advance(1)
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **thief.credentials}
    assert api.post("/oauth/token", data=form).json()["error"] == "invalid_grant"
    assert (events(thief), whose(thief)) == (2, ann)
    few.clock.advance(1)
    device_code = ask(api, party, scope="openid")["device_code"]
    form = {"grant_type": DEVICE_CODE, "device_code": device_code, **thief.credentials}
    assert api.post("/oauth/token", data=form).json()["error"] == "invalid_grant"
    assert (events(thief), whose(thief)) == (3, "")
    assert party.refresh(api, tokens["refresh_token"])["access_token"]


def test_what_is_usual_is_no_event(few: RunningServer, api: httpx.Client, browser: Browser) -> None:
    """A page that is loaded again, a device that waits, a refresh after the logout; a forged token costs nothing."""
    party = party_of(few)
    flow = Flow(party, browser)
    code = code_of(flow.ask())
    tokens = flow.redeem(api, code).json()
    assert flow.redeem(api, code).json()["error"] == "invalid_grant"
    device = {"grant_type": DEVICE_CODE, "device_code": ask(api, party, scope="openid")["device_code"]}
    assert api.post("/oauth/token", data=device | party.credentials).json()["error"] == "authorization_pending"
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **party.credentials}
    assert api.post("/oauth/revoke", data={"token": tokens["refresh_token"], **party.credentials}).status_code == 200
    assert api.post("/oauth/token", data=form).json()["error"] == "invalid_grant"
    assert api.post("/oauth/token", data=form | {"refresh_token": "forged"}).json()["error"] == "invalid_grant"
    assert events(party) == 0


@pytest.mark.parametrize("is_public", [False, True])
def test_above_the_limit_no_more_are_recorded(
    few: RunningServer, api: httpx.Client, browser: Browser, *, is_public: bool
) -> None:
    """Then the answer says when to try again; a good code is taken all the same, and the pause ends."""
    party = party_of(few, is_public=is_public)
    flow = Flow(party, browser)
    answers = [flow.redeem(api, "guessed") for _ in range(LIMIT + 3)]
    assert [answer.status_code for answer in answers] == [400] * LIMIT + [429] * 3
    assert answers[-1].json()["error"] == "temporarily_unavailable"
    assert 0 < int(answers[-1].headers["retry-after"]) <= 30
    assert events(party) == LIMIT
    assert flow.redeem(api, code_of(flow.ask())).status_code == 200
    few.clock.advance(31)
    assert flow.redeem(api, "guessed").status_code == 400
    neighbour = party_of(few)
    assert Flow(neighbour, browser).redeem(api, "guessed").status_code == 400


def test_a_stranger_uses_up_no_tries_of_a_public_client_elsewhere(few: RunningServer, api: httpx.Client) -> None:
    """Anyone can name it, so its tries are counted for each network."""
    form = {"grant_type": "authorization_code", "code": "guessed", **party_of(few, is_public=True).credentials}

    def status(address: str) -> int:
        return api.post("/oauth/token", data=form, headers={"x-forwarded-for": address}).status_code

    assert [status("203.0.113.7") for _ in range(LIMIT + 1)][-1] == 429
    assert status("203.0.113.8") == 400
