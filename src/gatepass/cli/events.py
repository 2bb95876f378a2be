"""`gatepass events …`: export the audit log."""

from __future__ import annotations

import asyncio
from typing import Annotated

import msgspec
from cyclopts import App, Parameter

from gatepass.cli.common import Place, open_admin
from gatepass.cli.output import result

app = App(name="events", help="Export the log of events.")

_HERE = Place()


@app.command
def export(
    *,
    after: Annotated[str, Parameter(help="Start after this event id, the last of the previous export.")] = "",
    place: Place = _HERE,
) -> None:
    """Print every stored event, oldest first, as one JSON object per line."""

    async def work() -> None:
        async with open_admin(place) as admin:
            last = after
            while events := await admin.events_after(last):
                for event in events:
                    result(msgspec.json.encode(event).decode())
                last = events[-1].id

    asyncio.run(work())
