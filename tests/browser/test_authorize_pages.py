"""Signing in to an application in a real browser: from its site and back, in a popup, without scripts."""

from __future__ import annotations

import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode, urlsplit

import pytest
from playwright.sync_api import expect
from tests.browser.test_look import Eye, submit
from tests.support.authorization import challenge
from tests.support.relying_party import add_relying_party
from tests.support.server import SettableClock, running_server

from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.server.domain.sessions.device_code import GRANT_TYPE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from playwright.sync_api import Page
    from tests.browser.conftest import OpenPage
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

PERSON = {"email": "ann@example.test", "password": "a sentence of some words"}
SCOPE = "openid email roles offline_access"


class Site(BaseHTTPRequestHandler):
    """An application's site: a link to sign in, and a page that shows what came back."""

    authorize = ""

    def do_GET(self) -> None:
        """Show the link, or the answer in the query."""
        answer = dict(parse_qsl(urlsplit(self.path).query))
        self._show(" ".join(f"{name}={value}" for name, value in answer.items()))

    def do_POST(self) -> None:
        """Show the answer in the form."""
        form = self.rfile.read(int(self.headers["content-length"])).decode()
        self._show("posted " + " ".join(name for name, _ in parse_qsl(form)))

    def _show(self, text: str) -> None:
        page = (
            f"<!doctype html><title>App</title><p id=answer>{text}</p><a href='{self.authorize}'>Sign in</a>"
            f"<button onclick=\"window.popup = window.open('{self.authorize}')\">Popup</button>"
            "<script>if (opener) { opener.answered = location.search; close(); }</script>"
        )
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(page.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server, and a person. Browsers have the real time."""
    with running_server(tmp_path_factory.mktemp("authorize"), SettableClock(time.time())) as running:
        with running.client() as api:
            assert api.post("/signup", json=PERSON).status_code == 201
        yield running


@pytest.fixture
def site() -> Generator[str]:
    """The application's site: on 127.0.0.1, which is another one than localhost to a browser."""
    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as http:
        thread = Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()
        thread.join()


@pytest.fixture
def party(server: RunningServer, site: str) -> RelyingParty:
    """The application, of somebody else's."""
    metadata = ClientMetadata(
        redirect_uris=(f"{site}/cb",),
        policy_uri="https://app.example.test/privacy",
        tos_uri="https://app.example.test/t",
    )
    return add_relying_party(
        server, scope=tuple(SCOPE.split()), rules=ClientRules(), metadata=metadata, origin="dcr", name="A Notes App"
    )


def link(server: RunningServer, site: str, party: RelyingParty, **changed: str) -> str:
    """Point the site's link at a request."""
    query = {
        "client_id": party.id,
        "redirect_uri": f"{site}/cb",
        "response_type": "code",
        "scope": SCOPE,
        "state": "s-1",
        "code_challenge": challenge("v" * 43),
        "code_challenge_method": "S256",
    } | changed
    Site.authorize = f"{server.url}/oauth/authorize?{urlencode(query)}"
    return Site.authorize


@pytest.mark.parametrize("scripts", [True, False], ids=["scripts", "no scripts"])
@pytest.mark.parametrize("mode", ["query", "form_post"])
def test_from_the_applications_site_and_back(
    server: RunningServer, site: str, party: RelyingParty, open_page: OpenPage, *, scripts: bool, mode: str
) -> None:
    """Chromium follows the forms and redirects from one site over ours to the other, with scripts and without."""
    link(server, site, party, response_mode=mode)
    page = open_page(java_script_enabled=scripts, locale="en-GB")
    page.goto(site)
    page.get_by_role("link", name="Sign in").click()
    submit(page, "Sign in", **PERSON)
    expect(page.get_by_role("heading", name="A Notes App wants to access your account")).to_be_visible()
    page.get_by_role("button", name="Allow").click()
    if mode == "form_post" and not scripts:
        page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{site}/cb*")
    expect(page.locator("#answer")).to_contain_text("code" if mode == "form_post" else "state=s-1")
    page.goto(site)
    page.get_by_role("link", name="Sign in").click()  # signed in, and agreed to: straight back
    if mode == "form_post" and not scripts:
        page.get_by_role("button", name="Continue").click()
    page.wait_for_url(f"{site}/cb*")


def test_in_a_popup(server: RunningServer, site: str, party: RelyingParty, open_page: OpenPage) -> None:
    """The application's page gets the answer from the popup that it has opened: its opener is not cut off."""
    link(server, site, party)
    page = open_page(locale="en-GB")
    page.goto(site)
    with page.expect_popup() as opened:
        page.get_by_role("button", name="Popup").click()
    popup = opened.value
    submit(popup, "Sign in", **PERSON)
    popup.get_by_role("button", name="Allow").click()
    page.wait_for_function("window.answered")
    assert "code=" in page.evaluate("window.answered")


def test_cancel_is_not_what_enter_does(
    server: RunningServer, site: str, party: RelyingParty, open_page: OpenPage
) -> None:
    """Enter agrees, as the first button; Cancel goes back with `access_denied`, after a page that names the host."""
    page = open_page(locale="en-GB")
    page.goto(link(server, site, party))
    submit(page, "Sign in", **PERSON)
    page.get_by_role("button", name="Cancel").click()
    expect(page.get_by_text("wants to send you to")).to_be_visible()
    page.get_by_role("link", name="Go to").click()
    expect(page.locator("#answer")).to_contain_text("error=access_denied")


@pytest.fixture
def eye(server: RunningServer, open_page: OpenPage, artefacts: Path) -> Eye:
    """A browser whose pages are looked at."""
    folder = artefacts / "pages"
    folder.mkdir(exist_ok=True)
    return Eye(open_page(base_url=server.url, locale="en-GB"), folder)


def test_how_they_look(server: RunningServer, site: str, party: RelyingParty, eye: Eye) -> None:
    """Every page of an authorization: axe finds nothing, nothing scrolls sideways, and the pictures are kept."""
    page = eye.page
    page.goto(link(server, site, party, redirect_uri="https://evil.example.test"))
    eye.look("authorize-refused")
    page.goto(link(server, site, party))
    submit(page, "Sign in", **PERSON)
    eye.look("authorize-consent")
    page.get_by_role("button", name="Cancel").click()
    eye.look("authorize-leave")
    page.goto(link(server, site, party, prompt="select_account"))
    eye.look("authorize-choose")
    page.goto(link(server, site, party, acr_values="2"))
    eye.look("authorize-step-up")
    _device(server, page, eye)
    assert eye.complaints == []


def _device(server: RunningServer, page: Page, eye: Eye) -> None:
    television = add_relying_party(
        server, is_public=True, grant_types=(GRANT_TYPE,), scope=("openid", "email"), name="Television"
    )
    with server.client() as api:
        form = {"client_id": television.id, "scope": "openid email"}
        shown = api.post("/oauth/device", data=form).json()
    page.goto(shown["verification_uri_complete"])
    eye.look("device")
    page.get_by_role("button", name="Continue").click()
    eye.look("device-consent")
    page.get_by_role("button", name="Allow").click()
    expect(page.get_by_role("heading", name="Device connected")).to_be_visible()
    eye.look("device-allowed")
    page.goto("/pages/account/apps")
    eye.look("apps")
    page.goto("/oauth/logout")
    eye.look("logout")


@pytest.mark.parametrize("language", ["de", "fr"])
def test_in_another_language(
    server: RunningServer, site: str, party: RelyingParty, open_page: OpenPage, artefacts: Path, language: str
) -> None:
    """The longest texts fit on a phone."""
    folder = artefacts / "pages"
    folder.mkdir(exist_ok=True)
    eye = Eye(open_page(base_url=server.url, locale=language), folder)
    eye.page.goto(link(server, site, party))
    eye.page.locator("input[name=email]").fill(PERSON["email"])
    eye.page.locator("input[name=password]").fill(PERSON["password"])
    eye.page.locator("input[name=password]").press("Enter")
    eye.page.get_by_role("checkbox").first.wait_for()
    eye.look(f"authorize-consent-{language}")
