"""`gatepass stream …`: which applications are told of people by Shared Signals. They make their streams themselves."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from cyclopts import App

from gatepass.cli.common import Place
from gatepass.cli.output import Json, result_json, result_table, say
from gatepass.server.features.shared_signals.stream_admin import StreamAdmin
from gatepass.server.store.opening import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gatepass.server.domain.shared_signals.stream import SignalStream

app = App(name="stream", help="List and remove streams of applications that receive Shared Signals.")

_HERE = Place()


@asynccontextmanager
async def _open(place: Place) -> AsyncGenerator[StreamAdmin]:
    async with open_store(place.settings(), must_exist=True) as (database, _):
        yield StreamAdmin(database)


@app.command(name="list")
def list_(*, json: Json = False, place: Place = _HERE) -> None:
    """List every stream, and how much it has still to tell."""

    async def work() -> list[tuple[SignalStream, int]]:
        async with _open(place) as streams:
            return await streams.all()

    found = asyncio.run(work())
    if json:
        result_json([_as_json(stream, waiting) for stream, waiting in found])
    else:
        rows = [(each.id, each.client_id, _way(each), each.status, str(waiting)) for each, waiting in found]
        result_table(("id", "client", "delivery", "status", "waiting"), rows)


@app.command
def remove(stream_id: str, *, place: Place = _HERE) -> None:
    """Remove a stream, and all that it would tell."""

    async def work() -> None:
        async with _open(place) as streams:
            await streams.remove(stream_id)

    asyncio.run(work())
    say(f"Removed {stream_id}.")


def _way(stream: SignalStream) -> str:
    return stream.endpoint_url if stream.is_pushed else "poll"


def _as_json(stream: SignalStream, waiting: int) -> dict[str, Any]:
    return {
        "id": stream.id,
        "client_id": stream.client_id,
        "method": stream.method,
        "endpoint_url": stream.endpoint_url,
        "events": list(stream.events),
        "description": stream.description,
        "status": stream.status,
        "reason": stream.reason,
        "waiting": waiting,
        "created_at": datetime.fromtimestamp(int(stream.created_at), UTC).isoformat(),
    }
