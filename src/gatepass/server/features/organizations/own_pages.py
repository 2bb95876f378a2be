"""The pages of one's own organizations, and of an invitation."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from gatepass.server.domain.organizations.administration import leave
from gatepass.server.features.organizations.accepting import accept, create_account, look_at
from gatepass.server.features.organizations.own import join, own_organizations, switch
from gatepass.server.web.auth.requirements import ANYONE, CALLER
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class OrganizationForm(PageForm, frozen=True, kw_only=True):
    """A button beside an organization; no id stands for none."""

    id: str = ""


class InvitationForm(PageForm, frozen=True, kw_only=True):
    """The token of the mailed link, and a new account's password."""

    token: str = ""
    password: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The pages and their forms."""
    path, own, invitation = "/pages/organizations", partial(show_own, core), partial(show_invitation, core)
    return (
        page(path, own, CALLER),
        page_form(f"{path}/switch", partial(submit_switch, core), OrganizationForm, CALLER, show=own),
        page_form(f"{path}/leave", partial(submit_leave, core), OrganizationForm, CALLER, show=own),
        page_form(f"{path}/join", partial(submit_join, core), OrganizationForm, CALLER, show=own),
        page(f"{path}/invitation", invitation, ANYONE),
        page_form(f"{path}/invitation", partial(submit_accept, core), InvitationForm, CALLER, show=invitation),
        page_form(f"{path}/invitation/account", partial(submit_account, core), InvitationForm, ANYONE, show=invitation),
    )


async def show_own(core: Core, call: Call, _form: PageForm | None, error: GatepassError | None = None) -> Response:
    """Show a person's organizations."""
    own = await own_organizations(core.database, call.caller)
    return core.pages.page(call.request, "organizations.html", error=error, own=own)


async def submit_switch(core: Core, call: Call, form: OrganizationForm) -> Response:
    """Use another one, or none."""
    await switch(core, call, form.id)
    return core.pages.go_to(core.pages.path("organizations"))


async def submit_leave(core: Core, call: Call, form: OrganizationForm) -> Response:
    """Leave one."""
    await leave(core.database, core.list_keys, call.caller.user, form.id, call.origin)
    return core.pages.go_to(core.pages.path("organizations"))


async def submit_join(core: Core, call: Call, form: OrganizationForm) -> Response:
    """Join by the domain of one's address."""
    await join(core, call, form.id)
    return core.pages.go_to(core.pages.path("organizations"))


async def show_invitation(
    core: Core, call: Call, form: InvitationForm | None, error: GatepassError | None = None
) -> Response:
    """Show what the invitation is to: scanners of mails follow links, but press no buttons."""
    token = call.query.get("token", "") if form is None else form.token
    visitor = await core.cookie_auth.of(call.request)
    if visitor is None and (again := core.pages.come_again(call.request)):
        return again
    here = f"{core.pages.path('organizations/invitation')}?token={quote(token, safe='')}"
    another = "" if visitor is None else "&another=1"
    return core.pages.page(
        call.request,
        "invitation.html",
        error=error,
        invited=await look_at(core.database, token),
        token=token,
        email="" if visitor is None else visitor.user.email,
        sign_in=f"{core.pages.path('login')}?return_to={quote(here, safe='')}{another}",
        min_length=core.settings.password_min_length,
    )


async def submit_accept(core: Core, call: Call, form: InvitationForm) -> Response:
    """Join."""
    await accept(core, call.caller.user, form.token, call.origin)
    return core.pages.go_to(core.pages.path("organizations"))


async def submit_account(core: Core, call: Call, form: InvitationForm) -> Response:
    """Create the account; signing in to it leads back here."""
    await create_account(core, form.token, form.password, call.origin)
    here = f"{core.pages.path('organizations/invitation')}?token={quote(form.token, safe='')}"
    return core.pages.go_to(f"{core.pages.path('login')}?return_to={quote(here, safe='')}")
