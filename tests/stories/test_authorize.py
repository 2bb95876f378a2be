"""The authorization endpoint, its pages and the code: what a relying party and a person see of them."""

from __future__ import annotations

import html
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import pytest
from tests.support.authorization import Flow, answer_of, code_of, form_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.server import ANN

from gatepass.jose import KeySet, jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.server import RunningServer, SettableClock

ASKS = ClientRules()
"""The rules of a client of somebody else's: people are asked the first time."""


@pytest.fixture
def browser(server: RunningServer, api: httpx.Client) -> Generator[Browser]:
    """A browser, and Ann's account."""
    assert api.post("/signup", json=ANN).status_code == 201
    with Browser(server) as browser:
        yield browser


@pytest.fixture
def signed_in(browser: Browser, clock: SettableClock) -> Browser:
    """The same, in which Ann has signed in some time ago."""
    assert browser.sign_in(ANN).status_code == 303
    clock.advance(100)
    return browser


def test_the_whole_road(server: RunningServer, api: httpx.Client, browser: Browser) -> None:
    """Sign in, agree, come back with a code, and get tokens that say who it is, for how long, and what for."""
    flow = Flow(add_relying_party(server, rules=ASKS), browser)
    sign_in = flow.follow(flow.ask())
    assert "/pages/login" in str(sign_in.url)
    consent = flow.submit(sign_in, **ANN)
    assert "app wants to access your account" in html.unescape(consent.text)
    answer = flow.submit(consent, decision="allow")
    assert answer.headers["location"].startswith(f"{CALLBACK}?code=")
    told = answer_of(answer)
    assert (told["state"], told["iss"]) == (flow.state, server.url)
    tokens = flow.redeem(api, told["code"]).json()
    assert tokens["scope"] == "openid email"
    keys = KeySet.from_jwks(api.get("/.well-known/jwks.json").text)
    id_token = jwt.verify(tokens["id_token"], keys, issuer=server.url, audience=flow.party.id, typ="JWT")
    assert id_token["nonce"] == "n-0S6_WzA2Mj"
    access_token = jwt.verify(tokens["access_token"], keys, issuer=server.url, audience=server.url, typ="at+jwt")
    assert access_token["sub"] == id_token["sub"]
    again = flow.party.refresh(api, tokens["refresh_token"])
    assert again["access_token"] != tokens["access_token"]


def test_who_is_signed_in_and_has_agreed_comes_back_at_once(
    server: RunningServer, api: httpx.Client, signed_in: Browser
) -> None:
    """Single sign-on: with a session and a remembered consent the first answer has the code, `prompt=none` too."""
    party = add_relying_party(server, rules=ASKS)
    first = Flow(party, signed_in)
    code_of(first.submit(first.follow(first.ask()), decision="allow"))
    for prompt in (None, "none"):
        flow = Flow(party, signed_in)
        assert flow.redeem(api, code_of(flow.ask(prompt=prompt))).status_code == 200
    more = Flow(party, signed_in)
    assert "email address" in more.follow(more.ask(scope="openid email roles")).text


def test_cancel_is_told_and_nothing_is_remembered(server: RunningServer, signed_in: Browser) -> None:
    """Who does not agree goes back with `access_denied`, and is asked again the next time."""
    party = add_relying_party(server, rules=ASKS)
    for _ in range(2):
        flow = Flow(party, signed_in)
        answer = answer_of(flow.submit(flow.follow(flow.ask()), decision="cancel"))
        assert answer["error"] == "access_denied"
        assert (answer["state"], answer["iss"]) == (flow.state, server.url)


def test_scopes_that_are_left_out_are_not_given(server: RunningServer, api: httpx.Client, signed_in: Browser) -> None:
    """A scope whose box is not ticked is missing in the token, and the answer says so."""
    flow = Flow(add_relying_party(server, rules=ASKS), signed_in)
    page = flow.follow(flow.ask(scope="openid email roles"))
    answer = flow.submit(page, decision="allow", scope=["roles"])
    assert flow.redeem(api, code_of(answer)).json()["scope"] == "openid roles"


