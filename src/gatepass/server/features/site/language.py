"""`/pages/language`: the user's choice of language."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.routing import page

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


def routes(core: Core) -> tuple[Route, ...]:
    """The page. A link is enough, without a form, because it only changes the displayed language."""
    return (page("/pages/language", partial(choose, core), ANYONE),)


async def choose(core: Core, call: Call, _body: None) -> Response:
    """Store the choice in a cookie, and return to the page."""
    back = core.pages.return_path(call.query.get("return_to", ""), core.pages.path("account"))
    response = core.pages.go_to(back)
    core.pages.language.keep(response, call.query.get("to", ""))
    return response
