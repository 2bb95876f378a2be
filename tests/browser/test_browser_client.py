"""`/gatepass.js` in a real Chromium: what pages do with it, and what they cannot be brought to do."""

from __future__ import annotations

import re
import time
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import urlencode

import pytest
from playwright.sync_api import sync_playwright
from tests.browser.conftest import ARGUMENTS, chromium
from tests.browser.test_look import submit
from tests.browser.test_passkeys import Virtual
from tests.support.factors import set_up_totp
from tests.support.relying_party import add_relying_party
from tests.support.scripted_provider import ScriptedProvider
from tests.support.server import ANN, OUTBOX, SettableClock, running_server
from tests.support.web_app import web_app

from gatepass.server.domain.sessions.client_metadata import ClientMetadata

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from http.server import BaseHTTPRequestHandler

    from playwright.sync_api import Browser, BrowserContext, Page, Request, Route
    from tests.browser.conftest import OpenPage
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer
    from tests.support.web_app import WebApp

BOB = {"email": "bob@example.test", "password": "another battery entirely"}
QUIET_SECONDS = 61
"""After which a refresh brings another refresh token."""
ACCESS_SECONDS = 901
MANY: dict[str, Any] = dict.fromkeys(("attempts_per_account", "attempts_per_address"), 100)
"""The tests come from one address, at one moment."""


class World(NamedTuple):
    """A server, two applications that it knows, and a client of the first one's other site."""

    server: RunningServer
    app: WebApp
    second: WebApp
    provider: ScriptedProvider
    party: RelyingParty


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """A browser with the cache for Back and Forward, which Playwright turns off."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=chromium(),
            args=list(ARGUMENTS),
            ignore_default_args=["--disable-back-forward-cache"],
        )
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[World]:
    """One for all tests; each has a browser context of its own. Browsers have the real time, so the server has too."""
    with web_app() as app, web_app() as second, ScriptedProvider() as provider:
        provider.person = {"sub": "1001", "email": "gil@example.test", "email_verified": True}
        origins = (app.origin, second.origin)
        data = tmp_path_factory.mktemp("browser")
        with running_server(
            data,
            SettableClock(time.time()),
            browser_origins=origins,
            providers={"corp": provider.settings(name="Corp")},
            **MANY,
        ) as server:
            with server.client() as api:
                for person in (ANN, BOB):
                    assert api.post("/signup", json=person).status_code == 201
            uris = tuple(f"{app.other_site}/{path}" for path in ("callback", "callback2"))
            metadata = ClientMetadata(redirect_uris=uris, post_logout_redirect_uris=(f"{app.other_site}/",))
            party = add_relying_party(server, is_public=True, scope=("openid", "email"), metadata=metadata)
            app.issuer = second.issuer = server.url
            elsewhere = {
                "issuer": server.url,
                "clientId": party.id,
                "redirectUri": f"{app.other_site}/callback",
                "postLogoutRedirectUri": f"{app.other_site}/",
                "scope": "openid email",
            }
            app.options = dict.fromkeys(("/callback", "/elsewhere"), elsewhere)
            yield World(server, app, second, provider, party)


def go(page: Page, url: str) -> Page:
    """Open a page of an application, and wait for the client."""
    page.goto(url)
    page.wait_for_function("window.isLoaded")
    return page


@pytest.fixture(scope="module")
def tab_options() -> dict[str, Any]:
    """The issuer's pages are in English."""
    return {"locale": "en-GB"}


@pytest.fixture
def page(world: World, tab: Page) -> Page:
    """A page of the first application."""
    return go(tab, world.app.origin)


@pytest.fixture(scope="module")
def signed_in(world: World, browser: Browser) -> Generator[Page]:
    """One page where Ann is signed in, for tests that leave it so."""
    with browser.new_context() as context:
        page = go(context.new_page(), world.app.origin)
        sign_in(page)
        yield page


def another(page: Page, url: str | None = None) -> Page:
    """Another tab of the browser."""
    return go(page.context.new_page(), url or page.url)


def tried(page: Page, call: str, *arguments: Any) -> Any:  # noqa: ANN401 - JSON
    """What a method of the client answers, as `value`; or the error's `code`."""
    body = f"tried(async () => {{ const answer = await client.{call}(...sent); return {VALUE}; }})"
    return page.evaluate(f"(sent) => {body}", list(arguments))