@pytest.mark.parametrize(
    ("prompt", "error"),
    [
        (None, "login_required"),
        ("consent", "invalid_request"),
    ],
)
def test_silence_is_kept(server: RunningServer, browser: Browser, prompt: str | None, error: str) -> None:
    """`prompt=none` shows no page: it fails aloud where one would be needed, and goes with no other prompt."""
    flow = Flow(add_relying_party(server), browser)
    answer = answer_of(flow.ask(prompt=" ".join(filter(None, ("none", prompt)))))
    assert answer["error"] == error


def test_a_fresh_sign_in_is_one_of_this_interaction(
    server: RunningServer, api: httpx.Client, signed_in: Browser, clock: SettableClock
) -> None:
    """`prompt=login` and `max_age=0` ask for the password once more, and once only."""
    party = add_relying_party(server)
    for changed in ({"prompt": "login"}, {"max_age": "0"}, {"max_age": "50"}):
        flow = Flow(party, signed_in)
        clock.advance(60)
        page = flow.follow(flow.ask(**changed))
        assert "/pages/login" in str(page.url), changed
        clock.advance(1)
        answer = flow.submit(page, **ANN)
        assert flow.redeem(api, code_of(answer)).status_code == 200
    assert "code" in answer_of(Flow(party, signed_in).ask(max_age="50"))


def test_the_account_can_be_chosen(server: RunningServer, signed_in: Browser) -> None:
    """`select_account` shows who is signed in; going on as that person answers, another account signs in first."""
    party = add_relying_party(server)
    flow = Flow(party, signed_in)
    page = flow.follow(flow.ask(prompt="select_account"))
    assert ANN["email"] in page.text
    assert "/pages/login" in str(flow.submit(page, decision="another").url)
    code_of(flow.submit(page, decision="continue"))


def test_a_second_factor_is_asked_where_the_client_asks_for_two(server: RunningServer, signed_in: Browser) -> None:
    """`acr_values=2` leads to where a factor can be set up; who cancels there is refused. Unknown values do nothing."""
    party = add_relying_party(server)
    flow = Flow(party, signed_in)
    page = flow.follow(flow.ask(acr_values="2"))
    assert "second factor" in page.text
    answer = answer_of(flow.submit(page, decision="cancel"))
    assert answer["error"] == "unmet_authentication_requirements"
    assert answer_of(Flow(party, signed_in).ask(acr_values="2", prompt="none"))["error"] == (
        "unmet_authentication_requirements"
    )
    code_of(Flow(party, signed_in).ask(acr_values="urn:unknown 1"))


def test_an_interaction_is_answered_once(server: RunningServer, signed_in: Browser) -> None:
    """The back button after the answer shows a page, and not a second code."""
    flow = Flow(add_relying_party(server, rules=ASKS), signed_in)
    page = flow.follow(flow.ask())
    code_of(flow.submit(page, decision="allow"))
    again = flow.submit(page, decision="allow")
    assert again.status_code == 400
    assert "already completed" in again.text


def test_another_browser_cannot_go_on(server: RunningServer, signed_in: Browser) -> None:
    """Whoever gets somebody else to open a page of an interaction of theirs leads nobody to agree to it."""
    flow = Flow(add_relying_party(server, rules=ASKS), signed_in)
    action, _ = form_of(flow.follow(flow.ask()).text)
    with Browser(server) as other:
        other.sign_in(ANN)
        assert other.get(action).status_code == 400
        assert "another browser" in other.get(action).text


def test_the_answer_can_be_posted(server: RunningServer, api: httpx.Client, signed_in: Browser) -> None:
    """`response_mode=form_post`: a page whose form goes to the client, by a button or a script of ours alone."""
    flow = Flow(add_relying_party(server), signed_in)
    page = flow.ask(response_mode="form_post")
    action, fields = form_of(page.text)
    assert action == CALLBACK
    assert "form-action 'self' https://app.example.test;" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert flow.redeem(api, fields["code"]).status_code == 200


