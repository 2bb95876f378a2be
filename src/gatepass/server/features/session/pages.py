"""The form of the account page that signs out."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.features.session.logout import log_out
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page_form

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class LogoutForm(PageForm, frozen=True, kw_only=True):
    """The form of the account page."""


def routes(core: Core) -> tuple[Route, ...]:
    """The form."""
    return (page_form("/pages/logout", partial(submit, core), LogoutForm, ANYONE),)


async def submit(core: Core, call: Call, _form: LogoutForm) -> Response:
    """End the session of the page's user, and delete its cookie."""
    visitor = await core.cookie_auth.of(call.request)
    if visitor is not None:
        await log_out(core.database, visitor.session_id, visitor.user.id, call.origin)
    response = core.pages.go_to(core.pages.path("login"))
    core.browser.clear_cookie(call.request, response)
    return response
