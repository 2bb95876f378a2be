"""Attacks by authorization requests: open redirectors, hidden parameters, errors that leave too early."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from tests.support.authorization import Flow, answer_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, add_relying_party

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer


@pytest.fixture
def browser(server: RunningServer) -> Generator[Browser]:
    """A browser in which nobody is signed in."""
    with Browser(server) as browser:
        yield browser


@pytest.fixture
def party(server: RunningServer) -> RelyingParty:
    """A confidential client."""
    return add_relying_party(server, scope=("openid", "email"), audience=("https://api.example.test",))


def is_page(answer: httpx.Response) -> bool:
    """Whether the answer is a page with an error, and leads nowhere."""
    return answer.status_code == 400 and "location" not in answer.headers and "<h1>" in answer.text


EVERY_ERROR: tuple[dict[str, str | None], ...] = (
    {},
    {"prompt": "none"},
    {"response_type": None},
    {"response_type": "token"},
    {"response_mode": "fragment"},
    {"scope": "nonsense"},
    {"code_challenge": None},
    {"claims": "{"},
    {"resource": "https://other.example.test"},
    {"authorization_details": "[]"},
)


@pytest.mark.parametrize(
    "redirect_uri",
    [
        None,
        "",
        "https://evil.test/cb",
        "https://app.example.test/cb/../x",
        "https://app.example.test/cb?x=1",
        "https://app.example.test@evil.test/cb",
        "https://app.example.test%2eevil.test/cb",
        "https://app.example.test/cb\\@evil.test",
        "//app.example.test/cb",
        "https://app.example.test:443/cb",
        "https://app.example.test/cb\x00",
        "javascript:alert(1)",
    ],
)
def test_no_error_leaves_before_the_redirect_uri_is_sure(
    party: RelyingParty, browser: Browser, redirect_uri: str | None
) -> None:
    """Whatever else is wrong, and with `prompt=none` too, an unknown redirect URI is a page (RFC 9700 §4.11.2)."""
    for wrong in EVERY_ERROR:
        answer = Flow(party, browser).ask(**{**wrong, "redirect_uri": redirect_uri})
        assert is_page(answer), wrong


def test_a_redirect_uri_or_client_that_stands_twice(party: RelyingParty, browser: Browser) -> None:
    """Two readers might not take the same one."""
    flow = Flow(party, browser)
    for name in ("redirect_uri", "client_id"):
        parameters = [*flow.parameters().items(), (name, flow.parameters()[name])]
        assert is_page(browser.http.get("/oauth/authorize", params=urlencode(parameters)))


def test_unknown_clients_and_those_without_the_grant(
    party: RelyingParty, browser: Browser, server: RunningServer
) -> None:
    """No redirect for a client that is unknown, built in, or only for machines."""
    machine = add_relying_party(server, grant_types=("client_credentials",))
    for client_id in ("cli_unknown", "first-party", "", "é", machine.id):
        assert is_page(Flow(party, browser).ask(client_id=client_id))


@pytest.mark.parametrize(
    ("changed", "error"),
    [
        ({"response_type": None}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"response_type": "code id_token"}, "unsupported_response_type"),
        ({"response_mode": "fragment"}, "invalid_request"),
        ({"response_mode": "web_message"}, "invalid_request"),
        ({"code_challenge": None, "code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": None}, "invalid_request"),
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": "a" * 42}, "invalid_request"),
        ({"code_challenge": "a" * 44}, "invalid_request"),
        ({"code_challenge": "+" * 43}, "invalid_request"),
        ({"scope": "openid roles"}, "invalid_scope"),
        ({"scope": "nonsense"}, "invalid_scope"),
        ({"resource": "https://other.example.test"}, "invalid_target"),
        ({"resource": "https://api.example.test#x"}, "invalid_target"),
        ({"resource": "api"}, "invalid_target"),
        ({"nonce": "n" * 513}, "invalid_request"),
        ({"prompt": "none login"}, "invalid_request"),
        ({"prompt": "nonsense"}, "invalid_request"),
        ({"max_age": "-1"}, "invalid_request"),
        ({"max_age": "1.5"}, "invalid_request"),
        ({"max_age": "9" * 400}, "invalid_request"),
        ({"registration": "{}"}, "registration_not_supported"),
        ({"claims": "[]"}, "invalid_request"),
        ({"claims": '{"userinfo": {"email": 1}}'}, "invalid_request"),
        ({"claims": '{"a": "' + "a" * 4_096 + '"}'}, "invalid_request"),
        ({"id_token_hint": "nonsense"}, "invalid_request"),
        ({"dpop_jkt": "short"}, "invalid_request"),
        ({"authorization_details": "[]"}, "invalid_request"),
    ],
)
def test_what_is_wrong_goes_back_with_state_and_issuer(
    party: RelyingParty, browser: Browser, server: RunningServer, changed: dict[str, str | None], error: str
) -> None:
    """RFC 6749 §4.1.2.1, RFC 9207: the error, whose it is, and the state, in the query."""
    flow = Flow(party, browser)
    answer = flow.ask(**changed)
    assert answer.headers["location"].startswith(f"{CALLBACK}?")
    told = answer_of(answer)
    assert (told["error"], told["state"], told["iss"]) == (error, flow.state, server.url)


def test_a_parameter_that_stands_twice_goes_back(party: RelyingParty, browser: Browser) -> None:
    """RFC 6749 §3.1; a `state` that stands twice is not repeated."""
    flow = Flow(party, browser)
    for name in ("scope", "nonce", "state"):
        parameters = [*flow.parameters().items(), (name, "x")]
        told = answer_of(browser.http.get("/oauth/authorize", params=urlencode(parameters)))
        assert told["error"] == "invalid_request"
        assert ("state" in told) == (name != "state")


def test_what_is_unknown_or_empty_is_no_error(party: RelyingParty, browser: Browser) -> None:
    """RFC 6749 §3.1: unknown parameters are ignored, empty ones absent; beside `openid` unknown scopes too."""
    flow = Flow(party, browser)
    answer = flow.ask(scope="openid groups", foo="bar", max_age="", claims="", display="wap", acr_values="1 2")
    assert "/pages/login" in answer.headers["location"]


def test_a_long_state_is_kept_or_refused(party: RelyingParty, browser: Browser) -> None:
    """It is never cut: 2,048 bytes come back whole, more are refused, and so is what is too long for a URL."""
    flow = Flow(party, browser, state="s" * 2_048)
    assert answer_of(flow.ask(prompt="none"))["state"] == flow.state
    flow.state = "s" * 2_049
    assert answer_of(flow.ask(prompt="none"))["error"] == "invalid_request"


def test_too_much_is_a_page(party: RelyingParty, browser: Browser) -> None:
    """16 KiB at most, in UTF-8."""
    flow = Flow(party, browser)
    assert is_page(flow.ask(state="s" * 17_000))
    assert is_page(browser.http.get("/oauth/authorize?client_id=%ff"))
    assert is_page(browser.http.post("/oauth/authorize", data=flow.parameters(state="s" * 17_000)))


def test_reflected_parameters_are_escaped(party: RelyingParty, browser: Browser) -> None:
    """Nothing that a request says becomes markup, on any page (Keycloak's form_post, Hydra's error_hint)."""
    hostile = '"><script>alert(1)</script>'
    flow = Flow(party, browser)
    page = flow.ask(prompt="none", response_mode="form_post", state=hostile)
    assert page.status_code == 200
    assert "<script>alert" not in page.text
    assert "&#34;&gt;&lt;script&gt;" in page.text
    for name in ("client_id", "redirect_uri", "login_hint"):
        assert "<script>alert" not in flow.follow(flow.ask(**{name: hostile})).text


def test_a_strangers_request_writes_nothing(party: RelyingParty, browser: Browser, server: RunningServer) -> None:
    """Until somebody is signed in an interaction lives in its URL alone, so no row is written for it."""
    flow = Flow(party, browser)
    for _ in range(3):
        flow.follow(flow.ask())
    for table in ("authorization_codes", "used_once", "consents"):
        assert party.read(f"SELECT COUNT(*) FROM {table} WHERE ?1 = ''", "") == 0  # noqa: S608 - names of ours


@pytest.mark.parametrize("max_age", ["0" * 20 + "9" * 5_000, "0" * 20 + "9" * 400, "9" * 19, "2147483648", "+1", "1e3"])
def test_a_number_without_end(party: RelyingParty, browser: Browser, max_age: str) -> None:
    """A `max_age` of thousands of digits is an error of the client's, and no crash."""
    assert answer_of(Flow(party, browser).ask(max_age=max_age))["error"] == "invalid_request"


