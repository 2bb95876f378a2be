"""The HTTP edge: limits on connections, on the size of a request's head, and on slow heads, bodies and answers.

uvicorn's httptools protocol has no such limits: it accepts a header of 100 MB, and waits forever for the end of one.
"""

from __future__ import annotations

import asyncio
import re
import traceback
from functools import partial
from typing import TYPE_CHECKING, Any, cast

import httptools
import structlog
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gatepass.fanout.readers import TRANSPORT
from gatepass.server.web.errors import problem
from gatepass.server.web.headers import API_POLICY, BASE
from gatepass.server.web.sending import WHOLE

if TYPE_CHECKING:
    from uvicorn import Server
    from uvicorn.protocols.http.httptools_impl import RequestResponseCycle

    from gatepass.server.web.connections import Connections
    from gatepass.server.web.headers import Headers

log = structlog.get_logger("gatepass")

MAX_HEAD_BYTES = 32_768
"""Request line and headers together, in bytes."""

_VERSIONS = ("1.1", "1.0")
_BLANKS = b" \t"
_CONTROLS = bytes((*range(32), 127))
_HOST = re.compile(rb"(?:\[[\w.~!$&'()*+,;=:%-]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9A-Fa-f]{2})*)(?::[0-9]*)?")
"""RFC 9112 §3.2: `uri-host [ ":" port ]`, as RFC 3986 §3.2.2 writes hosts; what is in brackets is not taken apart."""

_AROUND_OCTET = 8
"""How much may surround each octet of a body, beside `MAX_HEAD_BYTES` for all: a chunk of one octet has five."""

UNREAD_SECONDS = 60
"""How long answers may wait for a client to read them; enough for the slowest network."""

_SWEEP_SECONDS = 1.0
_ALWAYS_ANSWERED = (b"/health", b"/ready", b"/metrics")
"""Paths that are answered even on one connection too many, so that the operator can see the problem."""


