"""The pages of an organization's members and invitations: that of its admins, and the console's, which shows more."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gatepass.server.domain.organizations.member import MemberFilter
from gatepass.server.features.organizations.domains import DomainAdministration
from gatepass.server.features.organizations.inviting import invitations, invite, withdraw
from gatepass.server.features.organizations.members_api import admin_of, administration, operator_of
from gatepass.server.web.auth.requirements import CALLER, OPERATOR_PAGE, RECENT
from gatepass.server.web.pages import PageForm
from gatepass.server.web.paging import cursor_of, key_of
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.domain.organizations.administration import OrganizationAdministration
    from gatepass.server.domain.organizations.manager import Manager
    from gatepass.server.web.auth.requirements import Auth
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route

_PER_PAGE = 25


class MemberForm(PageForm, frozen=True, kw_only=True):
    """A form on the page of an organization. What it does, its path says."""

    id: str = ""
    user: str = ""
    invitation: str = ""
    email: str = ""
    roles: str = ""
    name: str = ""
    slug: str = ""
    domain: str = ""
    provider: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberPages:
    """The page of one organization, below a path, for those who manage it."""

    core: Core
    name: str
    template: str
    read: Auth
    write: Auth
    manager: Callable[[Call], Manager]

    def routes(self) -> tuple[Route, ...]:
        """The page and its forms."""
        return (
            page(f"/pages/{self.name}", self.show, self.read),
            self.form("roles", self.set_roles),
            self.form("remove", self.remove),
            self.form("invite", self.invite),
            self.form("withdraw", self.withdraw),
        )

    def form(self, name: str, act: Callable[[Call, Any], Awaitable[Response]]) -> Route:
        """One of the forms."""
        return page_form(f"/pages/{self.name}/{name}", act, MemberForm, self.write, show=self.show)

    async def show(self, call: Call, form: MemberForm | None, error: GatepassError | None = None) -> Response:
        """Show a page of the members, and the invitations."""
        organization_id = call.query.get("id", "") if form is None else form.id
        search, after = call.query.get("search", "").strip(), key_of(call.query.get("cursor", ""))
        acts, by = self.acts(call), self.manager(call)
        view = await acts.show(organization_id)
        wanted = MemberFilter(search=search.lower(), after=after, limit=_PER_PAGE + 1)
        found = await acts.members(view.organization.id, wanted)
        shown = found[:_PER_PAGE]
        return self.core.pages.page(
            call.request,
            self.template,
            error=error,
            path=self.core.pages.path(self.name),
            organization=view.organization,
            count=view.members,
            members=shown,
            search=search,
            following=cursor_of(shown[-1].email) if len(found) > _PER_PAGE else "",
            is_first=not after,
            links_people=by.is_operator,
            invitations=await invitations(self.core.database, view.organization.id, by=by),
            typed=form.email if form is not None and error is not None else "",
            domains=await self._domains(call).all(view.organization.id) if by.is_operator else (),
            providers=sorted(self.core.settings.providers),
        )

    async def set_roles(self, call: Call, form: MemberForm) -> Response:
        """Replace the roles of a member."""
        await self.acts(call).set_roles(form.id, form.user, form.roles.split())
        return self.back(form)

    async def remove(self, call: Call, form: MemberForm) -> Response:
        """Remove a member."""
        await self.acts(call).remove_member(form.id, form.user)
        return self.back(form)

    async def invite(self, call: Call, form: MemberForm) -> Response:
        """Invite somebody."""
        by, where = self.manager(call), call.origin
        roles = form.roles.split()
        await invite(self.core, form.id, form.email, roles, by=by, language=call.language, where=where)
        return self.back(form)

    async def withdraw(self, call: Call, form: MemberForm) -> Response:
        """Withdraw an invitation."""
        await withdraw(self.core.database, form.id, form.invitation, by=self.manager(call), where=call.origin)
        return self.back(form)

    def acts(self, call: Call) -> OrganizationAdministration:
        """The acts, in the name of who is signed in."""
        return administration(self.core, call, self.manager(call))

    def back(self, form: MemberForm) -> Response:
        """Lead back to the page."""
        return self.core.pages.go_to(f"{self.core.pages.path(self.name)}?id={quote(form.id, safe='')}")

    def _domains(self, call: Call) -> DomainAdministration:
        return DomainAdministration(self.core, by=self.manager(call), where=call.origin)


def pages_of_admins(core: Core) -> MemberPages:
    """For the organization's own admins: who is one is looked at inside each act."""
    return MemberPages(
        core=core,
        name="organizations/members",
        template="organization.html",
        read=CALLER,
        write=RECENT,
        manager=admin_of,
    )


def pages_of_operators(core: Core) -> MemberPages:
    """The console's."""
    return MemberPages(
        core=core,
        name="admin/organization",
        template="admin_organization.html",
        read=OPERATOR_PAGE,
        write=OPERATOR_PAGE,
        manager=operator_of,
    )


def routes(core: Core) -> tuple[Route, ...]:
    """The page of the admins."""
    return pages_of_admins(core).routes()