VALUE = "answer instanceof Response ? answer.status : answer"


def value(page: Page, call: str, *arguments: Any) -> Any:  # noqa: ANN401 - JSON
    """What a method of the client answers."""
    outcome = tried(page, call, *arguments)
    assert "value" in outcome, outcome
    return outcome["value"]


def sign_in(page: Page, person: dict[str, str] = ANN) -> str:
    """Sign in with a password; who that is."""
    subject: str = value(page, "signIn", person)["subject"]
    return subject


def refreshes_of(context: BrowserContext) -> list[str]:
    """A list that fills with the beginnings and ends of the calls of /refresh.

    The calls go through this function: the browser tells the events of two tabs in any order, and an
    end that is noted here comes before the tab has its answer.
    """
    seen: list[str] = []

    def pass_on(route: Route) -> None:
        if route.request.method != "POST":
            route.fallback()
            return
        seen.append("begins")
        answer = route.fetch()
        seen.append("ends")
        route.fulfill(response=answer)

    context.route("**/refresh", pass_on)
    return seen


# ── signing in, being signed in, signing out ──


def test_from_signing_up_to_signing_out(world: World, page: Page) -> None:
    """An account, who that is, a call with the token, a reload that stays signed in, and out."""
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    assert value(page, "session") is None
    assert tried(page, "signIn", {**ANN, "password": "wrong horse battery"})["code"] == "invalid_credentials"
    assert tried(page, "fetch", "/api")["code"] == "signed_out"
    person = {"email": "carl@example.test", "password": "a third battery of words"}
    session = value(page, "signUp", person)
    assert set(session) == {"subject", "sessionId", "roles", "scopes"}
    assert value(page, "user")["email"] == person["email"]
    assert value(page, "fetch", "/api/in") == 200
    (sent,) = world.app.tokens_at("/api/in")
    assert sent is not None
    assert re.fullmatch(r"Bearer [\w-]+\.[\w-]+\.[\w-]+", sent)
    page.reload()
    page.wait_for_function("window.isLoaded")
    assert page.evaluate("client.current === undefined")
    assert value(page, "session") == session
    assert value(page, "signOut") is None
    assert value(page, "user") is None
    assert page.evaluate("changes") == [session["subject"], None]
    page.reload()
    page.wait_for_function("window.isLoaded")
    assert value(page, "session") is None
    assert problems == []


def test_a_second_factor(world: World, page: Page) -> None:
    """`signIn` fails with the code that says so, and the factors; after a wrong one another may be tried."""
    person = {"email": "dora@example.test", "password": "a fourth battery of words"}
    with world.server.client() as api:
        api.post("/signup", json=person)
        application, codes = set_up_totp(world.server, api, person)
    due = tried(page, "signIn", person)
    assert (due["code"], sorted(due["factors"])) == ("second_factor_required", ["recovery_code", "totp"])
    assert tried(page, "answerFactor", {"code": "000000"})["code"] == "invalid_code"
    value(page, "answerFactor", {"code": application.next_code(), "remember": True})
    assert value(page, "fetch", "/api") == 200
    value(page, "signOut")
    sign_in(page, person)  # this browser is trusted
    page.context.clear_cookies()
    assert tried(page, "signIn", person)["code"] == "second_factor_required"
    value(page, "answerFactor", {"recoveryCode": codes[0]})


def test_a_code_by_email(world: World, page: Page) -> None:
    """The code of the email signs in, in the page that asked for it."""
    person = {"email": "fay@example.test", "password": "a sixth battery of words"}
    with world.server.client() as api:
        api.post("/signup", json=person)
    value(page, "sendCode", {"email": person["email"]})
    with world.server.client(follow_redirects=True) as api:
        found = re.findall(r"\b(\d{4}) (\d{4})\b", api.get(OUTBOX).text)
    assert tried(page, "signInWithCode", {"code": "00000000"})["code"] == "invalid_code"
    value(page, "signInWithCode", {"code": "".join(found[0])})
    assert value(page, "user")["email"] == person["email"]


ADD_PASSKEY = """async (issuer) => {
  const post = (path, body) => client.fetch(issuer + path, {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const { public_key } = await (await post("/account/passkeys/options", {})).json();
  const publicKey = PublicKeyCredential.parseCreationOptionsFromJSON(public_key);
  const credential = await navigator.credentials.create({ publicKey });
  return (await post("/account/passkeys", { credential: JSON.parse(JSON.stringify(credential)), name: "Mine" })).status;
}"""


