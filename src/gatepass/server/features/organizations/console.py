"""The console's pages of organizations: the list, and what operators do to one besides its members."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import quote

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.organizations.administration import OrganizationPatch
from gatepass.server.domain.organizations.organization import OrganizationFilter
from gatepass.server.features.organizations.domains import DomainAdministration
from gatepass.server.features.organizations.member_pages import pages_of_operators
from gatepass.server.features.organizations.members_api import administration, operator_of
from gatepass.server.web.auth.requirements import OPERATOR_PAGE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.paging import cursor_of, key_of
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.features.organizations.member_pages import MemberForm, MemberPages
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route

_PER_PAGE = 25


class NewOrganizationForm(PageForm, frozen=True, kw_only=True):
    """A new organization."""

    name: str = ""
    slug: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The pages and their forms."""
    one, all_of_them = pages_of_operators(core), partial(show_all, core)
    path = "/pages/admin/organizations"
    return (
        page(path, all_of_them, OPERATOR_PAGE),
        page_form(path, partial(add, core), NewOrganizationForm, OPERATOR_PAGE, show=all_of_them),
        *one.routes(),
        one.form("add", partial(add_member, one)),
        one.form("change", partial(change, one)),
        one.form("delete", partial(delete, one)),
        one.form("domain/add", partial(add_domain, one)),
        one.form("domain/check", partial(check_domain, one)),
        one.form("domain/remove", partial(remove_domain, one)),
    )


async def show_all(
    core: Core, call: Call, form: NewOrganizationForm | None, error: GatepassError | None = None
) -> Response:
    """Organizations by pages, found by how their slug or id begins."""
    search, after = call.query.get("search", "").strip(), key_of(call.query.get("cursor", ""))
    wanted = OrganizationFilter(search=search.lower(), after=after, limit=_PER_PAGE + 1)
    found = await administration(core, call, operator_of(call)).page(wanted)
    shown = found[:_PER_PAGE]
    return core.pages.page(
        call.request,
        "admin_organizations.html",
        error=error,
        organizations=shown,
        search=search,
        following=cursor_of(shown[-1].slug) if len(found) > _PER_PAGE else "",
        is_first=not after,
        form=form,
    )


async def add(core: Core, call: Call, form: NewOrganizationForm) -> Response:
    """Add one, and show it."""
    made = await administration(core, call, operator_of(call)).create(form.slug.strip(), form.name)
    return core.pages.go_to(f"{core.pages.path('admin/organization')}?id={quote(made.id)}")


async def add_member(one: MemberPages, call: Call, form: MemberForm) -> Response:
    """Make somebody a member who has an account."""
    await one.acts(call).add_member(form.id, form.email, form.roles.split())
    return one.back(form)


async def change(one: MemberPages, call: Call, form: MemberForm) -> Response:
    """Change name and slug."""
    await one.acts(call).change(form.id, OrganizationPatch(name=form.name, slug=form.slug.strip()))
    return one.back(form)


async def delete(one: MemberPages, call: Call, form: MemberForm) -> Response:
    """Delete the organization, whose slug the operator has typed."""
    view = await one.acts(call).show(form.id)
    if form.slug.strip() != view.organization.slug:
        raise Refusal("slug_differs", "Type the short name of the organization to delete it.")
    await one.acts(call).remove(form.id)
    return one.core.pages.go_to(one.core.pages.path("admin/organizations"))


async def add_domain(one: MemberPages, call: Call, form: MemberForm) -> Response:
    """Add a domain."""
    await _domains(one, call).add(form.id, form.domain, form.provider)
    return one.back(form)


async def check_domain(one: MemberPages, call: Call, form: MemberForm) -> Response:
    """Look for the record of a domain."""
    await _domains(one, call).check(form.id, form.domain)
    return one.back(form)


async def remove_domain(one: MemberPages, call: Call, form: MemberForm) -> Response:
    """Remove a domain."""
    await _domains(one, call).remove(form.id, form.domain)
    return one.back(form)


def _domains(one: MemberPages, call: Call) -> DomainAdministration:
    return DomainAdministration(one.core, by=one.manager(call), where=call.origin)
