"""`/admin/events` and `/admin/stats`: the audit log, and numbers of the last 30 days."""

from __future__ import annotations

from datetime import date, datetime, timedelta  # noqa: TC003 - msgspec reads the annotations of a struct
from functools import partial
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from gatepass.server.domain.events.event import EventFilter, EventKind  # noqa: TC001 - as above
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.auth.requirements import OPERATOR_READ
from gatepass.server.web.paging import DEFAULT_LIMIT, MOST, rfc3339
from gatepass.server.web.parsing import parse_query
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.events.event import DayCount, Event
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call

DAYS = 30
_DAY = 86_400.0
_COUNTED: tuple[EventKind, ...] = ("account_created", "signed_in", "sign_in_refused", "session_ended")


class EventsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Which events; `after` is the id of the last one that is known, so that a log can be followed."""

    limit: Annotated[int, Meta(ge=1, le=MOST)] = DEFAULT_LIMIT
    after: Annotated[str, Meta(max_length=64)] = ""
    kind: EventKind | None = None
    user: Annotated[str, Meta(max_length=64)] | None = None
    client: Annotated[str, Meta(max_length=512)] | None = None


class EventResource(msgspec.Struct, frozen=True, kw_only=True):
    """An event. `actor` is who did it: a person's or client's id, `operator`, `server`, or empty where nobody knows."""

    id: str
    at: datetime
    kind: EventKind
    user_id: str
    session_id: str
    actor: str
    reason: str
    address: str
    user_agent: str


class EventPage(msgspec.Struct, frozen=True, kw_only=True):
    """Events, oldest first; `next` is the `after` of the following page, or null at the end of the log for now."""

    events: tuple[EventResource, ...]
    next: str | None


class DayOfNumbers(msgspec.Struct, frozen=True, kw_only=True):
    """What happened on a day, in UTC."""

    day: date
    signups: int
    sign_ins: int
    refused_sign_ins: int
    sessions_ended: int


class Stats(msgspec.Struct, frozen=True, kw_only=True):
    """How much there is, and the last 30 days, today last."""

    people: int
    disabled_people: int
    clients: int
    days: tuple[DayOfNumbers, ...]


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="GET",
            path="/admin/events",
            handler=partial(list_events, core),
            auth=OPERATOR_READ,
            summary="Read the audit log, oldest first",
            query=EventsQuery,
            answers={200: EventPage},
        ),
        Route(
            method="GET",
            path="/admin/stats",
            handler=partial(show_stats, core),
            auth=OPERATOR_READ,
            summary="Numbers of the last 30 days",
            answers={200: Stats},
        ),
    )


async def list_events(core: Core, call: Call, _body: None) -> Response:
    """Answer with a page."""
    query = parse_query(call.request, EventsQuery)
    wanted = EventFilter(
        after=query.after, kind=query.kind, user_id=query.user, client_id=query.client, limit=query.limit
    )

    async def unit(tx: Transaction) -> list[Event]:
        return await tx.events.page(wanted)

    found = await core.database.read(unit)
    following = found[-1].id if len(found) == query.limit else None
    return JsonResponse(EventPage(events=tuple(map(_resource, found)), next=following))


async def show_stats(core: Core, _call: Call, _body: None) -> Response:
    """Answer with the numbers."""
    return JsonResponse(await read_stats(core))


async def read_stats(core: Core) -> Stats:
    """Count what there is."""

    async def unit(tx: Transaction) -> Stats:
        today = int(tx.now // _DAY)
        counts = await tx.events.daily(_COUNTED, (today - DAYS + 1) * _DAY)
        people, disabled = await tx.users.count()
        return Stats(
            people=people,
            disabled_people=disabled,
            clients=await tx.clients.count(),
            days=tuple(_day(number, counts) for number in range(today - DAYS + 1, today + 1)),
        )

    return await core.database.read(unit)


def _day(number: int, counts: list[DayCount]) -> DayOfNumbers:
    found = {each.kind: each.count for each in counts if each.day == number}
    return DayOfNumbers(
        day=date(1970, 1, 1) + timedelta(days=number),
        signups=found.get("account_created", 0),
        sign_ins=found.get("signed_in", 0),
        refused_sign_ins=found.get("sign_in_refused", 0),
        sessions_ended=found.get("session_ended", 0),
    )


def _resource(event: Event) -> EventResource:
    return EventResource(
        id=event.id,
        at=rfc3339(event.at),
        kind=event.kind,
        user_id=event.user_id,
        session_id=event.session_id,
        actor=event.actor,
        reason=event.reason,
        address=event.address,
        user_agent=event.user_agent,
    )