def test_a_passkey(world: World, open_page: OpenPage) -> None:
    """It signs in alone, and is a second factor after a password; one that is not used is told as that."""
    page = go(open_page(), world.app.origin)
    person = {"email": "eve@example.test", "password": "a fifth battery of words"}
    value(page, "signUp", person)
    virtual = Virtual(page)
    assert page.evaluate(ADD_PASSKEY, world.server.url) == 201
    value(page, "signOut")
    value(page, "signInWithPasskey")
    assert value(page, "user")["email"] == person["email"]
    value(page, "signOut")
    assert tried(page, "signIn", person)["code"] == "second_factor_required"
    value(page, "answerFactor", {"passkey": True})
    value(page, "signOut")
    virtual.touch(automatic=False)
    page.evaluate("setTimeout(() => stop.abort(), 50), window.stop = new AbortController(), null")
    cancelled = page.evaluate("tried(() => client.signInWithPasskey({ signal: stop.signal }))")
    assert cancelled["code"] == "passkey_cancelled"


def test_a_provider(world: World, page: Page) -> None:
    """The page leaves for the provider, and comes back to where it was, signed in as the person of the provider."""

    def authorize(handler: BaseHTTPRequestHandler) -> None:
        answer = urlencode(world.provider.authorize(world.provider.url + handler.path))
        handler.send_response(302)
        handler.send_header("location", f"{world.provider.asked[-1]['redirect_uri']}?{answer}")
        handler.end_headers()

    world.provider.answers["/authorize"] = authorize
    page.evaluate("history.replaceState(null, '', '/orders?page=2')")
    with page.expect_navigation(url=f"{world.app.origin}/orders?page=2"):
        page.evaluate("() => { void client.signInWith('corp'); }")
    page.wait_for_function("window.isLoaded")
    assert value(page, "user")["email"] == world.provider.person["email"]
    assert value(page, "fetch", "/api/provided") == 200
    assert world.app.tokens_at("/api/provided")[-1]


# ── trouble on the way ──


def test_five_tabs_refresh_one_at_a_time(world: World, page: Page) -> None:
    """Five tabs with five calls each: each tab asks for its own token once, no two at a time, and one rotates."""
    sign_in(page)
    serial = "SELECT current FROM grants WHERE id = (SELECT id FROM grants ORDER BY touched_at DESC LIMIT 1)"
    before = world.party.read(serial)
    world.server.clock.advance(QUIET_SECONDS)
    tabs = [another(page) for _ in range(5)]
    refreshes = refreshes_of(page.context)
    for tab in tabs:
        tab.evaluate("() => { window.calls = Promise.all([1, 2, 3, 4, 5].map(() => client.fetch('/api/five'))); }")
    for tab in tabs:
        assert tab.evaluate("async () => (await calls).map(({ status }) => status)") == [200] * 5
    assert refreshes == ["begins", "ends"] * 5
    assert world.party.read(serial) == before + 1


def test_a_lost_answer_is_asked_for_again(world: World, page: Page) -> None:
    """The server rotated and its answer never arrived: the next try brings the token, and nobody is signed out."""
    sign_in(page)
    world.server.clock.advance(QUIET_SECONDS)
    page.reload()
    page.wait_for_function("window.isLoaded")
    lost: list[int] = []

    def lose(route: Route) -> None:
        if route.request.method == "POST" and not lost:
            lost.append(route.fetch().status)
            route.abort()
        else:
            route.continue_()

    page.context.route("**/refresh", lose)
    assert value(page, "fetch", "/api") == 200
    assert lost == [200]


def test_without_a_network(world: World, page: Page) -> None:
    """Nobody is signed out by being offline, and the page is told what is the matter; later all goes on."""
    who = sign_in(page)
    page.reload()
    page.wait_for_function("window.isLoaded")
    page.context.set_offline(True)
    assert tried(page, "session")["code"] == "unreachable"
    assert tried(page, "fetch", "/api")["code"] == "unreachable"
    page.context.set_offline(False)
    assert value(page, "session")["subject"] == who
    page.context.set_offline(True)
    assert tried(page, "refresh")["code"] == "unreachable"
    assert value(page, "session")["subject"] == who
    page.context.set_offline(False)
    assert page.evaluate("changes") == [who]


