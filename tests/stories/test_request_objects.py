"""Authorization requests that their client has signed (RFC 9101), in the browser and pushed."""

from __future__ import annotations

import base64
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.stories.test_pushed_requests import browser as browser  # noqa: PLC0414 - a fixture
from tests.stories.test_pushed_requests import is_page, opened, push
from tests.support.authorization import Flow, answer_of, code_of
from tests.support.relying_party import CALLBACK
from tests.support.signing_party import add_signing_party

from gatepass.jose import Key

if TYPE_CHECKING:
    import httpx
    from tests.support.pages import Browser
    from tests.support.server import RunningServer, SettableClock
    from tests.support.signing_party import SigningParty

EVIL = "https://evil.test/cb"


@pytest.fixture
def party(server: RunningServer) -> SigningParty:
    """A client that signs."""
    return add_signing_party(server)


def send(flow: Flow, token: str, **beside: str) -> httpx.Response:
    """Open a signed request in the browser, with these parameters beside it."""
    return flow.browser.http.get("/oauth/authorize", params={"client_id": flow.party.id, "request": token, **beside})


def test_the_road(api: httpx.Client, browser: Browser, party: SigningParty) -> None:
    """By value at the authorization endpoint, and pushed: only what is signed counts, whatever stands beside it."""
    flow = Flow(party, browser)
    beside = {"state": "other", "redirect_uri": EVIL, "scope": "nonsense", "response_type": "token", "nonce": "x"}
    answer = send(flow, party.sign(flow.parameters()), **beside)
    assert answer_of(answer)["state"] == flow.state
    assert answer.headers["location"].startswith(CALLBACK)
    assert flow.redeem(api, code_of(answer)).status_code == 200
    pushed = api.post("/oauth/par", data=party.credentials | {"request": party.sign(flow.parameters())} | beside)
    assert answer_of(opened(flow, pushed))["state"] == flow.state


def test_state_only_outside_request_object_not_used(browser: Browser, party: SigningParty) -> None:
    """`fapi2-…-state-only-outside-request-object-not-used`: an answer to a request without state has none."""
    flow = Flow(party, browser)
    answer = send(flow, party.sign(flow.parameters(state=None)), state="outside", nonce="outside")
    assert "state" not in answer_of(answer)


def test_oidcc_ensure_request_object_with_redirect_uri(browser: Browser, party: SigningParty) -> None:
    """The redirect URI inside is the one, also where the one outside is none of the client's."""
    answer = send(Flow(party, browser), party.sign(Flow(party, browser).parameters()), redirect_uri=EVIL)
    assert answer.headers["location"].startswith(CALLBACK)


def test_oidcc_unsigned_request_object_supported_correctly_or_rejected_as_unsupported(
    api: httpx.Client, browser: Browser, party: SigningParty
) -> None:
    """It is refused: `none` is no signature, under whatever name, with or without parameters beside it."""
    flow = Flow(party, browser)
    claims = flow.parameters() | {"iss": party.id, "aud": party.server.url, "exp": int(party.server.clock()) + 60}
    payload = _encoded(claims)
    for alg in ("none", "None", "nOnE"):
        token = f"{_encoded({'alg': alg})}.{payload}."
        assert is_page(send(flow, token))
        assert answer_of(send(flow, token, **flow.parameters(client_id=None)))["error"] == "invalid_request_object"
        refused = api.post("/oauth/par", data=party.credentials | {"request": token})
        assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request_object")


def _encoded(members: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(members).encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "https://other.example.test"},
        {"iss": "cli_other"},
        {"sub": "its own id"},
        {"client_id": "cli_other"},
        {"exp": None},
        {"typ": "at+jwt"},
        {"key": Key.generate("ES256")},
        {"key": Key.from_secret(b"x" * 32, "HS256")},
        {"request_uri": "https://evil.test/request"},
        {"state": "x" * 8_192},
    ],
)
def test_an_object_that_is_none(
    api: httpx.Client, browser: Browser, party: SigningParty, changes: dict[str, Any]
) -> None:
    """`ensure-request-object-*`: a page while the redirect URI is not sure, and then the client; JSON where pushed."""
    flow = Flow(party, browser)
    if "sub" in changes:
        changes = {"sub": party.id}
    token = party.sign(flow.parameters(), **changes)
    assert is_page(send(flow, token))
    assert is_page(send(flow, token, redirect_uri=EVIL, prompt="none"))
    told = answer_of(send(flow, token, redirect_uri=CALLBACK, state="beside"))
    assert (told["error"], told["state"]) == ("invalid_request_object", "beside")
    refused = api.post("/oauth/par", data=party.credentials | {"request": token})
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_request_object")


