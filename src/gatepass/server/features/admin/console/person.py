"""The console's page of one person, with what can be done about them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.features.admin.api.users import people
from gatepass.server.features.admin.console.event_names import event_names
from gatepass.server.features.admin.people import UserChanges
from gatepass.server.web.auth.requirements import OPERATOR_PAGE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.credentials.factors import Factors
    from gatepass.server.domain.events.event import Event
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.session import SessionInUse
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class PersonForm(PageForm, frozen=True, kw_only=True):
    """A form on a person's page. What it does, its path says."""

    id: str = ""
    session: str = ""
    roles: str = ""
    email: str = ""


class PersonShown(msgspec.Struct, frozen=True, kw_only=True):
    """What the page shows."""

    user: User
    sessions: list[SessionInUse]
    factors: Factors
    events: list[Event]


def routes(core: Core) -> tuple[Route, ...]:
    """The page and its forms."""
    show = partial(show_person, core)

    def form(name: str, act: Callable[[Core, Call, Any], Awaitable[Response]]) -> Route:
        return page_form(f"/pages/admin/person/{name}", partial(act, core), PersonForm, OPERATOR_PAGE, show=show)

    return (
        page("/pages/admin/person", show, OPERATOR_PAGE),
        form("disable", disable),
        form("enable", enable),
        form("logout", logout),
        form("session", end_session),
        form("factors", remove_factors),
        form("roles", set_roles),
        form("delete", delete),
    )


async def show_person(
    core: Core, call: Call, form: PersonForm | None, error: GatepassError | None = None, *, code: str | None = None
) -> Response:
    """Show the person, and a code if there is a new one."""
    who = call.query.get("id", "") if form is None else form.id

    async def of(tx: Transaction, user: User) -> PersonShown:
        idle_seconds = core.settings.session_idle_seconds
        return PersonShown(
            user=user,
            sessions=await tx.sessions.live_of(user.id, now=tx.now, idle_seconds=idle_seconds),
            factors=await tx.factors.of(user.id),
            events=(await tx.events.of_user(user.id))[:10],
        )

    shown = await people(core, call).read(who, of)
    return core.pages.page(
        call.request,
        "admin_person.html",
        error=error,
        person=shown,
        code=code,
        names=event_names(core.pages.texts.of(call.language)),
    )


async def disable(core: Core, call: Call, form: PersonForm) -> Response:
    """Disable the person."""
    await people(core, call).disable(form.id)
    return _go_back(core, form)


async def enable(core: Core, call: Call, form: PersonForm) -> Response:
    """Enable the person."""
    await people(core, call).enable(form.id)
    return _go_back(core, form)


async def logout(core: Core, call: Call, form: PersonForm) -> Response:
    """End every session."""
    await people(core, call).logout(form.id)
    return _go_back(core, form)


async def end_session(core: Core, call: Call, form: PersonForm) -> Response:
    """End one session."""
    await people(core, call).end_session(form.id, form.session)
    return _go_back(core, form)


async def remove_factors(core: Core, call: Call, form: PersonForm) -> Response:
    """Remove every factor; an operator's new code is shown once."""
    _, code = await people(core, call).reset_factors(form.id)
    return await show_person(core, call, form, code=code) if code else _go_back(core, form)


async def set_roles(core: Core, call: Call, form: PersonForm) -> Response:
    """Replace the roles; a new operator's code is shown once."""
    changed = await people(core, call).change(form.id, UserChanges(roles=tuple(form.roles.split())))
    return (
        await show_person(core, call, form, code=changed.enrollment_code)
        if changed.enrollment_code
        else _go_back(core, form)
    )


async def delete(core: Core, call: Call, form: PersonForm) -> Response:
    """Delete the person, whose address the operator has typed."""
    shown = await people(core, call).show(form.id)
    if form.email.strip().lower() != shown.user.email:
        raise Refusal("confirmation_differs", "Type the person's email address to delete them.")
    await people(core, call).remove(form.id)
    return core.pages.go_to(core.pages.path("admin/people"))


def _go_back(core: Core, form: PersonForm) -> Response:
    return core.pages.go_to(f"{core.pages.path('admin/person')}?id={quote(form.id, safe='')}")
