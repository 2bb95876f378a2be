"""The connection of a proxy: HTTP/1.1, one question after another, each answered in its turn."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import TYPE_CHECKING, cast

import httptools

from gatepass.guard.decision import FAILED, answer
from gatepass.guard.identity import NOBODY

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatepass.guard.decision import ForwardAuth
    from gatepass.guard.request import HeaderList

_log = logging.getLogger(__name__)

_VERSIONS = ("1.1", "1.0")
_MOST_HEADER_BYTES = 65_536
_MOST_BODY_BYTES = 1_048_576
"""No body is read, but Envoy and others may send that of the request along."""
_MOST_WAITING = 64
"""How many questions of one connection may wait for their turn."""
_BAD = answer(400, [*NOBODY, ("Connection", "close")])
_TOO_LARGE = answer(431, [*NOBODY, ("Connection", "close")])


class ProxyConnection(asyncio.Protocol):
    """One connection. Whatever goes wrong on it is no 2xx.

    Attributes:
        used_at: When it was last used, by the clock of the event loop.
        gone: Set when it has ended.
    """

    def __init__(
        self, forward_auth: ForwardAuth, *, is_told_by: Callable[[object], bool], open_ones: set[ProxyConnection]
    ) -> None:
        """Prepare.

        Args:
            forward_auth: Who decides.
            is_told_by: Whether a peer, as asyncio names it, is a listed proxy.
            open_ones: Every connection that is open.
        """
        self._forward_auth = forward_auth
        self._is_told_by = is_told_by
        self._open_ones = open_ones
        self._parser = httptools.HttpRequestParser(self)
        self._asked: deque[tuple[HeaderList, bool]] = deque()
        self._headers: HeaderList = []
        self._size = 0
        self._is_in_head = True
        self._refusal = _BAD
        self._answering: asyncio.Task[None] | None = None
        self._is_ending = False
        self.used_at = 0.0
        self.gone = asyncio.Event()

    # ── asyncio ──

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        self._transport = cast("asyncio.Transport", transport)
        self._loop = asyncio.get_running_loop()
        self._is_told = self._is_told_by(transport.get_extra_info("peername"))
        self._open_ones.add(self)
        self.used_at = self._loop.time()

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - as asyncio calls it
        """End: nobody reads an answer any more."""
        self._open_ones.discard(self)
        self.gone.set()
        if self._answering is not None:
            self._answering.cancel()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        self.used_at = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError:
            self._refuse(self._refusal)
        except httptools.HttpParserUpgrade:  # after the question, which has its answer: there is no other protocol here
            self.close()

    def eof_received(self) -> bool:
        """Answer what was asked before the end."""
        self.close()
        return True

    # ── httptools ──

    def on_message_begin(self) -> None:
        """A question begins."""
        self._headers, self._size, self._is_in_head = [], 0, True

    def on_url(self, url: bytes) -> None:
        """Count: which page it is does not matter here."""
        self._count(len(url), _MOST_HEADER_BYTES)

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep."""
        self._count(len(name) + len(value), _MOST_HEADER_BYTES)
        if self._is_in_head:  # and no trailer, which proxies may pass on unseen (RFC 9110 §6.5.1)
            self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        """Take what follows for a body and trailers; the parser takes HTTP/0.9 and HTTP/2.0 for HTTP/1.1."""
        if self._parser.get_http_version() not in _VERSIONS:
            raise _NotTakenError
        self._is_in_head = False

    def on_body(self, body: bytes) -> None:
        """Count, and forget."""
        self._count(len(body), _MOST_HEADER_BYTES + _MOST_BODY_BYTES)

    def on_message_complete(self) -> None:
        """Let it wait for its turn."""
        is_head = self._parser.get_method() == b"HEAD"
        if self._answering is None and (response := self._at_once(self._headers)) is not None:
            self._write(response, is_head=is_head)
            return
        self._asked.append((self._headers, is_head))
        if self._answering is None:
            self._answering = self._loop.create_task(self._answer_all())
        elif len(self._asked) >= _MOST_WAITING:
            self._transport.pause_reading()

    def _count(self, more: int, most: int) -> None:
        self._size += more
        if self._size > most:
            self._refusal = _TOO_LARGE
            raise _NotTakenError

    # ── answering ──

    async def _answer_all(self) -> None:
        while self._asked:
            headers, is_head = self._asked.popleft()
            self._write(await self._decide(headers), is_head=is_head)
        self._answering = None
        if self._is_ending:
            self._transport.close()
        else:
            self._transport.resume_reading()

    def _at_once(self, headers: HeaderList) -> bytes | None:
        try:
            return self._forward_auth.at_once(headers, is_told=self._is_told)
        except Exception:  # noqa: BLE001 - whatever it is, nobody is let in
            _log.exception("a decision failed")
            return FAILED

    async def _decide(self, headers: HeaderList) -> bytes:
        try:
            return await self._forward_auth.decide(headers, is_told=self._is_told)
        except Exception:  # noqa: BLE001 - whatever it is, nobody is let in
            _log.exception("a decision failed")
            return FAILED

    def _write(self, response: bytes, *, is_head: bool) -> None:
        """RFC 9110 §9.3.2: Envoy asks by the request's own method, and an answer to HEAD has no body."""
        self._transport.write(response.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" if is_head else response)

    def _refuse(self, response: bytes) -> None:
        """Refuse what cannot be read, after the answers to what came before."""
        if self._answering is not None:
            self.close()
            return
        self._transport.write(response)
        self._transport.close()

    def close(self) -> None:
        """Answer what was asked, and hang up."""
        self._is_ending = True
        if self._answering is None:
            self._transport.close()


class _NotTakenError(Exception):
    """The question is too large, or of another version: the parser stops."""