def fulfill(route: Route, _request: Request, **answer: Any) -> None:  # noqa: ANN401 - Playwright's options
    """Answer in the server's place."""
    route.fulfill(**answer)


TROUBLES: tuple[dict[str, Any], ...] = (
    {"status": 503, "json": {"code": "unavailable"}},
    {"status": 429, "json": {"code": "too_many_attempts"}},
    {"status": 401, "body": "<h1>Log in to the hotel's network</h1>"},
    {"status": 200, "body": "<h1>Log in to the hotel's network</h1>"},
    {"status": 403, "json": {"code": "cross_site_request"}},
)


def test_only_the_server_signs_out(world: World, page: Page) -> None:
    """An outage, a limit, a captive portal or a wrong setting ends no session, even where it says 401."""
    who = sign_in(page)
    headers = {"access-control-allow-origin": world.app.origin, "access-control-allow-credentials": "true"}
    for answer in TROUBLES:
        page.route("**/refresh", partial(fulfill, headers=headers, **answer))
        assert tried(page, "refresh")["code"] in (
            "unavailable",
            "too_many_attempts",
            "unreachable",
            "cross_site_request",
        )
        assert page.evaluate("[changes, client.current.subject]") == [[who], who]
        assert value(page, "fetch", "/api") == 200
        page.unroute("**/refresh")


def test_a_clock_that_is_wrong(world: World, open_page: OpenPage) -> None:
    """A page whose clock is a year off, or is set while it is open, refreshes when it is time, and only then."""
    page = open_page()
    page.add_init_script("{ const real = Date.now; window.off = 3e10; Date.now = () => real() + off; }")
    go(page, world.app.origin)
    refreshes = refreshes_of(page.context)
    sign_in(page)
    for off in (3e10, -3e10):
        page.evaluate(f"window.off = {off}")
        assert value(page, "fetch", f"{world.server.url}/me") == 200
    assert refreshes == []
    world.server.clock.advance(ACCESS_SECONDS)  # for the page no time has passed: the API says 401
    assert value(page, "fetch", f"{world.server.url}/me") == 200
    assert refreshes == ["begins", "ends"]
    page.evaluate("window.off += 900_000")  # the computer slept
    assert value(page, "fetch", f"{world.server.url}/me") == 200
    assert refreshes == ["begins", "ends"] * 2


def test_back_from_the_cache(world: World, page: Page) -> None:
    """A page that comes out of the browser's cache learns at once what other tabs have done meanwhile."""
    sign_in(page)
    other = another(page)
    value(other, "session")
    page.evaluate(
        "() => { window.kept = true; addEventListener('pageshow', (e) => { window.persisted = e.persisted; }); }"
    )
    go(page, world.second.origin)
    value(other, "signOut")
    page.evaluate("() => { setTimeout(() => history.back()); }")
    page.wait_for_function("window.persisted === true && window.kept")
    assert page.evaluate("client.current === null")
    assert page.evaluate("changes.at(-1) === null")
    assert tried(page, "fetch", "/api/back")["code"] == "signed_out"
    assert world.app.tokens_at("/api/back") == []


def test_signed_out_by_the_server(world: World, page: Page) -> None:
    """A session that ended elsewhere: the call's 401 leads to a refresh, and that to being signed out, once."""
    sign_in(page)
    with world.server.client() as api:
        token = api.post("/login", json=ANN).json()["token"]
        api.post("/logout/all", headers={"authorization": f"Bearer {token}"})
    assert tried(page, "fetch", f"{world.server.url}/me")["code"] == "signed_out"
    assert page.evaluate("[client.current, changes.at(-1)]") == [None, None]


# ── several tabs, several applications ──


def test_signing_out_in_one_tab_signs_out_in_all(world: World, page: Page) -> None:
    """Every tab drops its token and is told, without a call of its own; a call that is under way is discarded."""
    sign_in(page)
    tabs = [page, another(page), another(page)]
    for tab in tabs[1:]:
        value(tab, "session")
    calls = refreshes_of(page.context)
    value(tabs[2], "signOut")
    for tab in tabs:
        tab.wait_for_function("client.current === null && changes.at(-1) === null")
    assert calls == []
    value(tabs[0], "signIn", BOB)
    for tab in tabs[1:]:
        tab.wait_for_function("client.current && changes.at(-1) !== null")
    assert {value(tab, "user")["email"] for tab in tabs} == {BOB["email"]}


