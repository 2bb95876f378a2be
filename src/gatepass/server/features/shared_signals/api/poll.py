"""`POST /ssf/poll/{stream_id}`: a receiver fetches what there is, and says what it has taken (RFC 8936)."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.shared_signals.changes import own_stream
from gatepass.server.domain.shared_signals.push import (
    SignalError,
    known_error,
    note_not_taken,
)
from gatepass.server.domain.shared_signals.stream import may_receive
from gatepass.server.features.shared_signals.metadata import POLL_PREFIX
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import RECEIVER_READ
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from collections.abc import Iterable

    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.shared_signals.queue import QueuedSignal
    from gatepass.server.domain.shared_signals.signal_tokens import SignalTokens
    from gatepass.server.domain.shared_signals.signal_types import SignalType
    from gatepass.server.domain.shared_signals.stream import SignalStream
    from gatepass.server.features.shared_signals.long_polls import LongPolls
    from gatepass.server.web.call import Call

MOST_EVENTS = 100
"""In one answer."""
MOST_ACKED = 1_000
"""In one request."""
LONG_POLL_SECONDS = 20.0
"""How long an answer waits for something to tell, which proxies usually allow."""


class SignalPoll(Confidential, frozen=True, kw_only=True, rename="camel"):
    """How many to fetch, whether to wait for one, and what became of those before (§2.2)."""

    max_events: Annotated[int, Meta(ge=0)] = MOST_EVENTS
    return_immediately: bool = False
    ack: Annotated[tuple[str, ...], Meta(max_length=MOST_ACKED)] = ()
    set_errs: Annotated[dict[str, SignalError], Meta(max_length=MOST_ACKED)] = msgspec.field(
        default_factory=dict[str, SignalError]
    )


class SignalSets(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """The tokens, by their `jti`, and whether there are more (§2.3)."""

    sets: dict[str, str]
    more_available: bool = False


def routes(core: Core, tokens: SignalTokens, waiting: LongPolls) -> tuple[Route, ...]:
    """The call."""
    return (
        Route(
            method="POST",
            path=POLL_PREFIX + "{stream_id}",
            handler=SignalPolling(core, tokens, waiting).poll,
            auth=RECEIVER_READ,
            summary="Fetch signals, and acknowledge those before (RFC 8936)",
            body=SignalPoll,
            malformed="invalid_stream",
            answers={200: SignalSets},
            problems=("stream_not_found",),
        ),
    )


class SignalPolling:
    """Hands out what a stream has to tell, until it is acknowledged: at least once."""

    def __init__(self, core: Core, tokens: SignalTokens, waiting: LongPolls) -> None:
        self._core = core
        self._tokens = tokens
        self._waiting = waiting

    async def poll(self, call: Call, body: SignalPoll) -> Response:
        """§2.4: forget what was taken, then hand out what there is, or wait for it."""
        stream_id = call.path_params["stream_id"]
        if body.ack or body.set_errs:
            await self._forget(call, stream_id, body)
        if body.return_immediately or not body.max_events:
            return JsonResponse(await self._hand_out(call, stream_id, body.max_events))
        with self._waiting.listening(call.client.id, stream_id) as woken:
            sets = await self._hand_out(call, stream_id, body.max_events)
            if not sets.sets:
                with suppress(TimeoutError):
                    async with asyncio.timeout(LONG_POLL_SECONDS):
                        await woken.wait()
                sets = await self._hand_out(call, stream_id, body.max_events)
        return JsonResponse(sets)

    async def _forget(self, call: Call, stream_id: str, body: SignalPoll) -> None:
        """Remove what was taken, or is refused for good. One that is not there was acknowledged before."""

        async def unit(tx: Transaction) -> Refusal | None:
            stream = await _polled(tx, call, stream_id)
            if isinstance(stream, Refusal):
                return stream
            await tx.signals.take_back(stream.id, _names(body.ack))
            for signal in await tx.signals.take_back(stream.id, _names(body.set_errs)):
                await note_not_taken(tx, signal, known_error(body.set_errs[signal.jti].err) or "other")
            return None

        # Only rows of this stream, each by the statement that finds it.
        await decide(self._core.database, unit, shared=True)

    async def _hand_out(self, call: Call, stream_id: str, most: int) -> SignalSets:
        """Look at the client again: it may have been disabled, or its secret changed, while it waited."""
        limit = min(most, MOST_EVENTS)

        async def unit(tx: Transaction) -> list[QueuedSignal] | Refusal:
            client = await tx.clients.by_id(call.client.id)
            if client is None or not may_receive(client) or client.status != call.client.status:
                return Refusal("invalid_token", "The client may receive nothing since the request began.")
            stream = await _polled(tx, call, stream_id)
            if isinstance(stream, Refusal):
                return stream
            only: SignalType | None = None if stream.status == "enabled" else "stream-updated"
            return await tx.signals.of_stream(stream.id, limit + 1, event=only)

        found = await self._core.database.read(unit)
        if isinstance(found, Refusal):
            raise found
        shown = found[:limit]
        made = await self._tokens.make(call.client, shown)
        if unsaid := [each.id for each in shown if each.jti not in made]:
            await self._remove(unsaid)
        return SignalSets(sets=made, more_available=len(found) > limit)

    async def _remove(self, unsaid: list[str]) -> None:
        """Remove what has nothing to say to this receiver, such as of a claim that it may not know."""

        async def unit(tx: Transaction) -> None:
            for each in unsaid:
                await tx.signals.remove(each)

        await self._core.database.transaction(unit, shared=True)


def _names(jtis: Iterable[str]) -> list[str]:
    """Each once, and none of other text, which not every database takes."""
    return list(filter(str.isprintable, dict.fromkeys(jtis)))


async def _polled(tx: Transaction, call: Call, stream_id: str) -> SignalStream | Refusal:
    stream = await own_stream(tx, call.client.id, stream_id)
    if not isinstance(stream, Refusal) and stream.is_pushed:
        return Refusal("stream_not_found", "The stream is pushed, so there is nothing to fetch.")
    return stream
