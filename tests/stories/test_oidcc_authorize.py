"""Modules of the OpenID Foundation's suite about authorization requests, each a test of its name, at one server.

Each is short: what a module proves is proved in depth by the stories and the table of decisions.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.authorization import FORM, Flow, answer_of, code_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.server import ANN, SettableClock, running_server
from tests.support.signing_party import add_signing_party

from gatepass.jose import jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

SCOPES = ("openid", "profile", "email", "address", "phone")


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """One server, and Ann."""
    with running_server(tmp_path_factory.mktemp("oidcc"), SettableClock(), dynamic_registration="open") as server:
        with server.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        yield server


@pytest.fixture
def server(one: RunningServer) -> RunningServer:
    """The server."""
    return one


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client's own calls."""
    with server.client() as api:
        yield api


@pytest.fixture
def stranger(server: RunningServer) -> Generator[Browser]:
    """A browser in which nobody is signed in."""
    with Browser(server) as browser:
        yield browser


@pytest.fixture
def browser(stranger: Browser) -> Browser:
    """Ann's browser, signed in."""
    stranger.sign_in(ANN)
    return stranger


@pytest.fixture(scope="module")
def app(one: RunningServer) -> RelyingParty:
    """A client as the Basic plan has it: confidential, and it may leave out PKCE."""
    return add_relying_party(one, scope=SCOPES, rules=ClientRules(consent="never", pkce="optional"))


@pytest.fixture
def flow(app: RelyingParty, browser: Browser) -> Flow:
    """A request of the client in Ann's browser."""
    return Flow(app, browser)


def id_token(flow: Flow, api: httpx.Client, answer: httpx.Response) -> dict[str, Any]:
    """The claims of the ID token that the code of an answer brings."""
    told = flow.redeem(api, code_of(answer))
    assert told.status_code == 200, told.text
    return dict(jwt.peek(told.json()["id_token"]).claims)


def is_page(answer: httpx.Response) -> bool:
    """Whether an answer goes back to nobody."""
    return answer.status_code == 400 and "location" not in answer.headers


def signs_in(flow: Flow, page: httpx.Response) -> httpx.Response:
    """Sign in on a page that asks for it."""
    assert "/pages/login" in str(page.url), page.text
    return flow.submit(page, **ANN)


def test_oidcc_response_type_missing(flow: Flow) -> None:
    """`invalid_request`, at the client."""
    assert answer_of(flow.ask(response_type=None))["error"] == "invalid_request"


@pytest.mark.parametrize("display", ["page", "popup"])
def test_oidcc_display_page_and_popup(flow: Flow, display: str) -> None:
    """`oidcc-display-page`, `oidcc-display-popup`: taken."""
    assert "code" in answer_of(flow.ask(display=display))


def test_oidcc_prompt_login(flow: Flow, api: httpx.Client, server: RunningServer) -> None:
    """Who is signed in signs in again, and `auth_time` is that of now."""
    first = id_token(flow, api, flow.ask())
    server.clock.advance(5)
    page = flow.follow(flow.ask(prompt="login"))
    server.clock.advance(1)
    assert id_token(flow, api, signs_in(flow, page))["auth_time"] > first["auth_time"]


def test_oidcc_prompt_none_not_logged_in(app: RelyingParty, stranger: Browser) -> None:
    """`login_required`, and no page."""
    assert answer_of(Flow(app, stranger).ask(prompt="none"))["error"] == "login_required"


def test_oidcc_prompt_none_logged_in(flow: Flow, api: httpx.Client) -> None:
    """The same sign-in, without a page."""
    first = id_token(flow, api, flow.ask())
    second = id_token(flow, api, flow.ask(prompt="none"))
    assert (first["sub"], first["auth_time"]) == (second["sub"], second["auth_time"])


