"""Public documents rendered on request, so that the cost of a revocation does not depend on how many there are."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal, Unavailable
from gatepass.server.web.errors import problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.types import Receive, Scope, Send

    from gatepass.server.domain.revocation.known import KnownRevocations
    from gatepass.server.web.documents import PublicDocument
    from gatepass.tokens.revocation_event import Position

    Render = Callable[[], Awaitable[PublicDocument]]

_SHARE = 20
"""A document is rendered again after this many times its rendering time: at most 5 % of a core."""
_UNCHANGED_SECONDS = 1.0
"""How long a document may lag behind events."""


class _Rendering(msgspec.Struct, frozen=True):
    document: PublicDocument
    position: Position
    as_of: float
    made_at: float
    seconds: float


class OnDemand:
    """Answers with the last rendering, or with a new one if that is outdated; one serves all who wait for it."""

    def __init__(
        self, render: Render, known: KnownRevocations, *, changed_at: Callable[[], int], fresh_seconds: float
    ) -> None:
        """Start without a rendering.

        Args:
            render: makes the document from what is known just then.
            known: what it is made from.
            changed_at: which event has changed it last.
            fresh_seconds: how much younger what is known may be than what the document says.
        """
        self._render = render
        self._known = known
        self._changed_at = changed_at
        self._fresh_seconds = fresh_seconds
        self._last: _Rendering | None = None
        self._rendering = asyncio.Lock()

    def discard(self) -> None:
        """Discard the last rendering, for example because its key has changed."""
        self._last = None

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send the document; 503 if there is no signer to make it, 404 if there turns out to be no such document."""
        try:
            document = await self._current()
        except Refusal as error:
            await problem(error.code, error.detail)(scope, receive, send)
            return
        except Unavailable as error:
            refusal = problem(error.code, error.detail, headers={"retry-after": str(error.retry_after or 1)})
            await refusal(scope, receive, send)
            return
        await document.answer(scope, receive, send)

    async def _current(self) -> PublicDocument:
        if not self._is_outdated() and self._last is not None:
            return self._last.document
        async with self._rendering:
            if self._is_outdated():
                await self._render_anew()
            assert self._last is not None
            return self._last.document

    async def _render_anew(self) -> None:
        position, as_of, began = self._known.position, self._known.as_of, time.monotonic()
        try:
            document = await self._render()
        except Unavailable:
            if self._last is None:
                raise
            return
        ended = time.monotonic()
        self._last = _Rendering(document, position, as_of, ended, ended - began)

    def _is_outdated(self) -> bool:
        last, known = self._last, self._known
        if last is None or last.position.epoch != known.position.epoch:
            return True
        age = time.monotonic() - last.made_at
        if age < _SHARE * last.seconds:
            return False
        if self._changed_at() > last.position.event_id or known.as_of - last.as_of >= self._fresh_seconds:
            return True
        return last.position != known.position and age >= _UNCHANGED_SECONDS