def test_what_is_wrong_inside_goes_back_by_what_is_inside(
    api: httpx.Client, browser: Browser, party: SigningParty
) -> None:
    """A signed request is checked as any other; the redirect URI inside has to be the client's."""
    flow = Flow(party, browser)
    told = answer_of(send(flow, party.sign(flow.parameters(code_challenge_method="plain")), state="other"))
    assert (told["error"], told["state"]) == ("invalid_request", flow.state)
    assert is_page(send(flow, party.sign(flow.parameters(redirect_uri=EVIL)), redirect_uri=CALLBACK))
    assert is_page(send(flow, party.sign(flow.parameters(redirect_uri=None)), redirect_uri=CALLBACK))
    pkce = {"code_challenge": None, "code_challenge_method": None}
    refused = api.post(
        "/oauth/par", data=party.credentials | flow.parameters() | {"request": party.sign(flow.parameters(**pkce))}
    )
    assert refused.json()["error"] == "invalid_request"


def test_a_name_is_good_once(
    api: httpx.Client, browser: Browser, party: SigningParty, server: RunningServer, clock: SettableClock
) -> None:
    """Whoever sees a request on its way cannot send another browser with it; another client's names are its own."""
    flow = Flow(party, browser)
    token = party.sign(flow.parameters(), jti="once")
    code_of(send(flow, token))
    assert is_page(send(flow, token))
    clock.advance(305)  # expired, and let pass for the difference of clocks
    assert is_page(send(flow, token))
    other = add_signing_party(server)
    theirs = Flow(other, browser)
    code_of(send(theirs, other.sign(theirs.parameters(), jti="once")))
    nameless = party.sign(flow.parameters(), jti=None)
    for _ in range(2):
        code_of(send(flow, nameless))


def test_ensure_unsigned_authorization_request_fails(
    api: httpx.Client, browser: Browser, server: RunningServer
) -> None:
    """`require_signed_request_object`: nobody else makes requests in the client's name, pushed or not."""
    party = add_signing_party(server, metadata={"require_signed_request_object": True})
    flow = Flow(party, browser)
    assert answer_of(flow.ask())["error"] == "invalid_request"
    assert push(api, flow).json()["error"] == "invalid_request"
    code_of(send(flow, party.sign(flow.parameters())))


def test_the_algorithm_that_is_registered(browser: Browser, server: RunningServer) -> None:
    """RFC 7591 §2: with `request_object_signing_alg` no other key of the client's is taken."""
    party = add_signing_party(server, metadata={"request_object_signing_alg": "PS256"})
    flow = Flow(party, browser)
    assert is_page(send(flow, party.sign(flow.parameters())))


def test_a_request_is_no_proof_of_the_client(api: httpx.Client, browser: Browser, party: SigningParty) -> None:
    """RFC 9101 §10.8: neither passes for the other, whatever the claims say."""
    flow = Flow(party, browser)
    assertion = party.assertion()["client_assertion"]
    assert is_page(send(flow, assertion))
    as_proof = party.credentials | {"client_assertion": party.sign(flow.parameters(), sub=party.id)}
    assert api.post("/oauth/par", data=as_proof | flow.parameters()).json()["error"] == "invalid_client"


def test_another_clients_request(browser: Browser, party: SigningParty, server: RunningServer) -> None:
    """It is checked under the keys of the client that the request names, and must name that client itself."""
    other = add_signing_party(server)
    flow = Flow(other, browser)
    assert is_page(send(flow, party.sign(flow.parameters())))
    assert is_page(send(flow, party.sign(Flow(party, browser).parameters())))


def test_the_metadata_says_so(api: httpx.Client) -> None:
    """OpenID Connect Discovery §3: by value, signed; none by reference, which would have us fetch anything."""
    document = api.get("/.well-known/openid-configuration").json()
    assert document["request_parameter_supported"] is True
    assert document["request_uri_parameter_supported"] is False
    assert "none" not in document["request_object_signing_alg_values_supported"]
    assert {"ES256", "PS256", "Ed25519"} <= set(document["request_object_signing_alg_values_supported"])