def test_pages_of_an_interaction_let_popups_and_forms_back(server: RunningServer, browser: Browser) -> None:
    """The opener of a popup is kept, and forms may lead to the client, but framing stays forbidden."""
    flow = Flow(add_relying_party(server, rules=ASKS), browser)
    answer = flow.ask()
    assert answer.headers["cross-origin-opener-policy"] == "unsafe-none"
    sign_in = flow.follow(answer)
    assert sign_in.headers["cross-origin-opener-policy"] == "unsafe-none"
    consent = flow.submit(sign_in, **ANN)
    assert consent.headers["cross-origin-opener-policy"] == "unsafe-none"
    policy = consent.headers["content-security-policy"]
    assert "form-action 'self' https://app.example.test;" in policy
    assert "frame-ancestors 'none'" in policy
    assert browser.get("/pages/account").headers["cross-origin-opener-policy"] == "same-origin"


def test_who_comes_from_another_site_is_looked_at_twice(server: RunningServer, signed_in: Browser) -> None:
    """The session's cookie is SameSite=Strict, so a page leads on at once, and then it is sent; but not in a frame."""
    party = add_relying_party(server)
    kept_back = {"sec-fetch-site": "cross-site", "sec-fetch-dest": "document"}
    flow = Flow(party, signed_in)
    with Browser(server) as stranger:
        first = stranger.http.get("/oauth/authorize", params=flow.parameters(), headers=kept_back)
        assert 'http-equiv="refresh"' in first.text
        code_of(flow.follow(first))
        framed = kept_back | {"sec-fetch-dest": "iframe"}
        silent = stranger.http.get("/oauth/authorize", params=flow.parameters(prompt="none"), headers=framed)
        assert answer_of(silent)["error"] == "login_required"


def test_a_posted_request_is_the_same(server: RunningServer, api: httpx.Client, signed_in: Browser) -> None:
    """OpenID Connect Core §3.1.2.1: GET and POST."""
    flow = Flow(add_relying_party(server), signed_in)
    answer = signed_in.http.post("/oauth/authorize", data=flow.parameters())
    assert flow.redeem(api, code_of(answer)).status_code == 200


def test_offline_access_outlives_the_browser(
    server: RunningServer, api: httpx.Client, signed_in: Browser, clock: SettableClock
) -> None:
    """With `offline_access` the grant has a session of its own; without, the logout at the browser ends it."""
    party = add_relying_party(server, scope=("openid", "offline_access"), rules=ASKS)
    lasting = Flow(party, signed_in)
    page = lasting.follow(lasting.ask(scope="openid offline_access", prompt="consent"))
    kept = lasting.redeem(api, code_of(lasting.submit(page, decision="allow"))).json()
    passing = Flow(party, signed_in)
    lost = passing.redeem(api, code_of(passing.ask(scope="openid"))).json()
    signed_in.post("/pages/logout", at="/pages/account")
    clock.advance(1)
    party.refresh(api, kept["refresh_token"])
    gone = {"grant_type": "refresh_token", "refresh_token": lost["refresh_token"], **party.credentials}
    assert api.post("/oauth/token", data=gone).json()["error"] == "invalid_grant"


def test_languages_and_hints_shape_the_pages_only(server: RunningServer, browser: Browser) -> None:
    """`ui_locales` chooses the language, `login_hint` fills in the address, and nothing tells whether it is known."""
    flow = Flow(add_relying_party(server), browser)
    page = flow.follow(flow.ask(ui_locales="xx de-AT", login_hint="nobody@example.test", display="popup"))
    assert 'lang="de"' in page.text
    assert 'value="nobody@example.test"' in page.text


def test_a_public_client_with_a_verifier(server: RunningServer, api: httpx.Client, signed_in: Browser) -> None:
    """A native application on a loopback address: any port, no secret, always a page (RFC 8252 §7.3, §8.6)."""
    metadata = ClientMetadata(redirect_uris=("http://127.0.0.1/cb",), application_type="native")
    party = add_relying_party(server, is_public=True, metadata=metadata)
    flow = Flow(party, signed_in)
    redirect: dict[str, str | None] = {"redirect_uri": "http://127.0.0.1:51004/cb"}
    page = flow.follow(flow.ask(**redirect))
    assert "app on this device" in page.text
    answer = flow.submit(page, decision="allow")
    assert answer.headers["location"].startswith("http://127.0.0.1:51004/cb?")
    assert flow.redeem(api, code_of(answer), None, **redirect).status_code == 200


