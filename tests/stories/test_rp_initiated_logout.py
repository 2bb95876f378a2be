"""RP-initiated logout: what happens when a client sends a browser to `/oauth/logout`.

The tests named after a module of the OpenID Foundation's conformance suite do what that module does.
"""

from __future__ import annotations

import html
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.authorization import FORM, Flow, code_of, form_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.server import ANN

from gatepass.jose import jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer, SettableClock

BYE = "https://app.example.test/bye?from=here"
METADATA = ClientMetadata(redirect_uris=(CALLBACK,), post_logout_redirect_uris=(BYE,))
CROSS_SITE = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate", "sec-fetch-dest": "document"}


@pytest.fixture
def browser(server: RunningServer, api: httpx.Client) -> Generator[Browser]:
    """A browser in which Ann has signed in."""
    assert api.post("/signup", json=ANN).status_code == 201
    with Browser(server) as browser:
        assert browser.sign_in(ANN).status_code == 303
        yield browser


@pytest.fixture
def party(server: RunningServer) -> RelyingParty:
    """A client with one URI to come back to."""
    return add_relying_party(server, metadata=METADATA)


@pytest.fixture
def tokens(api: httpx.Client, browser: Browser, party: RelyingParty) -> dict[str, Any]:
    """What the client has got for Ann's sign-in in this browser."""
    return sign_in(api, browser, party)


def sign_in(api: httpx.Client, browser: Browser, party: RelyingParty, **changed: str) -> dict[str, Any]:
    """Sign in at the client with the session of this browser; its tokens."""
    flow = Flow(party, browser)
    tokens: dict[str, Any] = flow.redeem(api, code_of(flow.follow(flow.ask(**changed)))).json()
    return tokens


def log_out(browser: Browser, **parameters: str) -> httpx.Response:
    """Come to the endpoint, and follow to the page or redirect that it ends in."""
    return follow(browser, browser.http.get("/oauth/logout", params=parameters))


def follow(browser: Browser, answer: httpx.Response) -> httpx.Response:
    """Follow pages and redirects, as long as they stay here."""
    return Flow(NO_USER, browser).follow(answer)


NO_USER: Any = None
"""Following needs none."""


def is_signed_in(browser: Browser) -> bool:
    """Whether the browser's session lives."""
    return browser.http.get("/pages/account").status_code == 200


def asks(page: httpx.Response) -> bool:
    """Whether it is a page of ours that asks whether to sign out."""
    return "location" not in page.headers and ">Sign out</button>" in page.text


def says_signed_out(page: httpx.Response) -> bool:
    """Whether it is a page of ours that says so."""
    return page.status_code == 200 and "You are signed out" in page.text


def test_oidcc_rp_initiated_logout(browser: Browser, party: RelyingParty, tokens: dict[str, Any]) -> None:
    """With a hint, a registered URI and a state: signed out without a question, and back with the state."""
    answer = log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE, state="a b&c")
    assert (answer.status_code, answer.headers["location"]) == (303, f"{BYE}&state=a+b%26c")
    assert "gatepass-refresh" in answer.headers["set-cookie"]
    assert not is_signed_in(browser)


def test_what_signing_out_ends(
    api: httpx.Client, browser: Browser, party: RelyingParty, tokens: dict[str, Any]
) -> None:
    """The client's grant dies with the session, before the browser is sent back; a second call works just so."""
    asked = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE}
    assert log_out(browser, **asked).headers["location"] == BYE
    form = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **party.credentials}
    assert api.post("/oauth/token", data=form).json()["error"] == "invalid_grant"
    assert log_out(browser, **asked).headers["location"] == BYE


def test_oidcc_rp_initiated_logout_bad_id_token_hint(browser: Browser, party: RelyingParty) -> None:
    """A hint that is no token: a page, no redirect; the person can sign out there."""
    page = log_out(browser, id_token_hint="bad", post_logout_redirect_uri=BYE, state="s")
    assert page.status_code == 400
    assert "did not say who should be signed out" in page.text
    assert asks(page)
    assert is_signed_in(browser)
    assert says_signed_out(Flow(party, browser).submit(page))
    assert not is_signed_in(browser)


def test_oidcc_rp_initiated_logout_modified_id_token_hint(browser: Browser, tokens: dict[str, Any]) -> None:
    """A hint whose signature does not fit is none."""
    head, claims, signature = tokens["id_token"].split(".")
    changed = f"{head}.{claims}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"
    page = log_out(browser, id_token_hint=changed, post_logout_redirect_uri=BYE, state="s")
    assert page.status_code == 400
    assert asks(page)
    assert is_signed_in(browser)


def test_oidcc_rp_initiated_logout_no_id_token_hint(browser: Browser, tokens: dict[str, Any]) -> None:
    """A URI and nobody who could have registered it: a page, no redirect."""
    page = log_out(browser, post_logout_redirect_uri=BYE, state="s")
    assert page.status_code == 400
    assert asks(page)