def test_oidcc_max_age_1(flow: Flow, api: httpx.Client, server: RunningServer) -> None:
    """A second later, one has to sign in again, and `auth_time` says so."""
    first = id_token(flow, api, flow.ask())
    server.clock.advance(2)
    page = flow.follow(flow.ask(max_age="1"))
    server.clock.advance(1)
    assert id_token(flow, api, signs_in(flow, page))["auth_time"] > first["auth_time"]


def test_oidcc_max_age_10000(flow: Flow, api: httpx.Client, server: RunningServer) -> None:
    """A sign-in that is young enough counts, and `auth_time` is there."""
    first = id_token(flow, api, flow.ask(max_age="15000"))
    server.clock.advance(2)
    assert id_token(flow, api, flow.ask(max_age="10000"))["auth_time"] == first["auth_time"]


def test_oidcc_ensure_request_with_unknown_parameter_succeeds(flow: Flow) -> None:
    """RFC 6749 §3.1: what we do not know is ignored."""
    assert "code" in answer_of(flow.ask(extra="foobar"))


def test_oidcc_login_hint(app: RelyingParty, stranger: Browser) -> None:
    """It fills the field of the address; whether there is such an account, the page does not say."""
    flow = Flow(app, stranger)
    assert 'value="buffy@example.test"' in flow.follow(flow.ask(login_hint="buffy@example.test")).text


def test_oidcc_ui_locales(app: RelyingParty, stranger: Browser) -> None:
    """The first language that there is."""
    flow = Flow(app, stranger)
    assert '<html lang="de"' in flow.follow(flow.ask(ui_locales="xx de en")).text
    assert flow.follow(flow.ask(ui_locales="se")).status_code == 200


def test_oidcc_claims_locales(flow: Flow) -> None:
    """Taken."""
    assert "code" in answer_of(flow.ask(claims_locales="se"))


def test_oidcc_ensure_request_with_acr_values_succeeds(flow: Flow) -> None:
    """What we do not know is ignored; that of the sign-in is met."""
    assert "code" in answer_of(flow.ask(acr_values="urn:unknown 1"))


def test_oidcc_codereuse(flow: Flow, api: httpx.Client) -> None:
    """A code is good once."""
    code = code_of(flow.ask())
    assert flow.redeem(api, code).status_code == 200
    assert flow.redeem(api, code).json()["error"] == "invalid_grant"


def test_oidcc_codereuse_30seconds(flow: Flow, api: httpx.Client, server: RunningServer) -> None:
    """Half a minute later its second use also ends what the first has brought."""
    code = code_of(flow.ask())
    token = flow.redeem(api, code).json()["access_token"]
    server.clock.advance(30)
    assert flow.redeem(api, code).json()["error"] == "invalid_grant"
    assert api.get("/oauth/userinfo", headers={"authorization": f"Bearer {token}"}).status_code == 401


def test_oidcc_ensure_registered_redirect_uri(flow: Flow) -> None:
    """One that is not registered gets a page."""
    assert is_page(flow.ask(redirect_uri="https://app.example.test/other"))


def test_oidcc_ensure_redirect_uri_in_authorization_request(flow: Flow) -> None:
    """It is always demanded."""
    assert is_page(flow.ask(redirect_uri=None))


def test_oidcc_ensure_post_request_succeeds(flow: Flow) -> None:
    """Core §3.1.2.1: the request as a form; the browser holds back the session's cookie, so one page leads on."""
    answer = flow.browser.http.post("/oauth/authorize", data=flow.parameters(), headers=FORM)
    assert "code" in answer_of(flow.follow(answer))


def test_oidcc_server_client_secret_post(flow: Flow, api: httpx.Client) -> None:
    """The secret in the form, or in the header."""
    assert flow.redeem(api, code_of(flow.ask())).status_code == 200
    form = {"grant_type": "authorization_code", "code": code_of(flow.ask()), "redirect_uri": CALLBACK}
    form["code_verifier"] = flow.verifier
    assert api.post("/oauth/token", data=form, auth=(flow.party.id, flow.party.secret)).status_code == 200


