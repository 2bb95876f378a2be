"""Pushed authorization requests (RFC 9126), by the modules of the FAPI 2.0 suite (`par-*`) where it has one."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from tests.stories.test_dpop import OWNERS, THIEFS, Prover
from tests.support.authorization import FORM, Flow, answer_of, code_of
from tests.support.pages import Browser
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN, running_server

from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.server.domain.sessions.pushed_request import URN

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

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
    """A client that the operator does not let people be asked about."""
    return add_relying_party(server)


def push(api: httpx.Client, flow: Flow, headers: dict[str, str] | None = None, **changed: str | None) -> httpx.Response:
    """Push the flow's request, as its client."""
    form: dict[str, str | None] = {**flow.parameters(), **flow.party.credentials, **changed}
    sent = {name: value for name, value in form.items() if value is not None}
    return api.post("/oauth/par", data=sent, headers=headers or {})


def opened(flow: Flow, pushed: httpx.Response, **changed: str | None) -> httpx.Response:
    """Open a pushed request in the browser, with nothing but its name."""
    query = {"client_id": flow.party.id, "request_uri": pushed.json()["request_uri"]} | changed
    return flow.browser.http.get("/oauth/authorize", params={n: v for n, v in query.items() if v is not None})


def is_page(answer: httpx.Response) -> bool:
    """Whether it is a page that leads nowhere."""
    return answer.status_code == 400 and "location" not in answer.headers


def test_the_road(api: httpx.Client, browser: Browser, party: RelyingParty) -> None:
    """RFC 9126 §2.2: 201 with a name and a lifetime; the browser brings the name, and the answer is as ever."""
    flow = Flow(party, browser)
    pushed = push(api, flow)
    assert pushed.status_code == 201
    assert pushed.headers["cache-control"] == "no-store"
    assert pushed.json()["expires_in"] == 90
    assert len(pushed.json()["request_uri"].removeprefix(URN)) == 43
    answer = opened(flow, pushed)
    assert answer_of(answer)["state"] == flow.state
    assert flow.redeem(api, code_of(answer)).status_code == 200


def test_what_stands_beside_the_name_does_not_count(api: httpx.Client, browser: Browser, party: RelyingParty) -> None:
    """`state-only-outside-request-object-not-used`: only what was pushed is read."""
    flow = Flow(party, browser)
    answer = opened(flow, push(api, flow), state="other", redirect_uri="https://evil.test", scope="nonsense")
    assert answer_of(answer)["state"] == flow.state


def test_reuse_after_and_before_completion(api: httpx.Client, browser: Browser, server: RunningServer) -> None:
    """`attempt-reuse-request_uri`: a reload works until there is a code, and then there is a page."""
    flow = Flow(add_relying_party(server, rules=ClientRules()), browser)
    pushed = push(api, flow)
    pages = [flow.follow(opened(flow, pushed)) for _ in range(2)]
    assert all("wants to access" in page.text for page in pages)
    code_of(flow.submit(pages[0], decision="allow"))
    assert is_page(opened(flow, pushed))
    assert is_page(flow.submit(pages[1], decision="allow"))


def test_it_expires(api: httpx.Client, browser: Browser, party: RelyingParty, clock: SettableClock) -> None:
    """`par-attempt-to-use-expired-request_uri`."""
    flow = Flow(party, browser)
    pushed = push(api, flow)
    clock.advance(90)
    answer = opened(flow, pushed)
    assert is_page(answer)
    assert "This sign-in has expired" in answer.text  # it is no form that a person could send again


def test_another_clients(api: httpx.Client, browser: Browser, party: RelyingParty, server: RunningServer) -> None:
    """`par-attempt-to-use-request_uri-for-different-client`."""
    flow = Flow(party, browser)
    pushed = push(api, flow)
    assert is_page(opened(flow, pushed, client_id=add_relying_party(server).id))
    assert is_page(opened(flow, pushed, request_uri=URN + "x" * 43))
    assert is_page(opened(flow, pushed, request_uri="https://evil.test/request"))
    assert is_page(opened(flow, pushed, client_id=None))


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"redirect_uri": "https://evil.test/cb"}, "invalid_request"),
        ({"redirect_uri": None}, "invalid_request"),
        ({"request_uri": URN + "x" * 43}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"scope": "nonsense"}, "invalid_scope"),
        ({"resource": "https://other.example.test"}, "invalid_target"),
    ],
)
def test_errors_are_json(
    api: httpx.Client, browser: Browser, party: RelyingParty, changed: dict[str, str | None], error: str
) -> None:
    """`par-pkce-required`, `par-plain-pkce-rejected`, `par-request_uri-inside`: 400, JSON, never a redirect."""
    answer = push(api, Flow(party, browser), None, **changed)
    assert (answer.status_code, answer.json()["error"]) == (400, error)
    assert answer.json()["error_description"] != "Invalid request", "it says which parameter, and what of it"


