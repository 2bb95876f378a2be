"""A client for pages that we did not write, npm's oidc-client-ts, in Chromium: redirect, popup, renewal, DPoP."""

from __future__ import annotations

import json
import runpy
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import expect
from tests.browser.test_look import submit
from tests.support.node import installed
from tests.support.relying_party import add_relying_party
from tests.support.server import SettableClock, running_server

from gatepass.server.domain.sessions.client_metadata import ClientMetadata

if TYPE_CHECKING:
    from collections.abc import Generator
    from http.server import SimpleHTTPRequestHandler

    from playwright.sync_api import Page
    from tests.browser.conftest import OpenPage
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

PERSON = {"email": "ann@example.test", "password": "a sentence of some words"}
CLIENT = Path(__file__).parents[1] / "support" / "oidc_client_ts"
SCRIPT = """
const manager = new oidc.UserManager({
  authority: CONFIG.issuer, client_id: CONFIG.client_id, redirect_uri: location.origin + "/cb",
  popup_redirect_uri: location.origin + "/popup", silent_redirect_uri: location.origin + "/silent",
  post_logout_redirect_uri: location.origin + "/out", scope: "openid email", automaticSilentRenew: false,
  loadUserInfo: !CONFIG.dpop,  // it asks there without a proof
  userStore: new oidc.WebStorageStateStore({store: sessionStorage}),
  dpop: CONFIG.dpop ? {store: new oidc.IndexedDbDPoPStore(), bind_authorization_code: true} : undefined,
});
const show = user => { document.title = "signed in"; window.user = user; };
if (location.pathname === "/cb") manager.signinRedirectCallback().then(show, error => document.title = String(error));
if (location.pathname === "/popup") manager.signinPopupCallback();
if (location.pathname === "/silent") manager.signinSilentCallback();
"""

USERINFO = """async () => {
  const url = CONFIG.issuer + "/oauth/userinfo", proof = await manager.dpopProof(url, user);
  const answer = await fetch(url, {headers: {authorization: "DPoP " + user.access_token, dpop: proof}});
  return (await answer.json()).email;
}"""


class Spa(BaseHTTPRequestHandler):
    """A single-page application's site: every page is the same, and runs the client."""

    config: dict[str, Any] = {}  # noqa: RUF012 - set by each test
    library = b""

    def do_GET(self) -> None:
        """Send the library, or the page."""
        if urlsplit(self.path).path == "/oidc.js":
            self._send("text/javascript", self.library)
            return
        script = f"const CONFIG = {json.dumps(self.config)};{SCRIPT}"
        page = f"<!doctype html><title>loading</title><script src=/oidc.js></script><script>{script}</script>"
        self._send("text/html", page.encode())

    def _send(self, kind: str, body: bytes) -> None:
        self.send_response(200)
        self.send_header("content-type", kind)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server, and a person. Browsers have the real time."""
    with running_server(tmp_path_factory.mktemp("spa"), SettableClock(time.time())) as running:
        with running.client() as api:
            assert api.post("/signup", json=PERSON).status_code == 201
        yield running


@pytest.fixture
def port() -> Generator[int]:
    """Where the application's site is: at every name of this machine."""
    Spa.library = (installed(CLIENT) / "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js").read_bytes()
    with ThreadingHTTPServer(("127.0.0.1", 0), Spa) as http:
        thread = Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield http.server_port
        http.shutdown()
        thread.join()


def opened(server: RunningServer, origin: str, open_page: OpenPage, *, dpop: bool = False) -> tuple[Page, RelyingParty]:
    """The application's first page, whose client the operator has added."""
    uris = tuple(f"{origin}/{path}" for path in ("cb", "popup", "silent"))
    metadata = ClientMetadata(redirect_uris=uris, post_logout_redirect_uris=(f"{origin}/out",))
    party = add_relying_party(server, is_public=True, scope=("openid", "email"), metadata=metadata)
    Spa.config = {"issuer": server.url, "client_id": party.id, "dpop": dpop}
    page = open_page(locale="en-GB")
    page.goto(origin)
    return page, party


def sign_in(page: Page) -> None:
    """Go to the server by a redirect, and come back."""
    page.evaluate("() => { manager.signinRedirect(); }")
    page.wait_for_url("**/pages/login**")
    submit(page, "Sign in", **PERSON)
    page.wait_for_function("document.title == 'signed in'")


@pytest.mark.parametrize("dpop", [False, True], ids=["bearer", "DPoP"])
def test_by_redirect_from_another_site(server: RunningServer, port: int, open_page: OpenPage, *, dpop: bool) -> None:
    """Discovery, token endpoint and UserInfo by CORS; with DPoP the code and the token are bound to the page's key."""
    page, _ = opened(server, f"http://127.0.0.1:{port}", open_page, dpop=dpop)
    sign_in(page)
    assert page.evaluate("user.token_type").lower() == ("dpop" if dpop else "bearer")
    assert page.evaluate(USERINFO if dpop else "user.profile.email") == PERSON["email"]
    renewed = page.evaluate("manager.signinSilent().then(user => user.access_token)")  # by the refresh token
    assert renewed != page.evaluate("user.access_token")


