"""`gatepass events …`: what happened, for keeping and for other programs."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from gatepass.cli.common import Place, open_admin
from gatepass.cli.output import result

app = App(name="events", help="Export what happened.")

_HERE = Place()


@app.command
def export(
    *,
    after: Annotated[str, Parameter(help="Begin behind this event's id, which the last export ended with.")] = "",
    place: Place = _HERE,
) -> None:
    """Print every event that is kept, oldest first, one JSON object a line."""

    async def work() -> None:
        async with open_admin(place) as admin:
            last = after
            while events := await admin.events_after(last):
                for event in events:
                    result(msgspec.json.encode(event).decode())
                last = events[-1].id

    asyncio.run(work())
