"""`/pages/language`: the language that somebody wants, whatever their browser asks for."""

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
    """The page. A link opens it, and no form: it changes what words are shown, and nothing that is kept here."""
    return (page("/pages/language", partial(choose, core), ANYONE),)


async def choose(core: Core, call: Call, _body: None) -> Response:
    """Keep the choice in a cookie, and go back to where it was made."""
    back = core.pages.return_path(call.query.get("return_to", ""), core.pages.path("account"))
    response = core.pages.go_to(back)
    core.pages.language.keep(response, call.query.get("to", ""))
    return response
