"""The modules of the FAPI 2.0 Security Profile suite about pushed and signed requests, each a test of its name.

Of one server, and of clients that the profile binds. The names are without `fapi2-security-profile-final-`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.stories.test_fapi2 import FAPI, METADATA
from tests.stories.test_pushed_requests import is_page, opened, push
from tests.support.authorization import Flow, answer_of, code_of
from tests.support.pages import Browser
from tests.support.server import ANN, SettableClock, running_server
from tests.support.signing_party import add_signing_party

from gatepass.server.domain.sessions.client_metadata import ClientRules
from gatepass.server.domain.sessions.pushed_request import URN

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.server import RunningServer
    from tests.support.signing_party import SigningParty


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[RunningServer, Browser]]:
    """One server, and Ann's browser, signed in."""
    with running_server(tmp_path_factory.mktemp("fapi_par"), SettableClock()) as server, server.client() as api:
        assert api.post("/signup", json=ANN).status_code == 201
        with Browser(server) as browser:
            browser.sign_in(ANN)
            yield server, browser


@pytest.fixture
def server(one: tuple[RunningServer, Browser]) -> RunningServer:
    """The server."""
    return one[0]


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client's own calls."""
    with server.client() as api:
        yield api


@pytest.fixture
def party(server: RunningServer) -> SigningParty:
    """A client that the profile binds."""
    return add_signing_party(server, metadata=METADATA, rules=FAPI)


@pytest.fixture
def flow(party: SigningParty, one: tuple[RunningServer, Browser]) -> Flow:
    """Its request."""
    return Flow(party, one[1])


def error_of(answer: httpx.Response) -> tuple[int, str]:
    """Status and error of an answer in JSON."""
    return answer.status_code, str(answer.json()["error"])


# ── pushed requests ──


def test_par_ensure_plain_pkce_rejected(api: httpx.Client, flow: Flow) -> None:
    """RFC 9126 and FAPI 2.0 §5.3.2.2: S256 is the only method."""
    assert error_of(push(api, flow, code_challenge_method="plain")) == (400, "invalid_request")


def test_par_attempt_reuse_request_uri(api: httpx.Client, flow: Flow) -> None:
    """A name that has brought a code brings no other."""
    pushed = push(api, flow)
    code_of(opened(flow, pushed))
    assert is_page(opened(flow, pushed))


def test_par_ensure_reused_request_uri_prior_to_auth_completion_succeeds(
    api: httpx.Client, server: RunningServer, flow: Flow
) -> None:
    """A person who loads the page again, before they have decided, goes on."""
    asks = add_signing_party(server, metadata=METADATA, rules=ClientRules(profile="fapi2"))
    asked = Flow(asks, flow.browser)
    pushed = push(api, asked)
    pages = [asked.follow(opened(asked, pushed)) for _ in range(2)]
    assert all("wants to access" in page.text for page in pages)
    code_of(asked.submit(pages[1], decision="allow"))


def test_par_attempt_to_use_expired_request_uri(api: httpx.Client, server: RunningServer, flow: Flow) -> None:
    """It is good for as long as `expires_in` says, which is below ten minutes (§5.3.2.2)."""
    pushed = push(api, flow)
    lives = pushed.json()["expires_in"]
    assert lives < 600
    server.clock.advance(lives)
    assert is_page(opened(flow, pushed))


def test_par_attempt_to_use_request_uri_for_different_client(
    api: httpx.Client, server: RunningServer, flow: Flow
) -> None:
    """A name is its own client's."""
    other = add_signing_party(server, metadata=METADATA, rules=FAPI)
    assert is_page(opened(flow, push(api, flow), client_id=other.id))


def test_par_authorization_request_containing_request_uri_form_param(api: httpx.Client, flow: Flow) -> None:
    """RFC 9126 §2.1: a pushed request brings itself, and no name."""
    assert error_of(push(api, flow, request_uri=URN + "x" * 43)) == (400, "invalid_request")


def test_par_authorization_request_containing_request_uri(api: httpx.Client, flow: Flow, party: SigningParty) -> None:
    """Nor does a signed one."""
    token = party.sign(flow.parameters() | {"request_uri": URN + "x" * 43})
    assert api.post("/oauth/par", data=party.credentials | {"request": token}).status_code == 400


def test_par_attempt_invalid_http_method(api: httpx.Client) -> None:
    """RFC 9126 §2.3: 405 for anything but POST."""
    for method in ("GET", "PUT", "DELETE"):
        assert api.request(method, "/oauth/par").status_code == 405


def test_par_attempt_invalid_redirect_uri(api: httpx.Client, flow: Flow) -> None:
    """RFC 9126 §2.3: told where it is pushed, and never a redirect."""
    assert error_of(push(api, flow, redirect_uri="https://evil.test/cb")) == (400, "invalid_request")