def test_wrong_method_size_and_client(api: httpx.Client, browser: Browser, party: RelyingParty) -> None:
    """`par-wrong-http-verb` is 405, more than 16 KiB 413, and nobody pushes in another's name."""
    assert api.get("/oauth/par").status_code == 405
    assert push(api, Flow(party, browser), state="s" * 17_000).status_code == 413
    answer = push(api, Flow(party, browser), client_secret="gps_wrong")
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_client")


def test_a_client_may_have_to_push(api: httpx.Client, browser: Browser, server: RunningServer) -> None:
    """RFC 9126 §6: a client that has registered so."""
    metadata = ClientMetadata(
        redirect_uris=("https://app.example.test/cb",), require_pushed_authorization_requests=True
    )
    flow = Flow(add_relying_party(server, metadata=metadata), browser)
    assert answer_of(flow.ask())["error"] == "invalid_request"
    code_of(opened(flow, push(api, flow)))


def test_everybody_may_have_to_push(tmp_path: Path) -> None:
    """RFC 9126 §5: the setting is for all clients."""
    must_push = running_server(tmp_path / "data", require_pushed_authorization_requests=True)
    with must_push as server, Browser(server) as browser:
        assert answer_of(Flow(add_relying_party(server), browser).ask())["error"] == "invalid_request"


def test_a_proof_binds_the_code(
    api: httpx.Client, browser: Browser, party: RelyingParty, server: RunningServer
) -> None:
    """RFC 9449 §10.1: a DPoP proof at PAR binds the code to its key, and must agree with `dpop_jkt`."""
    owner, thief = Prover(server, OWNERS), Prover(server, THIEFS)
    flow = Flow(party, browser)
    wrong = push(api, flow, owner("/oauth/par"), dpop_jkt=THIEFS.thumbprint())
    assert (wrong.status_code, wrong.json()["error"]) == (400, "invalid_dpop_proof")
    code = code_of(opened(flow, push(api, flow, owner("/oauth/par"), dpop_jkt=OWNERS.thumbprint())))
    for headers in ({}, thief("/oauth/token")):
        refused = flow.redeem(api, code, headers=headers)
        assert refused.json()["error"] == "invalid_grant"
    tokens = flow.redeem(api, code, headers=owner("/oauth/token")).json()
    assert tokens["token_type"] == "DPoP"


def test_strangers_in_a_public_clients_name_have_a_limit(
    api: httpx.Client, browser: Browser, server: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Anyone can push in the name of a public client, so its requests that wait are counted; 429 and when again."""
    monkeypatch.setattr("gatepass.server.features.oauth.par.MOST_OF_A_CLIENT", 2)
    flow = Flow(add_relying_party(server, is_public=True), browser)
    assert [push(api, flow).status_code for _ in range(3)] == [201, 201, 429]
    assert push(api, flow).headers["retry-after"] == "90"
    assert push(api, flow).json()["error"] == "temporarily_unavailable"


def test_a_stranger_does_not_use_up_a_public_clients_requests(
    tmp_path: Path, clock: SettableClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are counted for each network too, so that whoever floods a client keeps nobody else out of it."""
    monkeypatch.setattr("gatepass.server.features.oauth.par.MOST_OF_A_NETWORK", 2)
    with running_server(tmp_path, clock, trusted_proxy=("127.0.0.0/8", "::1/128")) as server, server.client() as api:
        with Browser(server) as browser:
            flow = Flow(add_relying_party(server, is_public=True), browser)
        flood, owner = ({"x-forwarded-for": address} for address in ("203.0.113.7", "203.0.113.8"))
        assert [push(api, flow, flood).status_code for _ in range(3)] == [201, 201, 429]
        assert push(api, flow, owner).status_code == 201
        clock.advance(91)
        assert push(api, flow, flood).status_code == 201


def test_a_name_that_stands_twice(api: httpx.Client, browser: Browser, party: RelyingParty) -> None:
    """Two readers might not open the same request; a page, for nobody knows whose redirect URI counts."""
    flow = Flow(party, browser)
    names = [push(api, flow).json()["request_uri"] for _ in range(2)]
    assert "code" in answer_of(opened(flow, push(api, flow)))
    for twice in (names, [names[0], names[0]], [names[0], "urn:ietf:params:oauth:request_uri:unknown"]):
        query = [("client_id", party.id), *(("request_uri", name) for name in twice)]
        answer = browser.http.get("/oauth/authorize", params=urlencode(query))
        assert is_page(answer)
        assert is_page(browser.http.post("/oauth/authorize", content=urlencode(query), headers=FORM))
