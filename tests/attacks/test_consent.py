"""Attacks on consent: what was not shown is not given, and who was not asked has not agreed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.authorization import Flow, answer_of, code_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.server import ANN
from tests.support.wait import eventually

from gatepass.jose import jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

ASKS = ClientRules(consent="first-time")
BOB = {"email": "bob@example.com", "password": ANN["password"]}
ASKS_BY_NAME = '{"userinfo": {"email": null}, "id_token": {"email": {"essential": true}}}'


@pytest.fixture
def browser(server: RunningServer, api: httpx.Client) -> Generator[Browser]:
    """Ann's browser, signed in."""
    api.post("/signup", json=ANN)
    with Browser(server) as browser:
        browser.sign_in(ANN)
        yield browser


def told(api: httpx.Client, tokens: dict[str, Any]) -> dict[str, Any]:
    """What UserInfo says."""
    answer = api.get("/oauth/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"})
    found: dict[str, Any] = answer.json()
    return found


def test_a_claim_that_is_asked_for_by_name_is_asked_of_the_person(
    server: RunningServer, api: httpx.Client, browser: Browser
) -> None:
    """The parameter `claims` opens nothing that the page of consent does not show (OpenID Connect Core §3.1.2.4)."""
    flow = Flow(add_relying_party(server, rules=ASKS), browser)
    page = flow.follow(flow.ask(scope="openid", claims=ASKS_BY_NAME))
    assert "email address" in page.text
    tokens = flow.redeem(api, code_of(flow.submit(page, decision="allow"))).json()
    assert told(api, tokens)["email"] == ANN["email"]
    assert tokens["scope"] == "openid"  # what the access token may do is no more than was asked


def test_a_claim_that_is_refused_is_not_told(server: RunningServer, api: httpx.Client, browser: Browser) -> None:
    """Who unticks a scope does not tell it to a request that names its claims, at UserInfo or in the ID token."""
    party = add_relying_party(server, rules=ASKS)
    for scope in ("openid email", "openid"):
        flow = Flow(party, browser)
        page = flow.follow(flow.ask(scope=scope, claims=ASKS_BY_NAME, prompt="consent"))
        tokens = flow.redeem(api, code_of(flow.submit(page, decision="allow", scope=[]))).json()
        assert set(told(api, tokens)) == {"sub"}
        assert "email" not in jwt.peek(tokens["id_token"]).claims


def test_a_remembered_consent_does_not_cover_claims(server: RunningServer, browser: Browser) -> None:
    """A client that was allowed to know who somebody is asks again before it is told more, and not in silence."""
    party = add_relying_party(server, rules=ASKS)
    first = Flow(party, browser)
    code_of(first.submit(first.follow(first.ask(scope="openid")), decision="allow"))
    assert answer_of(Flow(party, browser).ask(scope="openid", claims=ASKS_BY_NAME, prompt="none"))["error"] == (
        "consent_required"
    )


def test_a_scope_that_is_unticked_is_forgotten(server: RunningServer, browser: Browser) -> None:
    """The last answer counts: what was allowed before, and is refused now, is not given in silence the next time."""
    party = add_relying_party(server, rules=ASKS)
    for ticked in (["email"], []):
        flow = Flow(party, browser)
        code_of(flow.submit(flow.follow(flow.ask(prompt="consent")), decision="allow", scope=ticked))
    assert answer_of(Flow(party, browser).ask(prompt="none"))["error"] == "consent_required"


def test_a_consent_for_one_resource_is_not_for_all(server: RunningServer, browser: Browser) -> None:
    """A request that names no resource means each of the client's, so a consent for one of them does not cover it."""
    apis = ("https://a.example.test", "https://b.example.test")
    party = add_relying_party(server, rules=ASKS, audience=apis)
    flow = Flow(party, browser)
    code_of(flow.submit(flow.follow(flow.ask(resource=apis[0])), decision="allow"))
    code_of(Flow(party, browser).ask(resource=apis[0], prompt="none"))
    assert answer_of(Flow(party, browser).ask(prompt="none"))["error"] == "consent_required"
    more = Flow(party, browser)
    page = more.follow(more.ask())
    assert apis[1] in page.text
    code_of(more.submit(page, decision="allow"))
    code_of(Flow(party, browser).ask(prompt="none"))


def test_a_page_that_somebody_else_was_shown(server: RunningServer, api: httpx.Client, browser: Browser) -> None:
    """Ann leaves the page of consent open, Bob signs in to the same browser: pressing Allow is no consent of his."""
    api.post("/signup", json=BOB)
    flow = Flow(add_relying_party(server, rules=ASKS), browser)
    page = flow.follow(flow.ask())
    signed_in = browser.http.post(
        "/login", json={**BOB, "cookie": True}, headers={"origin": server.url, "gatepass-request": "1"}
    )
    assert signed_in.status_code == 200
    shown = flow.submit(page, decision="allow")
    assert shown.status_code == 200
    assert BOB["email"] in shown.text
    code_of(flow.submit(shown, decision="allow"))


def test_a_redirect_uri_that_was_taken_from_the_client(server: RunningServer, browser: Browser) -> None:
    """A sealed interaction does not outlive the redirect URI that it leads to: its host may be somebody else's now."""
    party = add_relying_party(server, rules=ASKS)
    flow = Flow(party, browser)
    page = flow.follow(flow.ask())
    metadata = json.dumps({"redirect_uris": ["https://new.example.test/cb"]})
    party.write("UPDATE clients SET metadata = ?1 WHERE id = ?2", metadata, party.id)
    eventually(lambda: flow.ask().status_code == 400)  # the server has looked at the client again
    for decision in ("allow", "cancel"):
        answer = flow.submit(page, decision=decision)
        assert answer.status_code == 400
        assert "location" not in answer.headers
        assert CALLBACK not in answer.text


def test_a_consent_to_another_place_leads_no_error_away(server: RunningServer, browser: Browser) -> None:
    """Errors of a client that registered itself leave at once only for the host that the person has agreed to."""
    elsewhere = "https://elsewhere.example.test/cb"
    metadata = ClientMetadata(redirect_uris=(CALLBACK, elsewhere))
    party = add_relying_party(server, rules=ASKS, metadata=metadata, origin="dcr")
    flow = Flow(party, browser)
    code_of(flow.submit(flow.follow(flow.ask()), decision="allow"))
    page = flow.follow(flow.ask(redirect_uri=elsewhere))
    refused = flow.submit(page, decision="cancel")
    assert refused.status_code == 400
    assert "elsewhere.example.test" in refused.text


def test_who_has_registered_itself_looks_at_its_own_tokens_alone(
    server: RunningServer, api: httpx.Client, browser: Browser
) -> None:
    """Anyone can register a client for the audience of all: introspection tells it nothing of others' tokens."""
    operators, strangers = (add_relying_party(server, rules=ASKS, origin=origin) for origin in ("cli", "dcr"))

    def token_of(party: RelyingParty) -> str:
        flow = Flow(party, browser)
        answer = flow.submit(flow.follow(flow.ask()), decision="allow")
        return str(flow.redeem(api, code_of(answer)).json()["access_token"])

    for party, is_told in ((operators, False), (strangers, True)):
        token = {"token": token_of(party), **strangers.credentials}
        assert api.post("/oauth/introspect", data=token).json()["active"] is is_told
