"""A connection of a reader: HTTP/1.1, one request after the other, until one asks for the stream."""

from __future__ import annotations

import asyncio
import logging
import random
from http import HTTPStatus
from typing import TYPE_CHECKING, cast

import httptools
import msgspec

from gatepass.fanout.readers import LAST_CHUNK, chunk

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.fanout.readers import Mailbox
    from gatepass.relay.documents import RelayedDocument
    from gatepass.relay.places import Places
    from gatepass.relay.relaying import Relay

_log = logging.getLogger(__name__)

_VERSIONS = ("1.1", "1.0")
_MOST_BYTES = 32_768
"""How much a request may be, its body included, which is not read."""

_STREAM_SECONDS = (2700.0, 3600.0)
"""How long a stream lasts, at random between the two: then the reader connects again, perhaps elsewhere."""

_UNREAD_SECONDS = 60.0
"""How long what was written may wait for the reader."""

_MAX_AGE = "public, max-age=2"
_ANYONE = ("access-control-allow-origin", "*")
_AGAIN = ("retry-after", "1")


class ReaderConnection(asyncio.Protocol):
    """One connection.

    Attributes:
        since: Since when it has been waiting for a request, by the clock of the event loop; None while it has one.
    """

    def __init__(self, relay: Relay, places: Places) -> None:
        """Prepare.

        Args:
            relay: What answers.
            places: Which connections are open.
        """
        self._relay = relay
        self._places = places
        self._parser = httptools.HttpRequestParser(self)
        self._answering: asyncio.Task[None] | None = None
        self._mailbox: Mailbox | None = None
        self._ending: asyncio.TimerHandle | None = None
        self._unread_since: float | None = None
        self._size = 0
        self._method = self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._is_head, self._keeps_alive = False, True
        self.since: float | None = 0.0

    # ── asyncio ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, if there is room."""
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self.since = self._loop.time()
        peer = transport.get_extra_info("peername")
        if not self._places.enter(self, str(peer[0]) if peer else ""):
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as asyncio calls it
        """End."""
        self._places.leave(self)
        if self._mailbox is not None:
            self._relay.readers.leave(self._mailbox)
        if self._answering is not None:
            self._answering.cancel()
        if self._ending is not None:
            self._ending.cancel()

    def data_received(self, data: bytes) -> None:
        """Read on; who reads a stream has nothing more to say."""
        self._size += len(data)
        try:
            if self._mailbox is not None or self._size > _MOST_BYTES:
                self._transport.close()
            else:
                self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(HTTPStatus.BAD_REQUEST)
        except httptools.HttpParserUpgrade:  # ignored (RFC 9110 §7.8); the parser reads nothing after it
            self._keeps_alive = False

    def pause_writing(self) -> None:
        """Take no further request while answers wait for the reader: whoever reads none would fill the memory."""
        if self._mailbox is None:  # of a stream `fanout` keeps as little; and its end must be noticed
            self._transport.pause_reading()

    def resume_writing(self) -> None:
        """Go on."""
        self._transport.resume_reading()

    # ── httptools ──

    def on_message_begin(self) -> None:
        """A request begins."""
        self._target, self._headers = b"", {}

    def on_url(self, url: bytes) -> None:
        """Add a part of the target."""
        self._target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header."""
        self._headers[name.lower()] = value

    def on_headers_complete(self) -> None:
        """Note the method; the parser takes HTTP/0.9 and HTTP/2.0 for HTTP/1.1."""
        if self._parser.get_http_version() not in _VERSIONS:
            raise ValueError("another version")  # the parser stops, and it is refused
        self._method = self._parser.get_method()

    def on_message_complete(self) -> None:
        """Answer; a second request before the answer to the first is not waited for."""
        if self._answering is not None or self._mailbox is not None:
            self._transport.close()
            return
        self.since, self._size = None, 0
        self._is_head, self._keeps_alive = self._method == b"HEAD", self._parser.should_keep_alive()
        self._answering = self._loop.create_task(self._answer())

    # ── answers ──

    async def _answer(self) -> None:
        try:
            await self._answer_target()
        except httptools.HttpParserInvalidURLError:
            self._refuse(HTTPStatus.BAD_REQUEST)
        except Exception:  # noqa: BLE001 - whatever it is, the others are answered
            _log.exception("an answer failed")
            self._transport.close()
        self._answering, self.since = None, self._loop.time()
        if not self._keeps_alive and self._mailbox is None:
            self._transport.close()

    async def _answer_target(self) -> None:
        target = httptools.parse_url(self._target)
        path, query = (target.path or b"/").decode("latin-1"), (target.query or b"").decode("latin-1")
        if self._method not in (b"GET", b"HEAD"):
            self._write(HTTPStatus.METHOD_NOT_ALLOWED, [("allow", "GET, HEAD")])
        elif path in ("/health", "/ready"):
            self._tell_health(must_be_live=path == "/ready")
        elif path == self._relay.stream_path:
            asked = self._headers.get(b"last-event-id", b"").decode("latin-1")
            self._begin_stream(asked or query.removeprefix("after="))
        else:
            document = None if query else await self._relay.fetch(path)
            self._send(document)

    def _tell_health(self, *, must_be_live: bool) -> None:
        health, relay = self._relay.health(), self._relay
        told = msgspec.json.encode(
            {
                "feed": health.feed,
                "upstream": relay.upstream,
                "epoch": health.epoch,
                "event_id": health.event_id,
                "proved_seconds_ago": health.proved_seconds_ago,
                "readers": len(relay.readers),
                "connections": len(self._places.open),
                "connections_refused": self._places.refused,
                "refusals": health.refusals,
                "keys_problem": health.keys_problem,
            }
        )
        is_bad = must_be_live and not relay.is_live
        status = HTTPStatus.SERVICE_UNAVAILABLE if is_bad else HTTPStatus.OK
        self._write(status, [("content-type", "application/json"), ("cache-control", "no-store")], told)

    def _send(self, document: RelayedDocument | None) -> None:
        if document is None:
            self._write(HTTPStatus.NOT_FOUND if self._relay.is_live else HTTPStatus.SERVICE_UNAVAILABLE, [_ANYONE])
            return
        headers = [("cache-control", _MAX_AGE), ("etag", document.etag.decode()), _ANYONE]
        if document.etag in self._headers.get(b"if-none-match", b""):
            self._write(HTTPStatus.NOT_MODIFIED, headers)
        else:
            self._write(HTTPStatus.OK, [("content-type", document.media_type), *headers], document.body)

    def _begin_stream(self, last_event_id: str) -> None:
        welcome = self._relay.welcome(last_event_id)
        if welcome is None:
            self._write(HTTPStatus.SERVICE_UNAVAILABLE, [_AGAIN, _ANYONE])
            return
        headers = [("content-type", "text/event-stream"), ("cache-control", "no-store"), ("x-accel-buffering", "no")]
        self._transport.write(_head(HTTPStatus.OK, [*headers, _ANYONE, ("transfer-encoding", "chunked")]))
        if self._is_head:
            self._transport.close()
            return
        self._transport.write(chunk(welcome))
        self._mailbox = self._relay.readers.join()
        self._mailbox.attach(self._transport)
        seconds = random.uniform(*_STREAM_SECONDS)  # noqa: S311 - they only have to end apart
        self._ending = self._loop.call_later(seconds, self.close)

    def _write(self, status: HTTPStatus, headers: Sequence[tuple[str, str]], body: bytes = b"") -> None:
        length = [] if status == HTTPStatus.NOT_MODIFIED else [("content-length", str(len(body)))]
        self._transport.write(_head(status, [*headers, *length]) + (b"" if self._is_head else body))

    def _refuse(self, status: HTTPStatus) -> None:
        """Refuse what cannot be read, or what there is no room for."""
        self._transport.write(_head(status, [("content-length", "0"), ("connection", "close"), _AGAIN]))
        self._transport.close()

    def close_if_idle(self, seconds: float) -> None:
        """Close it if it has been waiting for a request, or for its answers to be read, for too long."""
        now = self._loop.time()
        if not self._transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = now
        elif now - self._unread_since > _UNREAD_SECONDS:
            self._transport.abort()
        if self._mailbox is None and self.since is not None and now - self.since > seconds:
            self._transport.close()

    def close(self) -> None:
        """End it."""
        if self._mailbox is not None:
            self._transport.write(LAST_CHUNK)
        self._transport.close()


def _head(status: HTTPStatus, headers: Sequence[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status.value} {status.phrase}", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "x-content-type-options: nosniff", "", ""]).encode("latin-1")
