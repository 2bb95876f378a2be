"""The page "Apps and sites"."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.domain.sessions.scopes import scope_text
from gatepass.server.features.account.apps.consents import disconnect, list_apps
from gatepass.server.web.auth.requirements import CALLER
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class DisconnectAppForm(PageForm, frozen=True, kw_only=True):
    """The button beside an application."""

    client_id: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The page and its form."""
    path, this_page = "/pages/account/apps", partial(show, core)
    return (
        page(path, this_page, CALLER),
        page_form(f"{path}/disconnect", partial(submit, core), DisconnectAppForm, CALLER, show=this_page),
    )


async def show(core: Core, call: Call, _form: PageForm | None, error: GatepassError | None = None) -> Response:
    """Show which applications have access, and to what."""
    apps = await list_apps(core, call.caller.user.id)
    known = await core.apis.all()
    texts = {scope: scope_text(scope, known, core.pages.texts.of(call.language)) for app in apps for scope in app.scope}
    return core.pages.page(call.request, "apps.html", error=error, apps=apps, texts=texts)


async def submit(core: Core, call: Call, form: DisconnectAppForm) -> Response:
    """Disconnect one, and show the others."""
    await disconnect(core, call, form.client_id)
    return core.pages.go_to(core.pages.path("account/apps"))