@pytest.mark.parametrize("path", ["/oauth/par", "/oauth/token"])
def test_par_test_endpoint_url_as_audience_fails(api: httpx.Client, flow: Flow, party: SigningParty, path: str) -> None:
    """FAPI 2.0 §5.3.2.1: `aud` of an assertion is the issuer."""
    assertion = party.assertion(aud=party.server.url + path)
    assert error_of(api.post("/oauth/par", data=assertion | flow.parameters())) == (401, "invalid_client")


def test_par_without_duplicate_parameters(api: httpx.Client, flow: Flow, party: SigningParty) -> None:
    """A signed request stands alone, without any of its parameters beside it."""
    pushed = api.post("/oauth/par", data=party.credentials | {"request": party.sign(flow.parameters())})
    code_of(opened(flow, pushed))


# ── signed requests ──

NONE_ALG = "eyJhbGciOiJub25lIn0"


@pytest.fixture
def signs(server: RunningServer) -> SigningParty:
    """A client that has registered to sign its requests."""
    return add_signing_party(server, metadata=METADATA | {"require_signed_request_object": True}, rules=FAPI)


def push_signed(api: httpx.Client, party: SigningParty, token: str) -> httpx.Response:
    """Push a request object."""
    return api.post("/oauth/par", data=party.credentials | {"request": token})


def refused_object(api: httpx.Client, party: SigningParty, flow: Flow, **changed: Any) -> tuple[int, str]:  # noqa: ANN401
    """What becomes of a request object with some claims changed."""
    return error_of(push_signed(api, party, party.sign(Flow(party, flow.browser).parameters(), **changed)))


def test_ensure_request_object_without_exp_fails(api: httpx.Client, flow: Flow, signs: SigningParty) -> None:
    """FAPI 2.0 Message Signing §5.3.1."""
    assert refused_object(api, signs, flow, exp=None) == (400, "invalid_request_object")


def test_ensure_request_object_with_exp_over_60_fails(api: httpx.Client, flow: Flow, signs: SigningParty) -> None:
    """At most sixty minutes after `nbf`."""
    now = int(signs.server.clock())
    assert refused_object(api, signs, flow, exp=now + 4_200) == (400, "invalid_request_object")


def test_ensure_request_object_with_nbf_over_60_fails(api: httpx.Client, flow: Flow, signs: SigningParty) -> None:
    """At most sixty minutes ago."""
    now = int(signs.server.clock())
    assert refused_object(api, signs, flow, nbf=now - 4_200) == (400, "invalid_request_object")


def test_ensure_request_object_with_invalid_signature_fails(api: httpx.Client, flow: Flow, signs: SigningParty) -> None:
    """One character of the signature is another."""
    token = signs.sign(Flow(signs, flow.browser).parameters())
    head, _, signature = token.rpartition(".")
    other = ("B" if signature[5] == "A" else "A").join((signature[:5], signature[6:]))
    assert error_of(push_signed(api, signs, f"{head}.{other}")) == (400, "invalid_request_object")


def test_ensure_request_object_with_bad_aud_fails(api: httpx.Client, flow: Flow, signs: SigningParty) -> None:
    """It is for another server."""
    assert refused_object(api, signs, flow, aud="https://other.test") == (400, "invalid_request_object")


def test_ensure_request_object_signature_algorithm_is_not_none(
    api: httpx.Client, flow: Flow, signs: SigningParty
) -> None:
    """Unsigned, with the claims of a good one."""
    payload = signs.sign(Flow(signs, flow.browser).parameters()).split(".")[1]
    assert error_of(push_signed(api, signs, f"{NONE_ALG}.{payload}.")) == (400, "invalid_request_object")


def test_ensure_request_object_with_multiple_aud_succeeds(api: httpx.Client, flow: Flow, signs: SigningParty) -> None:
    """RFC 9101 §4: the server is among those that it is for."""
    own = Flow(signs, flow.browser)
    token = signs.sign(own.parameters(), aud=[signs.server.url, "https://other.test"])
    code_of(opened(own, push_signed(api, signs, token)))


def test_ensure_unsigned_request_at_par_endpoint_fails(api: httpx.Client, flow: Flow, signs: SigningParty) -> None:
    """Pushed in clear parameters."""
    assert error_of(push(api, Flow(signs, flow.browser))) == (400, "invalid_request")


def test_ensure_unsigned_authorization_request_without_using_par_fails(flow: Flow, signs: SigningParty) -> None:
    """Brought by the browser."""
    assert answer_of(Flow(signs, flow.browser).ask())["error"] == "invalid_request"


def test_ensure_signed_request_with_parameters_beside_it_is_the_signed_one(
    api: httpx.Client, flow: Flow, signs: SigningParty
) -> None:
    """`state-only-outside-request-object-not-used`, where it is pushed."""
    own = Flow(signs, flow.browser)
    form = signs.credentials | {"request": signs.sign(own.parameters(state=None)), "state": "outside"}
    assert "state" not in answer_of(opened(own, api.post("/oauth/par", data=form)))
