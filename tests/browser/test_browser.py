"""The browser of these tests: it runs scripts, forgets everything between tests, and stays on this machine."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Error, expect

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Page

HTML = b"""<!doctype html><html lang="en"><title>Loopback</title>
<output></output>
<script>
  document.querySelector("output").textContent = document.cookie || "no cookie"
  document.cookie = "seen=1"
</script>
"""


class OnePage(BaseHTTPRequestHandler):
    """Answers every GET with the page."""

    def do_GET(self) -> None:
        """Answer."""
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(HTML)))
        self.end_headers()
        self.wfile.write(HTML)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """Serve the page on a free port of loopback."""
    with ThreadingHTTPServer(("127.0.0.1", 0), OnePage) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield f"http://localhost:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.mark.parametrize("_", ["first", "second"])
def test_a_script_runs_and_every_test_starts_without_cookies(page: Page, url: str, _: str) -> None:
    """A page sees the cookie that it set when it is loaded again, and no other test's."""
    page.goto(url)
    expect(page.get_by_role("status")).to_have_text("no cookie")
    page.reload()
    expect(page.get_by_role("status")).to_have_text("seen=1")
    assert page.title() == "Loopback"


def test_no_name_but_localhost_resolves(page: Page) -> None:
    """The browser finds no host outside of this machine."""
    with pytest.raises(Error, match="ERR_NAME_NOT_RESOLVED"):
        page.goto("http://gatepass.example/")