def test_two_applications_on_one_issuer(world: World, page: Page) -> None:
    """They share the sign-in by the issuer's cookie, and no storage; signing out in one ends the other's calls."""
    who = sign_in(page)
    second = another(page, world.second.origin)
    assert value(second, "session")["subject"] == who
    value(second, "signOut")
    assert tried(page, "fetch", f"{world.server.url}/me")["code"] == "signed_out"
    sign_in(second, BOB)
    assert value(page, "refresh")["subject"] == value(second, "session")["subject"] != who


def test_signed_out_without_a_network(world: World, page: Page) -> None:
    """The tab and a later one are signed out, although the cookie is still there; then the server is told."""
    sign_in(page)
    page.context.set_offline(True)
    assert tried(page, "signOut")["code"] == "unreachable"
    assert page.evaluate("client.current") is None
    page.context.set_offline(False)
    assert world.server.cookie() in {cookie["name"] for cookie in page.context.cookies()}
    assert value(another(page), "session") is None
    assert world.server.cookie() not in {cookie["name"] for cookie in page.context.cookies()}


# ── THREATS: where the token goes ──


def leaked(world: World) -> list[str | None]:
    """What any call that should not have had a token was sent."""
    return [sent for path, sent in world.second.calls if path != "/api/fine" and sent is not None]


SPELLINGS = (
    "'OTHER/api/x'",
    "'//HOST/api/x'",
    r"'/\\HOST/api/x'",
    "'http://' + location.host + '@HOST/api/x'",
    "new URL('OTHER/api/x')",
    "new Request('OTHER/api/x')",
    "location.origin.replace('localhost', '127.0.0.1') + '/api/x'",
    "location.origin.replace('localhost', 'localhost.') + '/api/x'",
    "location.origin.replace('http:', 'https:') + '/api/x'",
    "URL.createObjectURL(new Blob(['x']))",
    "'data:text/plain,x'",
    "{ toString() { return (this.asked = !this.asked) ? 'OTHER/api/x' : '/api/x'; } }",
    "(document.head.prepend(Object.assign(document.createElement('base'), { href: 'OTHER' })), 'api/x')",
)


def test_the_token_goes_to_listed_origins_only(world: World, signed_in: Page) -> None:
    """THREATS 20: however a URL is spelled, what is checked is what is called; nothing is sent anywhere else."""
    before = len(world.second.calls)
    for spelling in SPELLINGS:
        url = spelling.replace("OTHER", world.second.origin).replace(
            "HOST", world.second.origin.removeprefix("http://")
        )
        outcome = signed_in.evaluate(f"tried(async () => (await client.fetch({url})).url)")
        is_no_url = "@" in spelling  # for browsers, too
        assert is_no_url or outcome.get("code") == "origin_not_allowed", (spelling, outcome)
    signed_in.evaluate("document.querySelector('base').remove()")
    assert world.second.calls[before:] == []


def test_a_listed_origin_gets_the_token(world: World, signed_in: Page) -> None:
    """THREATS 20: the origin that `createClient` names, exactly: no other port of the host."""
    listed = f"window.listed = createClient({{ origins: ['{world.second.origin}'] }})"
    status = signed_in.evaluate(
        f"async () => {{ {listed}; return (await listed.fetch('{world.second.origin}/api/fine')).status; }}"
    )
    assert status == 200
    assert world.second.tokens_at("/api/fine")[-1]
    refused = signed_in.evaluate("tried(() => listed.fetch('http://localhost:1/api/fine'))")
    assert refused["code"] == "origin_not_allowed"


def test_a_redirect_is_not_followed(world: World, signed_in: Page) -> None:
    """THREATS 20: an open redirect of the API leads the token nowhere, whatever the page asked for."""
    to = f"'/to?url={world.second.origin}/api/stolen'"
    for call in (to, f"{to}, {{ redirect: 'follow' }}", f"new Request({to}, {{ redirect: 'follow' }})"):
        assert signed_in.evaluate(f"tried(() => client.fetch({call}))")["code"] == "unreachable"
    assert world.second.tokens_at("/api/stolen") == []


