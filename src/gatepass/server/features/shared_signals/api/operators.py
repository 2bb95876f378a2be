"""`/admin/streams`: operators see which applications are told of people, and stop it."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations of a struct
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.shared_signals.stream import StreamStatus  # noqa: TC001 - as above
from gatepass.server.features.shared_signals.stream_admin import StreamAdmin
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import OPERATOR_READ, OPERATOR_WRITE
from gatepass.server.web.paging import rfc3339
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.shared_signals.stream import SignalStream
    from gatepass.server.web.call import Call


class StreamResource(msgspec.Struct, frozen=True, kw_only=True):
    """A stream, without the header that its receiver has given. `waiting` is how much it has still to tell."""

    id: str
    client_id: str
    method: str
    endpoint_url: str
    events: tuple[str, ...]
    description: str
    status: StreamStatus
    reason: str
    waiting: int
    created_at: datetime


class StreamResources(msgspec.Struct, frozen=True):
    """Every stream, oldest first."""

    streams: tuple[StreamResource, ...]


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="GET",
            path="/admin/streams",
            handler=partial(list_streams, core),
            auth=OPERATOR_READ,
            summary="List every stream of Shared Signals",
            answers={200: StreamResources},
        ),
        Route(
            method="DELETE",
            path="/admin/streams/{id}",
            handler=partial(remove_one, core),
            auth=OPERATOR_WRITE,
            summary="Remove a stream of Shared Signals, and all that it would tell",
            answers={204: None},
            problems=("stream_not_found",),
        ),
    )


async def list_streams(core: Core, call: Call, _body: None) -> Response:
    """Answer with all of them."""
    found = await StreamAdmin(core.database, by=call.operator).all()
    return JsonResponse(StreamResources(tuple(_resource(stream, waiting) for stream, waiting in found)))


async def remove_one(core: Core, call: Call, _body: None) -> Response:
    """Remove one."""
    await StreamAdmin(core.database, by=call.operator).remove(call.path_params["id"])
    return no_content()


def _resource(stream: SignalStream, waiting: int) -> StreamResource:
    return StreamResource(
        id=stream.id,
        client_id=stream.client_id,
        method=stream.method,
        endpoint_url=stream.endpoint_url,
        events=stream.events,
        description=stream.description,
        status=stream.status,
        reason=stream.reason,
        waiting=waiting,
        created_at=rfc3339(stream.created_at),
    )
