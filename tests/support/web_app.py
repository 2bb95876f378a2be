"""A web application's site: pages that load the client for browsers, and calls that say what they were sent."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from collections.abc import Generator

PAGE = """<!doctype html><html lang="en"><title>An application</title><script type="module">
import { createClient, AuthError } from "%(issuer)s/gatepass.js";
const failed = ({ code, factors, message }) => ({ code, factors, message });
const tried = (work) => work().then((value) => ({ value: value ?? null }), failed);
Object.assign(window, { createClient, AuthError, tried, changes: [] });
window.client = createClient(%(options)s);
client.onChange((session) => changes.push(session && session.subject));
if (%(options)s.clientId) window.first = tried(() => client.session());
window.isLoaded = true;
</script></html>"""


@dataclass
class WebApp:
    """The site, at an origin; `options` are what its pages give to `createClient`, by path."""

    port: int
    issuer: str = ""
    options: dict[str, dict[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    calls: list[tuple[str, str | None]] = field(default_factory=list[tuple[str, str | None]])

    @property
    def origin(self) -> str:
        """Where pages of the issuer's site are: browsers hold localhost on all ports for one."""
        return f"http://localhost:{self.port}"

    @property
    def other_site(self) -> str:
        """The same pages on another site."""
        return f"http://127.0.0.1:{self.port}"

    def tokens_at(self, path: str) -> list[str | None]:
        """What came as Authorization with the calls at a path."""
        return [sent for at, sent in self.calls if at == path]


class Handler(BaseHTTPRequestHandler):
    """`/to?url=` redirects, `/refused` is a 401, `/api…` an answer, everything else the page."""

    app: WebApp

    def do_GET(self) -> None:
        """Answer, and remember the calls."""
        parts = urlsplit(self.path)
        if parts.path.startswith(("/to", "/refused", "/api")):
            self.app.calls.append((parts.path, self.headers["authorization"]))
        if parts.path == "/to":
            self._send(302, location=parse_qs(parts.query)["url"][0])
        elif parts.path == "/refused":
            self._send(401)
        elif parts.path.startswith("/api"):
            self._send(200, b"{}", content_type="application/json")
        else:
            page = PAGE % {"issuer": self.app.issuer, "options": json.dumps(self.app.options.get(parts.path, {}))}
            self._send(200, page.encode(), content_type="text/html")

    def do_POST(self) -> None:
        """As GET, and the body is read."""
        self.rfile.read(int(self.headers["content-length"] or 0))
        self.do_GET()

    def do_OPTIONS(self) -> None:
        """Any page may call, with any header."""
        self._send(204, access_control_allow_headers="*, authorization")

    def _send(self, status: int, body: bytes = b"", **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"access_control_allow_origin": "*", "content_length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def web_app() -> Generator[WebApp]:
    """Serve one on a free port until the block ends."""

    class Site(Handler):
        """The one of this block."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Site) as http:
        Site.app = app = WebApp(http.server_port)
        thread = Thread(target=http.serve_forever, args=(0.01,))
        thread.start()
        yield app
        http.shutdown()
        thread.join()
