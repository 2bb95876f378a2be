"""The console's page of roles: what they permit, and which of them the settings define."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.features.admin.api.roles import roles_of
from gatepass.server.web.auth.requirements import OPERATOR_PAGE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class RoleForm(PageForm, frozen=True, kw_only=True):
    """A role; its permissions are apart by spaces."""

    name: str = ""
    permissions: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The page and its forms."""
    show = partial(show_roles, core)
    return (
        page("/pages/admin/roles", show, OPERATOR_PAGE),
        page_form("/pages/admin/roles", partial(put, core), RoleForm, OPERATOR_PAGE, show=show),
        page_form("/pages/admin/roles/remove", partial(remove, core), RoleForm, OPERATOR_PAGE, show=show),
    )


async def show_roles(core: Core, call: Call, form: RoleForm | None, error: GatepassError | None = None) -> Response:
    """Every role, and a form for another."""
    return core.pages.page(
        call.request,
        "admin_roles.html",
        error=error,
        roles=await roles_of(core, call).all(),
        form=form or RoleForm(csrf=""),
    )


async def put(core: Core, call: Call, form: RoleForm) -> Response:
    """Add a role, or replace what it permits."""
    await roles_of(core, call).set(form.name.strip(), form.permissions.split())
    return await _go_back(core)


async def remove(core: Core, call: Call, form: RoleForm) -> Response:
    """Remove a role, and take it from everybody."""
    await roles_of(core, call).remove(form.name)
    return await _go_back(core)


async def _go_back(core: Core) -> Response:
    await core.roles.look(core.database)
    return core.pages.go_to(core.pages.path("admin/roles"))
