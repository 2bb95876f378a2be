"""`gatepass events …`: export the audit log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

import msgspec
from cyclopts import App, Parameter

from gatepass.cli.common import Place, open_admin
from gatepass.cli.output import result, result_table, time_in_words
from gatepass.server.base.devices import device_of
from gatepass.server.base.texts import LANGUAGES, translate

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gatepass.server.domain.events.event import Event

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
                result_json_lines(events)
                last = events[-1].id

    asyncio.run(work())


def result_json_lines(events: Iterable[Event]) -> None:
    """Print events for a program, one JSON object per line."""
    for event in events:
        result(msgspec.json.encode(event).decode())


def result_events(events: Iterable[Event]) -> None:
    """Print events for people."""
    t = translate(LANGUAGES[0])
    rows = [
        (
            time_in_words(event.at),
            t(f"event.{event.kind}"),
            event.reason or "-",
            "user" if event.actor == event.user_id else event.actor or "-",
            event.address or "-",
            " / ".join(filter(None, device_of(event.user_agent))) or "-",
        )
        for event in events
    ]
    result_table(("time", "event", "details", "by", "address", "device"), rows)
