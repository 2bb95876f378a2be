"""An issuer on loopback that does what a test tells it to: rotate, revoke, lie, stall, flood, drip, redirect or die."""

from __future__ import annotations

import json
import queue
import socketserver
import threading
from typing import TYPE_CHECKING, Any, Self

from gatepass.jose import Key, KeySet, jws, jwt
from gatepass.tokens import heartbeat, revocation_event, revocation_snapshot, status_list
from gatepass.tokens.revocation_event import Position, Revoked
from gatepass.tokens.status_list import Bits

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from types import TracebackType

NOW = 1_800_000_000.0
"""What the clocks of these tests show at first."""

METADATA = "/.well-known/oauth-authorization-server"
OPENID_METADATA = "/.well-known/openid-configuration"
JWKS = "/jwks.json"
STREAM = "/revocations"
SNAPSHOT = "/revocations/snapshot"
LIST = "/status/7"

BEAT_SECONDS = 0.05
"""How often heartbeats go out: more often than a server sends them, for tests have no time."""

STREAM_HEAD = b"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"


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


class Revoking:
    """What an issuer has revoked, and how it says so.

    Attributes:
        clock: The time at which documents are made.
        epoch: Which line of events it is.
        log: The events so far: number, and the message.
        bits: Status lists by path.
        jtis: Revoked tokens.
        kids: Revoked keys.
        streams: A queue of bytes for each open stream; None ends it.
        beats: Whether heartbeats go out by themselves.
        asked_from: The `Last-Event-ID` of each stream that was ever opened.
    """

    url: str
    keys: list[Key]

    def __init__(self, clock: Callable[[], float] | None = None) -> None:
        self.clock = clock or Clock()
        self.epoch = "e1"
        self.event_id = 0
        self.log: list[tuple[int, str]] = []
        self.bits: dict[str, Bits] = {LIST: Bits()}
        self.jtis: dict[str, int] = {}
        self.kids: list[str] = []
        self.streams: list[queue.Queue[bytes | None]] = []
        self.asked_from: list[str] = []
        self.beats = True
        self._lock = threading.Lock()

    def signed(self, message: bytes, key: Key) -> str:
        """Sign."""
        return jws.assemble(message, key.sign(message))

    def status_list(self, path: str = LIST, key: Key | None = None, **changes: Any) -> str:  # noqa: ANN401 - any claim
        """Make a status list as it is now, with some claims changed."""
        now, key = int(self.clock()), key or self.keys[0]
        fields = {"iss": self.url, "sub": self.url + path, "iat": now, "exp": now + 300, "ttl": 30}
        fields |= {"epoch": self.epoch, "event_id": self.event_id}
        made = status_list.claims(self.bits[path], **(fields | changes))
        return self.signed(status_list.signing_input(made, alg=key.alg, kid=key.kid or ""), key)

    def snapshot(self, key: Key | None = None, **changes: Any) -> str:  # noqa: ANN401 - any claim
        """Make a snapshot as of now, with some claims changed."""
        now, key = int(self.clock()), key or self.keys[0]
        fields: dict[str, Any] = {
            "iss": self.url,
            "iat": now,
            "exp": now + 300,
            "epoch": self.epoch,
            "event_id": self.event_id,
        }
        fields |= {"jtis": dict(self.jtis), "kids": tuple(self.kids)}
        made = revocation_snapshot.Snapshot(**(fields | changes))
        return self.signed(revocation_snapshot.signing_input(made, alg=key.alg, kid=key.kid or ""), key)

    def event(self, revoked: Revoked, event_id: int, key: Key | None = None, **changes: Any) -> str:  # noqa: ANN401
        """Make an event message, with some claims changed."""
        key = key or self.keys[0]
        issuer, now = changes.get("iss", self.url), changes.get("iat", self.clock())
        position = Position(changes.get("epoch", self.epoch), event_id)
        made = revocation_event.claims(issuer=issuer, now=now, position=position, revoked=revoked)
        return self.signed(revocation_event.signing_input(made, alg=key.alg, kid=key.kid or ""), key)

    def revoke(
        self, *indexes: int, jti: str | None = None, kid: str | None = None, path: str = LIST, key: Key | None = None
    ) -> None:
        """Revoke, and say so on every stream."""
        with self._lock:
            jtis = {} if jti is None else {jti: int(self.clock()) + 900}
            kids = () if kid is None else (kid,)
            status = ((self.url + path, indexes),) if indexes else ()
            revoked = Revoked(after=self.event_id, status=status, jtis=jtis, kids=kids)
            self.event_id += 1
            self.bits[path].set(indexes)
            self.jtis |= jtis
            self.kids += kids
            self.log.append((self.event_id, self.event(revoked, self.event_id, key)))
            self.say(sse("revoked", self.log[-1][1]))

    def say(self, octets: bytes | None) -> None:
        """Write to every open stream; None ends them."""
        for stream in list(self.streams):
            stream.put(octets)

    def heartbeat(self, key: Key | None = None, **changes: Any) -> str:  # noqa: ANN401 - any claim
        """Make a heartbeat as of now, with some claims changed."""
        now, key = self.clock(), key or self.keys[0]
        fields: dict[str, Any] = {"iss": self.url, "epoch": self.epoch, "head": self.event_id, "as_of": now, "iat": now}
        made = heartbeat.Heartbeat(**(fields | changes))
        return self.signed(heartbeat.signing_input(made, alg=key.alg, kid=key.kid or ""), key)

    def beat(self, **changes: Any) -> None:  # noqa: ANN401 - any claim
        """Send every stream a heartbeat."""
        with self._lock:
            self.say(comment(f"heartbeat {self.heartbeat(**changes)}"))

    def stream(self, connection: socket.socket, last: str) -> None:
        """Serve one stream, from a position on."""
        inbox: queue.Queue[bytes | None] = queue.Queue()
        at = Position.parse(last)
        where = json.dumps({"epoch": self.epoch, "event_id": self.event_id})
        connection.sendall(STREAM_HEAD)
        with self._lock:
            self.asked_from.append(last)
            if at is None or at.epoch != self.epoch or at.event_id > self.event_id:
                inbox.put(sse("resync", where))
            else:
                inbox.put(sse("hello", where))
                for number, message in self.log:
                    if number > at.event_id:
                        inbox.put(sse("revoked", message))
                inbox.put(comment(f"heartbeat {self.heartbeat()}"))
            self.streams.append(inbox)
        try:
            while (octets := self._next(inbox)) is not None:
                connection.sendall(octets)
        finally:
            self.streams.remove(inbox)

    def _next(self, inbox: queue.Queue[bytes | None]) -> bytes | None:
        try:
            return inbox.get(timeout=BEAT_SECONDS)
        except queue.Empty:
            with self._lock:  # so that none comes before an event that it knows of
                if not self.beats or not inbox.empty():
                    return b""
                return comment(f"heartbeat {self.heartbeat()}")