def test_oidcc_rp_initiated_logout_bad_post_logout_redirect_uri(browser: Browser, tokens: dict[str, Any]) -> None:
    """A URI that is not registered: a page, no redirect, and nobody is signed out before they say so."""
    for uri in ("https://evil.example.test/", BYE.upper(), BYE.replace("https", "http"), f"{BYE}#f", CALLBACK):
        page = log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=uri, state="s")
        assert page.status_code == 400
        assert "has not registered" in page.text
        assert asks(page)
    assert is_signed_in(browser)


def test_oidcc_rp_initiated_logout_query_added_to_post_logout_redirect_uri(
    browser: Browser, tokens: dict[str, Any]
) -> None:
    """The registered URI with something added is another one."""
    page = log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=f"{BYE}&foo=bar", state="s")
    assert page.status_code == 400
    assert asks(page)


def test_oidcc_rp_initiated_logout_no_post_logout_redirect_uri(browser: Browser, tokens: dict[str, Any]) -> None:
    """Without a URI: signed out, and a page that says so."""
    assert says_signed_out(log_out(browser, id_token_hint=tokens["id_token"], state="s"))
    assert not is_signed_in(browser)


def test_oidcc_rp_initiated_logout_no_state(browser: Browser, tokens: dict[str, Any]) -> None:
    """Without a state there is none in the URI either."""
    answer = log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE)
    assert (answer.status_code, answer.headers["location"]) == (303, BYE)


def test_oidcc_rp_initiated_logout_only_state(browser: Browser, party: RelyingParty) -> None:
    """A state alone says nothing of who asks: the person is asked, and stays on our pages."""
    page = log_out(browser, state="s")
    assert page.status_code == 200
    assert asks(page)
    assert says_signed_out(Flow(party, browser).submit(page))


def test_oidcc_rp_initiated_logout_no_params(browser: Browser, party: RelyingParty) -> None:
    """Nothing at all is a link that says "sign out": the person is asked."""
    page = log_out(browser)
    assert page.status_code == 200
    assert asks(page)
    assert is_signed_in(browser)
    assert says_signed_out(Flow(party, browser).submit(page))
    assert not is_signed_in(browser)


def test_oidcc_rp_initiated_logout_discovery_endpoint_verification(server: RunningServer, api: httpx.Client) -> None:
    """The metadata names the endpoint."""
    metadata = api.get("/.well-known/openid-configuration").json()
    assert metadata["end_session_endpoint"] == f"{server.url}/oauth/logout"


def test_a_post_does_the_same(browser: Browser, tokens: dict[str, Any]) -> None:
    """Both methods are served (§2), and another site's page may send the form."""
    form = {"id_token_hint": tokens["id_token"], "post_logout_redirect_uri": BYE, "state": "s"}
    headers = {**FORM, **CROSS_SITE, "origin": "https://app.example.test"}
    answer = follow(browser, browser.http.post("/oauth/logout", data=form, headers=headers))
    assert answer.headers["location"] == f"{BYE}&state=s"
    assert not is_signed_in(browser)


def test_a_browser_that_comes_from_another_site_keeps_its_cookie_back_once(
    browser: Browser, tokens: dict[str, Any]
) -> None:
    """SameSite=Strict: the first request has no cookie, and a page of ours leads on to one that has."""
    cookies = dict(browser.http.cookies)
    browser.http.cookies.clear()
    first = browser.http.get("/oauth/logout", params={"id_token_hint": tokens["id_token"]}, headers=CROSS_SITE)
    browser.http.cookies.update(cookies)
    assert is_signed_in(browser)
    assert says_signed_out(follow(browser, first))
    assert not is_signed_in(browser)


def test_a_hint_that_expired_long_ago_still_tells_whom_it_means(
    clock: SettableClock, browser: Browser, tokens: dict[str, Any]
) -> None:
    """People sign out hours after they signed in; an ID token lives for minutes."""
    clock.advance(20_000)
    assert says_signed_out(log_out(browser, id_token_hint=tokens["id_token"]))


def test_a_hint_of_another_sign_in_or_person_asks_first(
    api: httpx.Client, browser: Browser, party: RelyingParty, tokens: dict[str, Any]
) -> None:
    """A site must not sign out whoever happens to use the browser: only the sign-in of its own token ends unasked."""
    assert browser.post("/pages/logout", at="/pages/account").status_code == 303
    assert browser.sign_in(ANN).status_code == 303
    page = log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE, state="s")
    assert page.status_code == 200
    assert "app asks to sign you out" in page.text
    assert "ann@example.test" in page.text
    assert is_signed_in(browser)
    answer = Flow(party, browser).submit(page)
    assert answer.headers["location"] == f"{BYE}&state=s"
    assert not is_signed_in(browser)