def test_a_page_that_loads_twice_at_once(server: RunningServer, api: httpx.Client, signed_in: Browser) -> None:
    """Of several redemptions at one moment, each with the verifier, one gets tokens, and they live (RFC 9700 §4.5)."""
    flow = Flow(add_relying_party(server), signed_in)
    for _ in range(5):
        code = code_of(flow.ask())
        with ThreadPoolExecutor(8) as threads:
            answers = [each.result() for each in [threads.submit(flow.redeem, api, code) for _ in range(8)]]
        (won,) = [answer.json() for answer in answers if answer.status_code == 200]
        assert {answer.json()["error"] for answer in answers if answer.status_code != 200} == {"invalid_grant"}
        flow.party.refresh(api, won["refresh_token"])


def test_an_essential_acr_is_not_talked_away(server: RunningServer, signed_in: Browser) -> None:
    """`acr_values` that ask for less, or for what nobody knows, switch off no essential `acr` (Core §5.5.1.1)."""
    flow = Flow(add_relying_party(server), signed_in)
    essential = '{"id_token": {"acr": {"essential": true, "value": "2"}}}'
    for asked in ("unknown", "1", "unknown 1"):
        answer = answer_of(flow.ask(claims=essential, acr_values=asked, prompt="none"))
        assert answer["error"] == "unmet_authentication_requirements", asked


def test_an_essential_acr_that_nobody_can_meet(server: RunningServer, signed_in: Browser) -> None:
    """Core §5.5.1.1: nobody is signed in, not even with two factors; one that is only wished for does no harm."""
    flow = Flow(add_relying_party(server), signed_in)
    for acr in ('"value": "urn:sca"', '"values": ["urn:sca", "3"]', '"value": 2', '"values": []'):
        answer = answer_of(flow.ask(claims=f'{{"id_token": {{"acr": {{"essential": true, {acr}}}}}}}', acr_values="1"))
        assert answer["error"] == "unmet_authentication_requirements", acr
        code_of(flow.ask(claims=f'{{"id_token": {{"acr": {{{acr}}}}}}}'))


def test_a_parameter_without_a_value_is_none(server: RunningServer, signed_in: Browser) -> None:
    """RFC 6749 §3.1: it counts as left out, so it is no second one, before or after."""
    flow = Flow(add_relying_party(server), signed_in)
    sent = urlencode(flow.parameters())
    for name in ("state", "client_id", "redirect_uri", "scope", "prompt", "x"):
        for query in (f"{sent}&{name}=", f"{name}=&{sent}", f"{sent}&{name}"):
            assert answer_of(signed_in.http.get(f"/oauth/authorize?{query}"))["state"] == flow.state, query


def test_offline_access_does_not_outlive_a_theft(
    server: RunningServer, api: httpx.Client, signed_in: Browser, clock: SettableClock
) -> None:
    """When the browser's token was stolen, nobody knows who let applications in with it: they are signed out too."""
    party = add_relying_party(server, scope=("openid", "offline_access"), rules=ASKS)
    flow = Flow(party, signed_in)
    page = flow.follow(flow.ask(scope="openid offline_access", prompt="consent"))
    kept = flow.redeem(api, code_of(flow.submit(page, decision="allow"))).json()
    stolen = dict(signed_in.http.cookies)
    for _ in range(2):
        clock.advance(server.settings.refresh_quiet_seconds + 1)
        assert signed_in.refresh().status_code == 200
    with Browser(server) as thief:
        thief.http.cookies.update(stolen)
        assert thief.refresh().status_code == 401
    form = {"grant_type": "refresh_token", "refresh_token": kept["refresh_token"], **party.credentials}
    assert api.post("/oauth/token", data=form).json()["error"] == "invalid_grant"
    token = {"token": kept["access_token"], **party.credentials}
    assert api.post("/oauth/introspect", data=token).json() == {"active": False}