def test_a_call_that_is_refused_is_sent_twice_at_most(world: World, signed_in: Page) -> None:
    """THREATS 20: one retry, with a fresh token and the same body; the second 401 is the page's."""
    before, refreshes = len(world.app.calls), refreshes_of(signed_in.context)
    assert value(signed_in, "fetch", "/refused", {"method": "POST", "body": "x"}) == 401
    first, second = (sent for _, sent in world.app.calls[before:])
    assert first != second
    assert refreshes == ["begins", "ends"]


SPY = """(names) => {
  window.heard = [];
  for (const name of names) new BroadcastChannel(name).onmessage = ({ data }) => heard.push(JSON.stringify(data));
  addEventListener("storage", ({ key, newValue }) => heard.push(key + newValue));
  for (const kind of ["localStorage", "sessionStorage"]) heard.push(JSON.stringify({ ...window[kind] }));
}"""


def test_a_page_of_the_origin_that_listens(world: World, page: Page) -> None:
    """THREATS 20: channel and storages say that something has changed, and hold no token of any kind."""
    names = [f"gatepass {world.server.url} ", f"gatepass {world.server.url} {world.party.id}"]
    spy = another(page)
    spy.evaluate(SPY, names)
    sign_in(page)
    value(page, "fetch", "/api/spied")
    value(page, "refresh")
    value(page, "refresh", {"organization": ""})
    spy.wait_for_function("heard.length >= 4")
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    value(page, "signOut")
    spy.wait_for_function("heard.length >= 6")
    heard = "".join(spy.evaluate("heard")) + kept
    (token,) = world.app.tokens_at("/api/spied")
    assert token is not None
    assert not any(part in heard for part in token.removeprefix("Bearer ").split("."))
    assert "eyJ" not in heard
    assert "gpr_" not in heard


# ── THREATS: whose answer it is ──

HELD_BACK = """() => { window.late = tried(async () => (await client.fetch('/api/late')).status); }"""


def held_back(page: Page, pattern: str, work: str) -> Route:
    """Begin a call of the page, and hold its request back at the network."""
    routes: list[Route] = []
    page.route(pattern, lambda route: routes.append(route) if route.request.method != "OPTIONS" else route.continue_())
    with page.expect_request(pattern):
        page.evaluate(work)
    page.wait_for_function("true")
    assert routes
    return routes[0]


def test_another_person_signs_in_in_another_tab(world: World, page: Page) -> None:
    """THREATS 21: a call under way for Ann ends without an answer, and the page is told that it is Bob's now."""
    ann, other = sign_in(page), another(page)
    route = held_back(page, "**/api/late", HELD_BACK)
    bob = sign_in(other, BOB)
    assert page.evaluate("late")["code"] == "session_changed"
    route.abort()
    page.wait_for_function("changes.length === 2")
    assert page.evaluate("changes") == [ann, bob]
    assert value(page, "user")["email"] == BOB["email"]


def test_another_person_signs_in_in_another_application(world: World, page: Page) -> None:
    """THREATS 21: no message comes from there. The refresh brings Bob's token, which is not used for Ann's call."""
    ann = sign_in(page)
    bob = sign_in(another(page, world.second.origin), BOB)
    before = len(world.app.calls)
    outcome = tried(page, "fetch", "/refused")  # as a revoked token would be
    assert outcome["code"] == "session_changed"
    assert len(world.app.calls) == before + 1
    assert page.evaluate("changes") == [ann, bob]


@pytest.mark.parametrize("where", ["the same tab", "another tab"])
def test_a_late_refresh_after_a_sign_out(world: World, page: Page, where: str) -> None:
    """THREATS 21: the answer of a refresh that began before is discarded: nobody is signed in by it."""
    sign_in(page)
    other = page if where == "the same tab" else another(page)
    route = held_back(page, "**/refresh", "() => { window.late = tried(() => client.refresh()); }")
    other.evaluate("() => { window.out = tried(() => client.signOut()); }")
    page.wait_for_function("client.current === null")
    route.continue_()
    assert page.evaluate("late").get("code") == "session_changed"
    assert "value" in other.evaluate("out")
    assert page.evaluate("[client.current, changes.at(-1)]") == [None, None]
    page.unroute("**/refresh")
    assert value(page, "refresh") is None


# ── a page of another site ──


@pytest.fixture
def elsewhere(world: World, tab: Page) -> Page:
    """A page of a site that is not the issuer's."""
    return go(tab, f"{world.app.other_site}/elsewhere?tab=2#here")