def test_by_popup(server: RunningServer, port: int, open_page: OpenPage) -> None:
    """`signinPopup` answers: the popup keeps its opener over all of our pages."""
    page, _ = opened(server, f"http://127.0.0.1:{port}", open_page)
    with page.expect_popup() as popup:
        page.evaluate("() => { manager.signinPopup().then(show); }")
    for name, value in PERSON.items():
        popup.value.locator(f"input[name={name}]:visible").fill(value)
    popup.value.get_by_role("button", name="Sign in", exact=True).click(no_wait_after=True)  # it closes itself
    page.wait_for_function("document.title == 'signed in'")


def test_silent_renewal_in_a_frame_of_the_same_site(server: RunningServer, port: int, open_page: OpenPage) -> None:
    """`prompt=none` in a frame brings another token where the browser sends the session's cookie."""
    page, _ = opened(server, f"http://localhost:{port}", open_page)
    sign_in(page)
    page.evaluate("() => { user.refresh_token = undefined; return manager.storeUser(user); }")
    first = page.evaluate("user.access_token")
    assert page.evaluate("manager.signinSilent().then(user => user.access_token)") != first


def test_silent_renewal_in_a_frame_of_another_site_fails_at_once(
    server: RunningServer, port: int, open_page: OpenPage
) -> None:
    """The cookie stays away there, so the answer is `login_required`, and not a frame that hangs."""
    page, _ = opened(server, f"http://127.0.0.1:{port}", open_page)
    sign_in(page)
    page.evaluate("() => { user.refresh_token = undefined; return manager.storeUser(user); }")
    failed = page.evaluate("manager.signinSilent().then(() => 'renewed', error => error.error)")
    assert failed == "login_required"


def test_signing_out(server: RunningServer, port: int, open_page: OpenPage) -> None:
    """RP-initiated logout leads back, and the server has forgotten the browser."""
    page, _ = opened(server, f"http://127.0.0.1:{port}", open_page)
    sign_in(page)
    page.evaluate("() => { manager.signoutRedirect(); }")
    page.wait_for_url(f"http://127.0.0.1:{port}/out**")
    page.goto(f"{server.url}/pages/account")
    page.wait_for_url("**/pages/login**")


EXAMPLE = Path(__file__).parents[2] / "examples" / "spa_other_site"


def test_the_example(server: RunningServer, open_page: OpenPage) -> None:
    """`examples/spa_other_site`, by both clients: people sign in, stay signed in over a reload, and sign out."""
    site: type[SimpleHTTPRequestHandler] = runpy.run_path(str(EXAMPLE / "main.py"))["Site"]
    library = installed(CLIENT) / "node_modules/oidc-client-ts/dist/browser/oidc-client-ts.min.js"
    config: dict[str, str] = {}

    class Configured(site):  # type: ignore[misc, valid-type]
        """The example's site, with the library of the tests and the client that they made."""

        def do_GET(self) -> None:  # noqa: N802 - the base class names it
            if self.path == "/config.js":
                self._send("text/javascript", f"const CONFIG = {json.dumps(config)};".encode())
            elif self.path == "/oidc-client-ts.min.js":
                self._send("text/javascript", library.read_bytes())
            else:
                super().do_GET()

        _send = Spa._send
        log_message = Spa.log_message

    with ThreadingHTTPServer(("127.0.0.1", 0), Configured) as http:
        thread = Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        origin = f"http://127.0.0.1:{http.server_port}"
        metadata = ClientMetadata(
            redirect_uris=(f"{origin}/callback", f"{origin}/gatepass/callback"),
            post_logout_redirect_uris=(f"{origin}/", f"{origin}/gatepass"),
        )
        party = add_relying_party(server, is_public=True, scope=("openid", "email"), metadata=metadata)
        config |= {"issuer": server.url, "clientId": party.id}
        for path, signed_out in (("/", "Nobody is signed in."), ("/gatepass", "You are not signed in.")):
            page = open_page(locale="en-GB")
            page.goto(f"{origin}{path}")
            page.get_by_role("button", name="Sign in").click()
            page.wait_for_url("**/pages/login**")
            submit(page, "Sign in", **PERSON)
            expect(page.get_by_role("status")).to_have_text(f"Welcome, {PERSON['email']}")
            page.reload()
            expect(page.get_by_role("status")).to_have_text(f"Welcome, {PERSON['email']}")
            assert page.url == f"{origin}{path}"
            page.get_by_role("button", name="Sign out").click()
            expect(page.get_by_role("status")).to_have_text(signed_out)
        http.shutdown()
        thread.join()