class EdgeProtocol(HttpToolsProtocol):
    """HTTP/1.1 with limits: 431 for a head above `MAX_HEAD_BYTES`, 408 when it or the body does not arrive in time."""

    _refusal = "malformed_request"
    _head_since: float | None = None
    """When the current head began, by the loop's clock; None while a request is being answered."""
    _body_since: float | None = None
    """When the current body began."""
    _head_bytes = 0
    _around_body = 0
    """Octets around the current body, such as sizes and extensions of its chunks, less what its own octets allow."""
    _unread_since: float | None = None
    """When data that the client does not read began to wait; None if there is none."""
    _is_one_too_many = False
    _steps = 0
    """How often a head or a piece of a body has begun: other bytes count towards a head."""
    _asks_for_upgrade = False
    """Whether the current head asks for another protocol, so that it is read again without that."""

    def __init__(self, *arguments: Any, room: Connections, **options: Any) -> None:  # noqa: ANN401 - uvicorn's own
        super().__init__(*arguments, **options)
        self._room = room

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Start the time for the first head."""
        super().connection_made(transport)
        self._head_since = self.loop.time()
        self._is_one_too_many = not self._room.opened()
        self._room.waits(self)

    def connection_lost(self, exc: Exception | None) -> None:
        """Make room."""
        super().connection_lost(exc)
        self._room.closed(self)

    def data_received(self, data: bytes) -> None:
        """Parse, and count bytes of an unfinished head or around a body, such as trailers."""
        steps = self._steps
        self._around_body += len(data)  # a head that begins in it sets this back
        self._unset_keepalive_if_required()
        try:
            self._feed(data)
        except httptools.HttpParserError:
            self.refuse(self._refusal)
        if self.transport.is_closing():
            return
        if self._head_since is None and self.cycle.response_complete:
            self._head_since = self.loop.time()  # bytes that do not begin a request; the keep-alive timer has stopped
        if self._steps == steps:
            # A chunk that lies wholly inside one head. The first one, which may hold a body before it, is bounded by
            # the size of a read, and the exact count comes when the head ends.
            self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES or self._around_body > MAX_HEAD_BYTES:
            self.refuse("headers_too_large")

    def _feed(self, data: bytes) -> None:
        """Parse. To ask for another protocol is ignored (RFC 9110 §7.8); Java's own client does in each plain request.

        The parser takes what follows such a head for that protocol, and stops. So the head is read again without the
        header Upgrade, and then what follows it, by another parser.
        """
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as upgrade:
                data = self._head_without_upgrade() + data[upgrade.args[0] :]
                self.parser = httptools.HttpRequestParser(self)
                self.parser.set_dangerous_leniencies(lenient_data_after_close=True)  # as uvicorn
            else:
                return

    def _head_without_upgrade(self) -> bytes:
        line = b"%b %b HTTP/%b\r\n" % (self.parser.get_method(), self.url, self.parser.get_http_version().encode())
        return b"".join((line, *(b"%b: %b\r\n" % each for each in self.headers if each[0] != b"upgrade"), b"\r\n"))

    def on_message_begin(self) -> None:
        """Start the time of a new head."""
        super().on_message_begin()
        self._steps += 1
        self._head_bytes = self._around_body = 0
        if self._head_since is None:
            self._head_since = self.loop.time()

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep headers and drop trailers, which must not pass for headers (RFC 9110 §6.5.1)."""
        if self._head_since is not None:
            super().on_header(name, value)

    def on_body(self, body: bytes) -> None:
        """Read a piece of a body; if the answer did not wait for it, it does not begin a request."""
        if not self.cycle.response_complete:
            self._steps += 1
            self._head_bytes = 0
        self._around_body -= len(body) * (1 + _AROUND_OCTET)
        super().on_body(body)

    def on_headers_complete(self) -> None:
        """Check the exact size and form of the head, then let the request through."""
        assert self.parser is not None  # it is set, until the connection is lost
        self._asks_for_upgrade = self.parser.should_upgrade()
        self._around_body = 0
        size, hosts, codings = len(self.url), list[bytes](), list[bytes]()
        for name, value in self.headers:
            size += len(name) + len(value) + len(": \r\n")
            if name == b"host":
                hosts.append(value)
            elif name == b"transfer-encoding":
                codings.append(value)
        if size > MAX_HEAD_BYTES:
            self._refusal = "headers_too_large"
            raise ValueError("head too large")  # the parser stops, and it is refused
        if self._asks_for_upgrade:
            if self.parser.get_method() == b"CONNECT":
                raise ValueError("this is no proxy")
            return
        self._head_since = None
        self._body_since = self.loop.time()
        self._room.works(self)
        self._check_framing(hosts, codings)
        is_refused = self._is_one_too_many and self._room.is_full()
        if is_refused and self.url.partition(b"?")[0] not in _ALWAYS_ANSWERED:
            self._refusal = "too_many_connections"
            self._room.refused(self.loop.time())
            raise ValueError("too many connections")
        extensions: dict[str, dict[object, object]] = {TRANSPORT: {"transport": self.transport}}
        self.scope["extensions"] = extensions
        super().on_headers_complete()
        extensions[WHOLE] = {"answer": partial(answer_whole, self.cycle)}
        if is_refused:
            self.cycle.keep_alive = False

    def _check_framing(self, hosts: list[bytes], codings: list[bytes]) -> None:
        """Take only what every server in front reads as we do: all else is 400, and the connection is closed.

        The parser takes HTTP/0.9 and HTTP/2.0 for HTTP/1.1, and what is chunked in the end for chunked. RFC 9112 has
        505 (§2.3) and 501 (§6.1) for some of these; like what the parser refuses itself, it is no request of ours.
        """
        version = self.parser.get_http_version()
        if version not in _VERSIONS:
            raise ValueError("another version")
        if len(hosts) > 1 or (not hosts and version == "1.1"):
            raise ValueError("not one Host")
        host = hosts[0].strip(_BLANKS) if hosts else b""
        if not _HOST.fullmatch(host) or not (host or self.url.startswith((b"/", b"*"))):
            raise ValueError("no host")
        if codings and (version == "1.0" or len(codings) > 1 or codings[0].strip(_BLANKS).lower() != b"chunked"):
            raise ValueError("another transfer coding")

    def on_message_complete(self) -> None:
        """Stop the timers."""
        if not self._asks_for_upgrade:
            super().on_message_complete()
            self._body_since = None

    def on_response_complete(self) -> None:
        """Become idle, unless the next request has already arrived."""
        has_more = bool(self.pipeline)
        super().on_response_complete()
        if not has_more and not self.transport.is_closing():
            self._room.waits(self)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's wording is not ours
        """Refuse what the parser could not read."""
        self.refuse(self._refusal)

    def refuse_if_slow(self, seconds: float) -> None:
        """Close a connection whose head or body is too slow, unless that waits for its peer already, as TLS does."""
        if self.transport.is_closing():
            return
        latest = self.loop.time() - seconds
        if self._head_since is not None and self._head_since < latest:
            is_answerable = self._steps > 0
        elif self._body_since is not None and self._body_since < latest:
            is_answerable = not self.cycle.response_started and not self.pipeline
        else:
            return
        if is_answerable:
            self.refuse("request_timeout")
        else:
            self.transport.close()

    def abort_if_unread(self) -> None:
        """Drop a connection whose client does not read answers; also one we have closed that still waits for that."""
        if not self.transport.get_write_buffer_size():
            self._unread_since = None
        elif self._unread_since is None:
            self._unread_since = self.loop.time()
        elif self.loop.time() - self._unread_since > UNREAD_SECONDS:
            self.transport.abort()

    def refuse(self, code: str) -> None:
        """Answer with a problem, without the application, and close.

        Where an answer has begun, such as a stream, or an earlier request waits for one, it only closes: what is
        written there would be read as part of a body, or as the answer to another request (RFC 9112 §9.3).
        """
        cycle = cast("RequestResponseCycle | None", self.cycle)  # None before the first request
        waits = cycle is not None and not cycle.response_complete and (cycle.response_started or not cycle.more_body)
        if self.pipeline or waits:
            self.transport.close()
            return
        response = problem(code, headers={"connection": "close"})
        headers = (*response.raw_headers, (b"content-security-policy", API_POLICY.encode()), *BASE)
        head = [STATUS_LINE[response.status_code], *(b"%s: %s\r\n" % pair for pair in headers), b"\r\n"]
        self.transport.write(b"".join(head) + bytes(response.body))
        self.transport.close()


