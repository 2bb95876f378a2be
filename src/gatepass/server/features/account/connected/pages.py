"""The page of connected accounts."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.features.account.connected.identities import disconnect, list_identities
from gatepass.server.web.auth.requirements import RECENT
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class ConnectForm(PageForm, frozen=True, kw_only=True):
    """The button of a provider."""

    provider: str = ""


class DisconnectForm(PageForm, frozen=True, kw_only=True):
    """The button beside an account."""

    id: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The page and its forms."""
    path, this_page = "/pages/account/identities", partial(show, core)
    return (
        page(path, this_page, RECENT),
        page_form(f"{path}/connect", partial(submit_connect, core), ConnectForm, RECENT, show=this_page),
        page_form(f"{path}/remove", partial(submit_disconnect, core), DisconnectForm, RECENT, show=this_page),
    )


async def show(core: Core, call: Call, _form: PageForm | None, error: GatepassError | None = None) -> Response:
    """Show what is connected, and what could be."""
    identities = await list_identities(core, call.caller.user.id)
    named = [(each, core.linking.name_of(each.provider)) for each in identities]
    return core.pages.page(call.request, "identities.html", error=error, identities=named, providers=core.linking.shown)


async def submit_connect(core: Core, call: Call, form: ConnectForm) -> Response:
    """Redirect the browser to the provider through a page, because the CSP lets forms lead to our own pages only.

    It needs a form, which other sites cannot send: otherwise an attacker could connect their account to this one.
    """
    journey = core.redirects.new(form.provider)
    url = await core.linking.way_there(form.provider, journey)
    response = core.pages.page(call.request, "again.html", again=url)
    await core.redirects.begin(response, form.provider, journey, return_to="", connect_to=call.caller.user.id)
    return response


async def submit_disconnect(core: Core, call: Call, form: DisconnectForm) -> Response:
    """Disconnect one, and show the others."""
    await disconnect(core, call, form.id)
    return core.pages.go_to(core.pages.path("account/identities"))