@pytest.mark.parametrize(
    "claims",
    [
        '{"id_token": {"sub": {"value": "usr_a"}}, "userinfo": {"sub": {"value": "usr_b"}}}',
        '{"id_token": {"sub": {"values": []}}}',
        '{"id_token": {"sub": {"value": 1}}}',
    ],
)
def test_nobody_is_not_everybody(party: RelyingParty, browser: Browser, claims: str) -> None:
    """A request that expects nobody, or two people at once, is refused, and not answered with whoever is there."""
    for prompt in (None, "none"):
        assert answer_of(Flow(party, browser).ask(claims=claims, prompt=prompt))["error"] == "login_required"


def test_an_error_repeats_nothing_of_the_request(party: RelyingParty, browser: Browser) -> None:
    """A description has no name that the request has made up: `error_description` allows few characters."""
    name = 'x"\\<script>\u2028' + "y" * 2_000
    answer = Flow(party, browser).ask(claims=json.dumps({"userinfo": {name: 1}}, ensure_ascii=False))
    assert answer_of(answer)["error"] == "invalid_request"
    assert "y" * 10 not in answer.headers["location"]


def test_a_hint_of_any_length_makes_no_long_url(party: RelyingParty, browser: Browser) -> None:
    """A `login_hint` that no address can be is ignored: it would make the sign-in page's URL too long for proxies."""
    answer = Flow(party, browser).ask(login_hint="a" * 12_000)
    assert answer.status_code == 303
    assert len(answer.headers["location"]) < 4_000
