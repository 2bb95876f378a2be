"""An authorization server on loopback that gives tokens and says what they are worth, as a test tells it."""

from __future__ import annotations

import http.server
import json
import threading
from typing import TYPE_CHECKING, Any, NamedTuple, Self
from urllib.parse import parse_qs

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

METADATA = "/.well-known/oauth-authorization-server"


class Sent(NamedTuple):
    """A form that came."""

    path: str
    form: dict[str, str]
    authorization: str | None
    dpop: str | None


class TokenServer:
    """The server.

    Attributes:
        url: The issuer.
        sent: The forms that came, in order.
        asked: The paths that were got.
        headers: What every answer has.
        answers: path -> what to answer a form: a status and a document, or text.
        metadata: What the metadata says.
    """

    def __init__(self) -> None:
        self.sent: list[Sent] = []
        self.asked: list[str] = []
        self.headers: dict[str, str] = {}
        self.answers: dict[str, Callable[[dict[str, str]], tuple[int, Any]]] = {}
        owner = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                owner.asked.append(self.path)
                self._answer(*((200, owner.metadata) if self.path == METADATA else (404, {})))

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["Content-Length"])).decode()
                form = {name: values[0] for name, values in parse_qs(body, strict_parsing=True).items()}
                owner.sent.append(Sent(self.path, form, self.headers["Authorization"], self.headers["DPoP"]))
                self._answer(*owner.answers[self.path](form))

            def _answer(self, status: int, document: object) -> None:
                octets = document.encode() if isinstance(document, str) else json.dumps(document).encode()
                self.send_response(status)
                if status in (302, 307):
                    self.send_header("Location", "/elsewhere")
                for name, value in owner.headers.items():
                    self.send_header(name, value)
                self.send_header("Content-Length", str(len(octets)))
                self.end_headers()
                self.wfile.write(octets)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.metadata: dict[str, Any] = {
            "issuer": self.url,
            "token_endpoint": self.url + "/token",
            "introspection_endpoint": self.url + "/introspect",
        }

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