def test_the_form_of_the_page_may_lead_to_the_client(browser: Browser, party: RelyingParty) -> None:
    """Browsers follow a redirect after a form only to what the page's policy names."""
    page = log_out(browser, client_id=party.id, post_logout_redirect_uri=BYE)
    assert asks(page)
    policy = page.headers["content-security-policy"]
    assert "form-action 'self' https://app.example.test" in policy
    assert "frame-ancestors 'none'" in policy


def test_client_id_names_the_client_too(browser: Browser, party: RelyingParty, tokens: dict[str, Any]) -> None:
    """Beside a hint it has to be the client of that; alone it is enough for the URI, and not to sign out unasked."""
    both = log_out(browser, client_id="cli_other", id_token_hint=tokens["id_token"])
    assert both.status_code == 400
    page = log_out(browser, client_id=party.id, post_logout_redirect_uri=BYE, state="s")
    assert asks(page)
    assert Flow(party, browser).submit(page).headers["location"] == f"{BYE}&state=s"


def test_what_is_no_request(browser: Browser, party: RelyingParty) -> None:
    """Unknown clients, parameters that stand twice, access tokens as hints: each is a page that says so."""
    access_token = browser.refresh().json()["token"]
    for query in (
        f"client_id=cli_unknown&post_logout_redirect_uri={BYE}",
        f"client_id={party.id}&client_id={party.id}",
        f"client_id={party.id}&state={'s' * 3_000}",
        f"id_token_hint={access_token}",
        "state=%ff",
    ):
        page = follow(browser, browser.http.get(f"/oauth/logout?{query}"))
        assert (page.status_code, asks(page)) == (400, True), query


def test_no_picture_or_preview_signs_anybody_out(browser: Browser, tokens: dict[str, Any]) -> None:
    """Only a person who has come here is signed out unasked: no image, no frame, no page that is loaded ahead."""
    first = browser.http.get("/oauth/logout", params={"id_token_hint": tokens["id_token"]})
    path = html.unescape(first.text.partition('content="0; url=')[2].partition('"')[0])
    for headers in ({"sec-fetch-dest": "image"}, {"sec-fetch-dest": "iframe"}, {"sec-purpose": "prefetch"}):
        assert asks(browser.http.get(path, headers=headers))
    assert is_signed_in(browser)


def test_nobody_else_can_send_the_form(browser: Browser, party: RelyingParty) -> None:
    """Logout CSRF: the page's form is taken from our own pages only, and with what the browser was given."""
    page = log_out(browser)
    action, _ = form_of(page.text)
    for origin, csrf in (("https://evil.example.test", form_of(page.text)[1]["csrf"]), (browser.server.url, "guessed")):
        answer = browser.http.post(action, data={"csrf": csrf}, headers={"origin": origin})
        assert answer.status_code == 403
    assert is_signed_in(browser)


def test_a_client_that_registered_itself_is_no_way_to_send_people_anywhere(
    server: RunningServer, browser: Browser, api: httpx.Client
) -> None:
    """Anyone may have written a link with its id: without a hint a page names the host, and has a button."""
    party = add_relying_party(server, metadata=METADATA, origin="dcr")
    hint = sign_in(api, browser, party)["id_token"]
    page = Flow(party, browser).submit(log_out(browser, client_id=party.id, post_logout_redirect_uri=BYE))
    assert page.status_code == 200
    assert "app.example.test" in page.text
    again = log_out(browser, client_id=party.id, post_logout_redirect_uri=BYE)
    assert "location" not in again.headers
    assert log_out(browser, id_token_hint=hint, post_logout_redirect_uri=BYE).headers["location"] == BYE


def test_a_pairwise_client_means_the_same_person(server: RunningServer, api: httpx.Client, browser: Browser) -> None:
    """Its ID token names person and sign-in by names of its own, by which it is understood here."""
    metadata = ClientMetadata(redirect_uris=(CALLBACK,), post_logout_redirect_uris=(BYE,), subject_type="pairwise")
    tokens = sign_in(api, browser, add_relying_party(server, metadata=metadata))
    assert not jwt.peek(tokens["id_token"]).claims["sub"].startswith("usr_")
    assert log_out(browser, id_token_hint=tokens["id_token"], post_logout_redirect_uri=BYE).status_code == 303
    assert not is_signed_in(browser)


def test_ui_locales_choose_the_language(browser: Browser, party: RelyingParty) -> None:
    """The page speaks the first of the wanted languages that there is."""
    assert "Angemeldet bleiben" in log_out(browser, client_id=party.id, ui_locales="tlh de-AT fr").text


def test_a_page_that_is_too_old_still_signs_out(clock: SettableClock, browser: Browser, party: RelyingParty) -> None:
    """What the client wanted is forgotten by then, and what the person wants is not."""
    page = log_out(browser, client_id=party.id, post_logout_redirect_uri=BYE)
    clock.advance(1_801)
    assert says_signed_out(Flow(party, browser).submit(page))
    assert not is_signed_in(browser)
