"""The HTTP edge: how large a request's head may be, and how long it may take to arrive.

uvicorn's httptools protocol has neither limit: it takes a header of 100 MB, and waits for ever for the end of one.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from gatepass.server.web.errors import problem
from gatepass.server.web.headers import API_POLICY, BASE

if TYPE_CHECKING:
    from uvicorn import Server

MAX_HEAD_BYTES = 32_768
"""Request line and headers together, in bytes."""

_SWEEP_SECONDS = 1.0


class EdgeProtocol(HttpToolsProtocol):
    """HTTP/1.1 with limits on the head: 431 above `MAX_HEAD_BYTES`, 408 when it does not arrive in time."""

    _refusal = "malformed_request"
    _head_since: float | None = None
    """Since when we wait for the end of a head, by the loop's clock; None while a request is being answered."""
    _head_bytes = 0
    _heads_begun = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override] # as uvicorn's own
        """Expect a first head from now on."""
        super().connection_made(transport)
        self._head_since = self.loop.time()

    def data_received(self, data: bytes) -> None:
        """Parse, and count what belongs to a head that has not ended."""
        begun = self._heads_begun
        super().data_received(data)
        if self.transport.is_closing():
            return
        if self._head_since is None and self.cycle.response_complete:
            self._head_since = self.loop.time()  # bytes that begin no request; the keep-alive timer no longer runs
        if self._head_since is not None and self._heads_begun == begun:
            # A chunk that lies wholly inside one head. The first one, which may hold a body before it, is bounded by
            # the size of a read, and the exact count comes when the head ends.
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.refuse("headers_too_large")

    def on_message_begin(self) -> None:
        """Start the time of a new head."""
        super().on_message_begin()
        self._heads_begun += 1
        self._head_bytes = 0
        if self._head_since is None:
            self._head_since = self.loop.time()

    def on_headers_complete(self) -> None:
        """Count the head exactly, then let the request through."""
        self._head_since = None
        size = len(self.url) + sum(len(name) + len(value) + len(": \r\n") for name, value in self.headers)
        if size > MAX_HEAD_BYTES:
            self._refusal = "headers_too_large"
            raise ValueError("head too large")  # the parser stops, and uvicorn calls send_400_response
        super().on_headers_complete()

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002 - uvicorn's wording is not ours
        """Refuse what the parser could not take."""
        self.refuse(self._refusal)

    def refuse_if_slow(self, seconds: float) -> None:
        """End a connection whose head has not arrived within the time."""
        if self._head_since is not None and self.loop.time() - self._head_since > seconds:
            if self._heads_begun:
                self.refuse("request_timeout")
            else:
                self.transport.close()

    def refuse(self, code: str) -> None:
        """Answer with a problem, without an application, and close."""
        response = problem(code, headers={"connection": "close"})
        headers = (*response.raw_headers, (b"content-security-policy", API_POLICY.encode()), *BASE)
        head = [STATUS_LINE[response.status_code], *(b"%s: %s\r\n" % pair for pair in headers), b"\r\n"]
        self.transport.write(b"".join(head) + bytes(response.body))
        self.transport.close()


async def sweep_slow_heads(server: Server, seconds: float) -> None:
    """End slow connections, all by one task, until cancelled."""
    while True:
        await asyncio.sleep(_SWEEP_SECONDS)
        connections: list[Any] = list(server.server_state.connections)
        for connection in connections:
            connection.refuse_if_slow(seconds)
