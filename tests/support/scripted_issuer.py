"""An issuer on loopback that does what a test tells it to: rotate, lie, stall, flood, drip, redirect or die."""

from __future__ import annotations

import json
import socketserver
import threading
from typing import TYPE_CHECKING, Any, Self

from gatepass.jose import Key, KeySet, jwt

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from types import TracebackType

NOW = 1_800_000_000.0
"""What the clocks of these tests show at first."""

METADATA = "/.well-known/oauth-authorization-server"
OPENID_METADATA = "/.well-known/openid-configuration"
JWKS = "/jwks.json"


class Clock:
    """A clock that moves when told."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        """Tell the time."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Move."""
        self.now += seconds


class ScriptedIssuer:
    """The server, and the keys that it signs tokens with.

    Attributes:
        url: The issuer.
        keys: What the JWKS publishes; change it to rotate.
        requests: The path of every request, in order.
        scripts: path -> what to do on the socket in place of the usual answer.
        released: Set when the server stops, so that a script may wait for that.
    """

    def __init__(self, path: str = "") -> None:
        self.keys = [Key.generate("ES256")]
        self.requests: list[str] = []
        self.scripts: dict[str, Callable[[socket.socket], None]] = {}
        self.jwks_headers: dict[str, str] = {}
        self.released = threading.Event()
        issuer = self

        class Handler(socketserver.BaseRequestHandler):
            request: socket.socket

            def handle(self) -> None:
                issuer.serve(self.request)

        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._path = path
        self.origin = f"http://127.0.0.1:{self._server.server_address[1]}"
        self.url = self.origin + path

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def token(self, key: Key | None = None, typ: str | None = "at+jwt", **changes: object) -> str:
        """Sign a good token, with some claims changed; None takes a claim away."""
        claims: dict[str, Any] = {
            "iss": self.url,
            "sub": "user_1",
            "aud": "my-api",
            "exp": int(NOW) + 900,
            "iat": int(NOW),
            "jti": "tok_1",
            "client_id": "first-party",
        }
        claims = {name: value for name, value in (claims | changes).items() if value is not None}
        return jwt.sign(claims, key or self.keys[0], typ=typ)

    def count(self, path: str = JWKS) -> int:
        """Say how often a path was asked for."""
        return self.requests.count(path)

    def metadata(self) -> dict[str, str]:
        """The metadata document (RFC 8414 §2), as far as a verifier reads it."""
        return {"issuer": self.url, "jwks_uri": self.origin + JWKS}

    def serve(self, connection: socket.socket) -> None:
        """Answer one request."""
        head = b""
        while b"\r\n\r\n" not in head:
            received = connection.recv(65536)
            if not received:
                return
            head += received
        path = head.split(b" ", 2)[1].decode()
        self.requests.append(path)
        script = self.scripts.get(path)
        try:
            if script is not None:
                script(connection)
            elif path == METADATA + self._path:
                answer(connection, json.dumps(self.metadata()).encode())
            elif path == JWKS:
                answer(connection, json.dumps(KeySet(self.keys).to_jwks()).encode(), headers=self.jwks_headers)
            else:
                answer(connection, b"", status=404)
        except OSError:
            pass  # the client has gone away, as it should when we misbehave


def answer(
    connection: socket.socket, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    """Write one HTTP answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
