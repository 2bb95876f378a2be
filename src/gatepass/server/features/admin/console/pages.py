"""The console's pages: an overview, people, clients, events and keys."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.user import UserFilter
from gatepass.server.domain.events.event import EventFilter, EventKind
from gatepass.server.domain.keys.rotation import pace_of, rotate, stored_keys
from gatepass.server.domain.keys.schedule import state_of
from gatepass.server.features.admin.api.events import read_stats
from gatepass.server.features.admin.clients import ClientAdmin
from gatepass.server.features.admin.console.chart import chart
from gatepass.server.features.admin.console.event_names import event_names
from gatepass.server.web.auth.requirements import OPERATOR_PAGE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.paging import cursor_of, key_of
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.events.event import Event
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route

_PER_PAGE = 25


class ClientButton(PageForm, frozen=True, kw_only=True):
    """The button beside a client."""

    client_id: str = ""


class KeyButton(PageForm, frozen=True, kw_only=True):
    """The button that adds a key."""


def routes(core: Core) -> tuple[Route, ...]:
    """The pages and their forms."""
    clients, keys = partial(show_clients, core), partial(show_keys, core)
    return (
        page("/pages/admin", partial(show_overview, core), OPERATOR_PAGE),
        page("/pages/admin/people", partial(show_people, core), OPERATOR_PAGE),
        page("/pages/admin/clients", clients, OPERATOR_PAGE),
        page_form("/pages/admin/clients/disable", partial(disable, core), ClientButton, OPERATOR_PAGE, show=clients),
        page_form("/pages/admin/clients/enable", partial(enable, core), ClientButton, OPERATOR_PAGE, show=clients),
        page("/pages/admin/events", partial(show_events, core), OPERATOR_PAGE),
        page("/pages/admin/keys", keys, OPERATOR_PAGE),
        page_form("/pages/admin/keys/rotate", partial(rotate_key, core), KeyButton, OPERATOR_PAGE, show=keys),
    )


async def show_overview(core: Core, call: Call, _body: None) -> Response:
    """Numbers of the last 30 days."""
    stats = await read_stats(core)
    charts = (
        chart("sign_ins", [day.sign_ins for day in stats.days]),
        chart("signups", [day.signups for day in stats.days]),
        chart("refused", [day.refused_sign_ins for day in stats.days]),
    )
    return core.pages.page(call.request, "admin.html", stats=stats, charts=charts)


async def show_people(core: Core, call: Call, _body: None) -> Response:
    """People by pages, found by how their address or id begins."""
    search = call.query.get("search", "").strip()
    after = key_of(call.query.get("cursor", ""))

    async def unit(tx: Transaction) -> list[User]:
        return await tx.users.page(UserFilter(search=search.lower(), after=after, limit=_PER_PAGE + 1))

    found = await core.database.read(unit)
    shown = found[:_PER_PAGE]
    following = cursor_of(shown[-1].email) if len(found) > _PER_PAGE else ""
    return core.pages.page(
        call.request, "admin_people.html", people=shown, search=search, following=following, is_first=not after
    )


async def show_clients(core: Core, call: Call, _form: PageForm | None, error: GatepassError | None = None) -> Response:
    """Every client."""
    clients = await _clients(core, call).all()
    return core.pages.page(call.request, "admin_clients.html", error=error, clients=clients)


async def disable(core: Core, call: Call, form: ClientButton) -> Response:
    """Let a client in no more."""
    await _clients(core, call).disable(form.client_id)
    core.clients.forget()
    return core.pages.go_to(core.pages.path("admin/clients"))


async def enable(core: Core, call: Call, form: ClientButton) -> Response:
    """Let a client in again."""
    await _clients(core, call).enable(form.client_id)
    core.clients.forget()
    return core.pages.go_to(core.pages.path("admin/clients"))


async def show_events(core: Core, call: Call, _body: None) -> Response:
    """The audit log by pages, newest first, of everybody or of one."""
    wanted = EventFilter(
        before=call.query.get("before", ""),
        kind=_kind(call.query.get("kind", "")),
        user_id=call.query.get("user", "") or None,
        limit=_PER_PAGE + 1,
    )

    async def unit(tx: Transaction) -> list[Event]:
        return await tx.events.page(wanted)

    found = await core.database.read(unit)
    shown = found[:_PER_PAGE]
    following = shown[-1].id if len(found) > _PER_PAGE else ""
    return core.pages.page(
        call.request,
        "admin_events.html",
        events=shown,
        following=following,
        kind=wanted.kind or "",
        names=event_names(core.pages.texts.of(call.language)),
        user=wanted.user_id or "",
    )


async def show_keys(core: Core, call: Call, _form: PageForm | None, error: GatepassError | None = None) -> Response:
    """The signing keys."""
    stored = await stored_keys(core.database)
    keys = [(key, state_of(key, stored)) for key in reversed(stored) if key.use != "refresh"]
    return core.pages.page(call.request, "admin_keys.html", error=error, keys=keys)


async def rotate_key(core: Core, call: Call, _form: KeyButton) -> Response:
    """Add a key."""
    await rotate(core.database, core.data_key, pace_of(core.settings), actor=call.operator.id)
    await core.replica.catch_up()
    return core.pages.go_to(core.pages.path("admin/keys"))


def _clients(core: Core, call: Call) -> ClientAdmin:
    return ClientAdmin(
        core.database, core.indexes, core.list_keys, our_algs=core.settings.id_token_algs, by=call.operator
    )


def _kind(text: str) -> EventKind | None:
    try:
        return msgspec.convert(text, EventKind) if text else None
    except msgspec.ValidationError as error:
        raise Refusal("invalid_query", "There are no events of this kind.") from error