def comment(text: str) -> bytes:
    """Write a comment."""
    return f": {text}\n\n".encode()


def sse(event: str, data: str) -> bytes:
    """Write a message."""
    return f"event: {event}\ndata: {data}\n\n".encode()


class ScriptedIssuer(Revoking):
    """The server, and the keys that it signs tokens with.

    Attributes:
        url: The issuer.
        keys: What the JWKS publishes; change it to rotate.
        requests: The path of every request, in order.
        heads: Their request lines and headers.
        scripts: path -> what to do on the socket in place of the usual answer.
        offers: The members of the metadata that say where revocations are; none at first.
        released: Set when the server stops, so that a script may wait for that.
    """

    def __init__(self, path: str = "", *, clock: Callable[[], float] | None = None, revokes: bool = False) -> None:
        super().__init__(clock)
        self.keys = [Key.generate("ES256")]
        self.requests: list[str] = []
        self.heads: list[bytes] = []
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
        self.offers: dict[str, Any] = {}
        if revokes:
            self.offers = {"revocations_uri": self.url + STREAM, "revocations_snapshot_uri": self.url + SNAPSHOT}

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.released.set()
        self.say(None)
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

    def metadata(self) -> dict[str, Any]:
        """The metadata document (RFC 8414 §2), as far as a verifier reads it."""
        return {"issuer": self.url, "jwks_uri": self.origin + JWKS} | self.offers

    def at(self, idx: int, path: str = LIST) -> dict[str, Any]:
        """Say where a token's status is, as its claim `status` does."""
        return {"status_list": {"idx": idx, "uri": self.url + path}}

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
        self.heads.append(head)
        script = self.scripts.get(path)
        try:
            if script is not None:
                script(connection)
            elif path == METADATA + self._path:
                answer(connection, json.dumps(self.metadata()).encode())
            elif path == JWKS:
                answer(connection, json.dumps(KeySet(self.keys).to_jwks()).encode(), headers=self.jwks_headers)
            elif path == SNAPSHOT:
                answer(connection, self.snapshot().encode())
            elif path == STREAM:
                self.stream(connection, _header(head, b"last-event-id"))
            elif path in self.bits:
                answer(connection, self.status_list(path).encode())
            else:
                answer(connection, b"", status=404)
        except OSError:
            pass  # the client has gone away, as it should when we misbehave


def _header(head: bytes, name: bytes) -> str:
    for line in head.split(b"\r\n"):
        field, _, value = line.partition(b":")
        if field.lower() == name:
            return value.strip().decode()
    return ""


def answer(
    connection: socket.socket, body: bytes, *, status: int = 200, headers: Mapping[str, str] | None = None
) -> None:
    """Write one HTTP answer."""
    lines = [f"HTTP/1.1 {status} X", f"Content-Length: {len(body)}", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    connection.sendall("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
