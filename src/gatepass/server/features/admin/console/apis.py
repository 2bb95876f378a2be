"""The console's page of APIs: what tokens can be for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.domain.sessions.api import Api, ApiScope
from gatepass.server.features.admin.api.apis import apis_of, forget_known
from gatepass.server.web.auth.requirements import OPERATOR_PAGE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class ApiForm(PageForm, frozen=True, kw_only=True):
    """An API; its scopes are apart by spaces."""

    audience: str = ""
    name: str = ""
    scopes: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The page and its forms."""
    show = partial(show_apis, core)
    return (
        page("/pages/admin/apis", show, OPERATOR_PAGE),
        page_form("/pages/admin/apis", partial(add, core), ApiForm, OPERATOR_PAGE, show=show),
        page_form("/pages/admin/apis/remove", partial(remove, core), ApiForm, OPERATOR_PAGE, show=show),
    )


async def show_apis(core: Core, call: Call, form: ApiForm | None, error: GatepassError | None = None) -> Response:
    """Every API, and a form for another."""
    return core.pages.page(
        call.request,
        "admin_apis.html",
        error=error,
        apis=await apis_of(core, call).all(),
        form=form or ApiForm(csrf=""),
    )


async def add(core: Core, call: Call, form: ApiForm) -> Response:
    """Add one, or change the one of this audience: who may ask for it, and what people read of a scope, stay."""
    apis, audience = apis_of(core, call), form.audience.strip()
    before = next((api for api in await apis.all() if api.audience == audience), None)
    known = {} if before is None else {scope.name: scope for scope in before.scopes}
    await apis.add(
        Api(
            audience=audience,
            name=form.name.strip() or audience,
            scopes=tuple(known.get(name, ApiScope(name=name, text="")) for name in dict.fromkeys(form.scopes.split())),
            is_public=before is not None and before.is_public,
            created_at=0,
        )
    )
    return _go_back(core)


async def remove(core: Core, call: Call, form: ApiForm) -> Response:
    """Remove one."""
    await apis_of(core, call).remove(form.audience)
    return _go_back(core)


def _go_back(core: Core) -> Response:
    forget_known(core)
    return core.pages.go_to(core.pages.path("admin/apis"))