def answer_whole(cycle: RequestResponseCycle, status: int, headers: Headers, body: bytes) -> bool:
    """Write an answer that is there whole; False, and nothing is written, where it has to go through ASGI.

    uvicorn takes it in two messages and checks each name and value by a regular expression, a tenth of what a small
    call costs. What would be written is checked here at once: that it has the ends of its lines and no other control
    octet (RFC 9110 §5.5), and the length of its body.
    """
    is_usual = cycle.keep_alive and not cycle.response_started and not cycle.disconnected
    if not is_usual or cycle.flow.write_paused or cycle.access_log or cycle.scope["method"] == "HEAD":
        return False
    lines = [b"%b: %b\r\n" % pair for pair in (*cycle.default_headers, *headers)]
    head = b"".join((STATUS_LINE[status], *lines, b"\r\n"))
    ends = len(lines) + 2
    is_well_formed = head.count(b"\n") == ends and len(head) - len(head.translate(None, _CONTROLS)) == 2 * ends
    if not is_well_formed or b"\r\ncontent-length: %d\r\n" % len(body) not in head or b"\r\nconnection: " in head:
        return False
    cycle.response_started = cycle.response_complete = True
    cycle.waiting_for_100_continue = False
    cycle.transport.write(head + body)
    cycle.message_event.set()
    cycle.on_response()
    return True


async def sweep_slow_requests(server: Server, seconds: float) -> None:
    """Close slow connections, with one task for all, until cancelled."""
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        connections: list[Any] = list(server.server_state.connections)
        for connection in connections:
            try:
                connection.refuse_if_slow(seconds)
                connection.abort_if_unread()
            except Exception as error:  # noqa: BLE001 - a defect of ours, which must not end the watch over all others
                defect = "".join(traceback.format_exception(error))  # as text, as the dispatcher logs one
                log.error("a connection failed", exception=defect)  # noqa: TRY400
                connection.transport.abort()
