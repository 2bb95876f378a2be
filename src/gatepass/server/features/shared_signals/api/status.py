"""`/ssf/status`: whether a stream tells, holds or drops what happens (SSF 1.0 §8.1.2)."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.shared_signals.changes import own_stream, set_status
from gatepass.server.domain.shared_signals.stream import StreamStatus  # noqa: TC001 - msgspec reads the annotations
from gatepass.server.features.shared_signals.metadata import STATUS
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import RECEIVER_MANAGE, RECEIVER_READ
from gatepass.server.web.parsing import parse_query
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.shared_signals.stream import SignalStream
    from gatepass.server.web.call import Call


class StatusQuery(msgspec.Struct, frozen=True, kw_only=True):
    """Of which stream."""

    stream_id: str


class StreamState(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What becomes of a stream's events: `enabled` tells them, `paused` holds them, `disabled` drops them."""

    stream_id: str
    status: StreamStatus
    reason: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="GET",
            path=STATUS,
            handler=partial(read, core),
            auth=RECEIVER_READ,
            summary="Read the status of a stream",
            query=StatusQuery,
            malformed="invalid_stream",
            answers={200: StreamState},
            problems=("stream_not_found", "invalid_stream"),
        ),
        Route(
            method="POST",
            path=STATUS,
            handler=partial(update, core),
            auth=RECEIVER_MANAGE,
            summary="Enable, pause or disable a stream",
            body=StreamState,
            malformed="invalid_stream",
            answers={200: StreamState},
            problems=("stream_not_found",),
        ),
    )


async def read(core: Core, call: Call, _body: None) -> Response:
    """§8.1.2.1."""
    query = parse_query(call.request, StatusQuery)
    found = await core.database.read(lambda tx: own_stream(tx, call.client.id, query.stream_id))
    if isinstance(found, Refusal):
        raise found
    return _answer(found)


async def update(core: Core, call: Call, body: StreamState) -> Response:
    """§8.1.2.2."""

    async def unit(tx: Transaction) -> SignalStream | Refusal:
        before = await own_stream(tx, call.client.id, body.stream_id)
        return before if isinstance(before, Refusal) else await set_status(tx, before, body.status, body.reason)

    return _answer(await decide(core.database, unit))


def _answer(stream: SignalStream) -> Response:
    return JsonResponse(StreamState(stream_id=stream.id, status=stream.status, reason=stream.reason))
