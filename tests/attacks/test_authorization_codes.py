"""Attacks on authorization codes: stolen, replayed, swapped, stripped of their verifier (RFC 9700 §4.5, §4.8)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.authorization import Flow, challenge, code_of, new_verifier
from tests.support.pages import Browser
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN

from gatepass.server.domain.sessions.client_metadata import ClientRules

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
def party(server: RunningServer) -> RelyingParty:
    """A confidential client that must send a challenge."""
    return add_relying_party(server, rules=ClientRules(consent="never"))


def refused(answer: httpx.Response) -> None:
    """Every refusal of a code reads the same: whoever holds one that is not theirs learns nothing."""
    assert (answer.status_code, answer.json()) == (
        400,
        {
            "error": "invalid_grant",
            "error_description": "The code is unknown, too old, used, or not this client's.",
        },
    )


def lives(api: httpx.Client, party: RelyingParty, tokens: dict[str, str]) -> bool:
    """Whether the grant does."""
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **party.credentials}
    return api.post("/oauth/token", data=form).status_code == 200


def test_a_failed_try_burns_nothing(api: httpx.Client, browser: Browser, party: RelyingParty) -> None:
    """A thief without the verifier, or with another redirect URI, cannot keep the client from redeeming its code."""
    flow = Flow(party, browser)
    code = code_of(flow.ask())
    for changed in (
        {"code_verifier": new_verifier()},
        {"code_verifier": None},
        {"code_verifier": ""},
        {"code_verifier": flow.verifier[:42]},
        {"code_verifier": flow.verifier + "a" * 90},
        {"code_verifier": challenge(flow.verifier)},
        {"redirect_uri": "https://app.example.test/cb/"},
    ):
        refused(flow.redeem(api, code, **changed))
    assert flow.redeem(api, code).status_code == 200


def test_another_clients_code(api: httpx.Client, browser: Browser, party: RelyingParty, server: RunningServer) -> None:
    """A code is its client's, whoever else holds it and the verifier (RFC 6749 §10.5)."""
    flow = Flow(party, browser)
    code = code_of(flow.ask())
    other = add_relying_party(server)
    refused(Flow(other, browser, verifier=flow.verifier).redeem(api, code))
    assert flow.redeem(api, code).status_code == 200


def test_a_used_code_ends_what_it_brought(api: httpx.Client, browser: Browser, party: RelyingParty) -> None:
    """RFC 6749 §4.1.2: the second use, by anyone, ends the grant of the first; the person stays signed in."""
    flow = Flow(party, browser)
    code = code_of(flow.ask())
    tokens = flow.redeem(api, code).json()
    refused(flow.redeem(api, code, code_verifier=new_verifier()))
    assert not lives(api, party, tokens)
    token = {"token": tokens["access_token"], **party.credentials}
    assert api.post("/oauth/introspect", data=token).json() == {"active": False}
    assert browser.refresh().status_code == 200


def test_a_page_that_is_loaded_again_is_no_thief(
    api: httpx.Client, browser: Browser, party: RelyingParty, clock: SettableClock
) -> None:
    """The same client with the right verifier, within five seconds, is refused and its grant lives; not later."""
    flow = Flow(party, browser)
    code = code_of(flow.ask())
    tokens = flow.redeem(api, code).json()
    clock.advance(4)
    refused(flow.redeem(api, code))
    assert lives(api, party, tokens)
    clock.advance(4)
    refused(flow.redeem(api, code))
    assert not lives(api, party, tokens)


def test_a_code_lives_for_a_minute(
    api: httpx.Client, browser: Browser, party: RelyingParty, clock: SettableClock
) -> None:
    """RFC 6749 §4.1.2."""
    flow = Flow(party, browser)
    code = code_of(flow.ask())
    clock.advance(60)
    refused(flow.redeem(api, code))


def test_a_challenge_that_was_taken_away(api: httpx.Client, browser: Browser, server: RunningServer) -> None:
    """PKCE downgrade: a verifier for a code without a challenge means that somebody took the challenge out."""
    party = add_relying_party(server, rules=ClientRules(consent="never", pkce="optional"))
    flow = Flow(party, browser)
    code = code_of(flow.ask(code_challenge=None, code_challenge_method=None))
    refused(flow.redeem(api, code))
    refused(flow.redeem(api, code, code_verifier=None, redirect_uri=None))
    assert flow.redeem(api, code, code_verifier=None).status_code == 200


def test_a_session_that_ended_in_between(api: httpx.Client, browser: Browser, party: RelyingParty) -> None:
    """A code made before the logout brings nothing after it."""
    flow = Flow(party, browser)
    code = code_of(flow.ask())
    browser.post("/pages/logout", at="/pages/account")
    refused(flow.redeem(api, code))


def test_a_public_client_proves_nothing_but_the_verifier(
    api: httpx.Client, browser: Browser, server: RunningServer
) -> None:
    """It names itself, sends no secret, and has no tokens of its own; a confidential one that sends none is refused."""
    party = add_relying_party(server, is_public=True)
    flow = Flow(party, browser)
    code = code_of(flow.ask())
    for changed in ({"client_id": None}, {"client_secret": "gps_x"}):
        assert flow.redeem(api, code, **changed).json()["error"] in ("invalid_client", "invalid_request")
    tokens = flow.redeem(api, code).json()
    form = {"grant_type": "client_credentials", **party.credentials}
    assert api.post("/oauth/token", data=form).json()["error"] == "unauthorized_client"
    assert api.post("/oauth/introspect", data={"token": tokens["access_token"], **party.credentials}).status_code == 401
    revoked = api.post("/oauth/revoke", data={"token": tokens["refresh_token"], **party.credentials})
    assert revoked.status_code == 200
    assert not lives(api, party, tokens)
    confidential = add_relying_party(server)
    assert Flow(confidential, browser).redeem(api, code, client_secret=None).json()["error"] == "invalid_client"