def sign_in_elsewhere(world: World, page: Page, person: dict[str, str], options: str = "{}") -> Any:  # noqa: ANN401 - JSON
    """Leave for the issuer, and come back; the session."""
    page.evaluate(f"() => {{ void client.signIn({options}); }}")
    page.wait_for_url("**/pages/**")
    submit(page, "Sign in", **person)
    return came_back(world, page)


def came_back(world: World, page: Page) -> Any:  # noqa: ANN401 - JSON
    """The session, when the page is where it was left."""
    page.wait_for_url(f"{world.app.other_site}/elsewhere?tab=2#here")
    return value(page, "session")


def test_a_page_of_another_site(world: World, elsewhere: Page) -> None:
    """Code and PKCE: back where one left, a call, a renewal, a reload that stays signed in, and out at the issuer."""
    page = elsewhere
    assert value(page, "session") is None
    who = sign_in_elsewhere(world, page, ANN)
    assert value(page, "user")["email"] == ANN["email"]
    assert value(page, "refresh") == who
    assert value(page, "fetch", "/api/elsewhere") == 200
    kept = page.evaluate("JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])")
    assert "eyJ" not in kept
    assert "gpr_" not in kept
    with page.expect_request("**/oauth/token"):
        page.reload()
    assert came_back(world, page) == who
    page.evaluate("() => { void client.signOut(); }")
    page.wait_for_url(f"{world.app.other_site}/")


def test_each_tab_of_another_site_has_a_grant_of_its_own(world: World, elsewhere: Page) -> None:
    """THREATS 21: Bob's sign-in in another tab changes nothing for Ann's; signing out ends the tabs of that session."""
    page = elsewhere
    ann = sign_in_elsewhere(world, page, ANN)
    twin, other = another(page), another(page)
    with twin.expect_request("**/oauth/token"):  # the issuer knows the browser, and asks nothing
        twin.evaluate("() => { void client.signIn(); }")
    assert came_back(world, twin) == ann
    world.server.clock.advance(QUIET_SECONDS)  # the issuer takes a sign-in of this moment for a new one
    bob = sign_in_elsewhere(world, other, BOB, "{ prompt: 'login' }")
    assert bob["subject"] != ann["subject"]
    assert value(page, "refresh") == ann
    assert value(page, "user")["email"] == ANN["email"]
    other.evaluate("() => { void client.signOut(); }")
    other.wait_for_url(f"{world.app.other_site}/")
    assert value(page, "session") == ann
    twin.evaluate("() => { void client.signOut(); }")
    page.wait_for_function("client.current === null")


def test_an_answer_that_was_not_asked_for(world: World, elsewhere: Page) -> None:
    """Login CSRF and mix-up: a code with another state, of another issuer, or that no one asked for is refused."""
    page = elsewhere
    calls: list[str] = []
    page.on("request", lambda request: calls.append(request.url))
    page.route("**/oauth/authorize**", lambda route: route.fulfill(status=204))
    issuer = world.server.url
    for answer in (f"state=forged&iss={issuer}", "state=STATE&iss=https://evil.example", "state=STATE", ""):
        with page.expect_request("**/oauth/authorize**") as sent:
            page.evaluate("() => { void client.signIn(); }")
        state = re.findall("state=([^&]+)", sent.value.url)[0]
        go(page, f"{world.app.other_site}/callback?code=stolen&{answer.replace('STATE', state)}")
        assert page.evaluate("first")["code"] == "invalid_state"
        assert "code=" not in page.url
    assert not any(url.endswith("/oauth/token") for url in calls)


def test_the_authorization_request(world: World, elsewhere: Page) -> None:
    """S256, a state and a nonce of 256 bits each time, and the provider's page leads on to the request."""
    page = elsewhere
    page.route("**/pages/login/with/**", lambda route: route.fulfill(body="there", content_type="text/html"))
    page.evaluate("() => { void client.signInWith('google'); }")
    page.wait_for_url("**/pages/login/with/google?**")
    back = page.evaluate("new URLSearchParams(location.search).get('return_to')")
    assert back.startswith("/oauth/authorize?")
    query = dict(page.evaluate("(back) => [...new URL(back, location.href).searchParams]", back))
    assert query["code_challenge_method"] == "S256"
    assert {len(query[name]) for name in ("state", "nonce", "code_challenge")} == {43}
