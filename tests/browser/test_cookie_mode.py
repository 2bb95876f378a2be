"""Cookie mode in a real Chromium, on plain loopback HTTP and under TLS: what our pages can do, and others cannot."""

from __future__ import annotations

import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.server import ANN, SettableClock, running_server
from tests.support.tls import self_signed

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    from playwright.sync_api import Page
    from tests.support.server import RunningServer

CALL = """
async ({ url, body, headers, credentials }) => {
  try {
    const answer = await fetch(url, {
      method: "POST", credentials, headers, body: body === null ? undefined : JSON.stringify(body),
    });
    const text = await answer.text();
    return { status: answer.status, body: text ? JSON.parse(text) : null, cookies: document.cookie };
  } catch (error) {
    return { status: 0, body: String(error), cookies: document.cookie };
  }
}
"""
JSON = {"content-type": "application/json"}
OURS = {"gatepass-request": "1"}
EMPTY_PAGE = "<!doctype html><html lang='en'><title>An application</title></html>"


@pytest.fixture(scope="module", params=["http", "https"])
def server(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server on plain loopback HTTP, and one under TLS. Browsers have the real time, so it has too."""
    folder = tmp_path_factory.mktemp("cookies")
    settings: dict[str, Any] = {}
    if request.param == "https":
        settings["tls_cert"], settings["tls_key"] = self_signed(folder)
    with running_server(folder / "data", SettableClock(time.time()), **settings) as running:
        with running.client(verify=False) as api:
            assert api.post("/signup", json=ANN).status_code == 201
        yield running


@pytest.fixture(scope="module")
def tab_options(server: RunningServer) -> dict[str, Any]:
    """The certificate is one of the test's own. The tab closes before its server, which waits for connections."""
    return {"ignore_https_errors": True}


@pytest.fixture
def application(server: RunningServer, tab: Page) -> Page:
    """A page of an application on the issuer's own site."""
    tab.route(f"{server.url}/app", lambda route: route.fulfill(body=EMPTY_PAGE, content_type="text/html"))
    tab.goto(f"{server.url}/app")
    return tab


def call(page: Page, url: str, body: Any = None, *, credentials: str = "same-origin", **headers: str) -> Any:  # noqa: ANN401
    """Let the page's script make a call."""
    sent = {name.replace("_", "-"): value for name, value in headers.items()}
    if body is not None:
        sent |= JSON
    return page.evaluate(CALL, {"url": url, "body": body, "headers": sent, "credentials": credentials})


def test_a_page_signs_in_reloads_and_signs_out(server: RunningServer, application: Page) -> None:
    """The access token is in the page's memory, the refresh token out of its reach; a reload keeps the sign-in."""
    page = application
    signed_in = call(page, "/login", {**ANN, "cookie": True})
    assert signed_in["status"] == 200
    assert "refresh_token" not in signed_in["body"]
    assert signed_in["cookies"] == ""
    cookie, known = page.context.cookies()
    assert (known["name"], known["httpOnly"]) == (server.cookie("gatepass-known"), True)
    secure = server.url.startswith("https")
    assert cookie["name"] == server.cookie()
    assert cookie["name"].startswith("__Host-gatepass-refresh-" if secure else "gatepass-refresh-")
    assert (cookie["httpOnly"], cookie["secure"], cookie["sameSite"], cookie["path"]) == (True, secure, "Strict", "/")
    page.reload()
    refreshed = call(page, "/refresh", **OURS)
    assert refreshed["status"] == 200
    token = refreshed["body"]["token"]
    me = page.evaluate(
        "async (token) => (await fetch('/me', {headers: {authorization: 'Bearer ' + token}})).json()", token
    )
    assert me["email"] == ANN["email"]
    assert call(page, "/logout", **OURS)["status"] == 204
    assert page.context.cookies() == [known]  # which opens nothing: it says that this browser was signed in before
    assert call(page, "/refresh", **OURS)["body"]["code"] == "missing_refresh_token"


def test_our_own_page_must_say_that_it_means_it(application: Page) -> None:
    """Even from the issuer's own origin a call that bears the cookie needs the header."""
    call(application, "/login", {**ANN, "cookie": True})
    assert call(application, "/refresh")["body"]["code"] == "cross_site_request"
    assert call(application, "/refresh", **OURS)["status"] == 200


@pytest.fixture
def other_port() -> Generator[int]:
    """The port of another web server on this machine, with an empty page."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(EMPTY_PAGE.encode())

        def log_message(self, *_: object) -> None:
            """Keep quiet."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as http:
        thread = threading.Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield http.server_address[1]
        http.shutdown()
        thread.join()


@pytest.fixture
def foreign_site(other_port: int) -> str:
    """A page of another site: browsers hold 127.0.0.1 and localhost for two."""
    return f"http://127.0.0.1:{other_port}"


def test_another_sites_page_can_do_nothing_with_the_cookie(
    server: RunningServer, application: Page, foreign_site: str
) -> None:
    """From 127.0.0.1, another site than localhost: neither a fetch with credentials nor a form does anything."""
    call(application, "/login", {**ANN, "cookie": True})
    page = application.context.new_page()
    page.goto(foreign_site)
    for headers in ({}, OURS):
        assert call(page, f"{server.url}/refresh", credentials="include", **headers)["status"] == 0
        assert call(page, f"{server.url}/logout", credentials="include", **headers)["status"] == 0
    with page.expect_navigation():
        page.evaluate(
            """(url) => { const form = document.createElement("form"); form.method = "post"; form.action = url;
                          document.body.append(form); form.submit(); }""",
            f"{server.url}/logout/all",
        )
    assert "missing_token" in page.content()
    assert call(application, "/refresh", **OURS)["status"] == 200


def test_another_sites_page_cannot_sign_a_browser_in(
    server: RunningServer, application: Page, foreign_site: str
) -> None:
    """Login CSRF: nothing that a foreign page sends plants a cookie."""
    page = application.context.new_page()
    page.goto(foreign_site)
    assert call(page, f"{server.url}/login", {**ANN, "cookie": True}, credentials="include")["status"] == 0
    assert application.context.cookies() == []


def test_a_page_of_a_listed_origin_may_use_the_cookie(
    tmp_path: Path, open_page: Callable[..., Page], other_port: int
) -> None:
    """An application on another port of the same site, listed in `browser_origins`, uses the cookie by CORS."""
    origin = f"http://localhost:{other_port}"
    with running_server(tmp_path, SettableClock(time.time()), browser_origins=(origin,)) as running:
        with running.client() as api:
            api.post("/signup", json=ANN)
        page = open_page()
        page.goto(origin)
        signed_in = call(page, f"{running.url}/login", {**ANN, "cookie": True}, credentials="include")
        assert signed_in["status"] == 200
        assert call(page, f"{running.url}/refresh", credentials="include", **OURS)["status"] == 200
        assert call(page, f"{running.url}/logout", credentials="include", **OURS)["status"] == 204
        assert running.cookie() not in {cookie["name"] for cookie in page.context.cookies()}