def test_oidcc_ensure_request_with_valid_pkce_succeeds(flow: Flow, api: httpx.Client) -> None:
    """With PKCE; and for a client that may, without."""
    assert flow.redeem(api, code_of(flow.ask())).status_code == 200
    code = code_of(flow.ask(code_challenge=None, code_challenge_method=None))
    assert flow.redeem(api, code, code_verifier=None).status_code == 200


def test_oidcc_alternate_happy_flow(flow: Flow, api: httpx.Client) -> None:
    """By `form_post`, without a state, with other scopes."""
    answer = flow.ask(response_mode="form_post", state=None, scope="openid email")
    assert answer.status_code == 200
    assert 'name="state"' not in answer.text
    assert f'action="{CALLBACK}"' in answer.text


def test_oidcc_scope_all(flow: Flow, api: httpx.Client) -> None:
    """Every standard scope at once; what there is to tell is at UserInfo."""
    tokens = flow.redeem(api, code_of(flow.ask(scope=" ".join(SCOPES)))).json()
    told = api.get("/oauth/userinfo", headers={"authorization": f"Bearer {tokens['access_token']}"}).json()
    assert told["email"] == ANN["email"]
    assert set(tokens["scope"].split()) == set(SCOPES)


def test_oidcc_ensure_client_assertion_with_iss_aud_succeeds(
    server: RunningServer, api: httpx.Client, browser: Browser
) -> None:
    """RFC 7523bis: `aud` is the issuer."""
    party = add_signing_party(server, rules=ClientRules(consent="never"))
    flow = Flow(party, browser)
    assert jwt.peek(party.credentials["client_assertion"]).claims["aud"] == server.url
    assert flow.redeem(api, code_of(flow.ask())).status_code == 200


def test_oidcc_request_uri_unsigned(flow: Flow, api: httpx.Client) -> None:
    """We announce none, and take none of others: it would be a way to have us look around in our own network."""
    assert api.get("/.well-known/openid-configuration").json()["request_uri_parameter_supported"] is False
    assert is_page(flow.ask(request_uri="https://app.example.test/request.jwt"))


def test_oidcc_registration_logo_policy_tos_and_jwks_uri(api: httpx.Client) -> None:
    """`oidcc-registration-logo-uri`, `-policy-uri`, `-tos-uri`, `-jwks-uri`: they come back as they were sent."""
    said = {
        "redirect_uris": [CALLBACK],
        "logo_uri": "https://app.example.test/logo.png",
        "policy_uri": "https://app.example.test/policy",
        "tos_uri": "https://app.example.test/terms",
        "jwks_uri": "https://app.example.test/keys",
    }
    answer = api.post("/oauth/register", json=said)
    assert answer.status_code == 201
    assert {name: answer.json()[name] for name in said} == said


@pytest.mark.parametrize(
    ("sent", "is_taken"),
    [
        (f"{CALLBACK}?foo=bar", True),
        (f"{CALLBACK}?foo=bar&x=y", False),
        (CALLBACK, False),
        (f"{CALLBACK}?foo=b", False),
    ],
    ids=["OK", "added", "missing", "mismatch"],
)
def test_oidcc_redirect_uri_query_OK_added_and_mismatch(  # noqa: N802 - the modules' names
    server: RunningServer, browser: Browser, sent: str, *, is_taken: bool
) -> None:
    """`oidcc-redirect-uri-query-OK`, `-added`, `-mismatch`: a query is part of the URI, byte for byte."""
    metadata = ClientMetadata(redirect_uris=(f"{CALLBACK}?foo=bar",))
    answer = Flow(add_relying_party(server, metadata=metadata), browser).ask(redirect_uri=sent)
    assert is_page(answer) != is_taken
    if is_taken:
        assert answer.headers["location"].startswith(f"{sent}&code=")
