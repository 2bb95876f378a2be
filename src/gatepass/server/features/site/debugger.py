"""`/debugger`: what a token says, what each claim means, whether its signature holds, and why it would be refused.

All of it happens in the browser. The page's policy lets its script read this server's JWKS and send nothing anywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.texts import texts
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.headers import DEBUGGER_SCRIPT
from gatepass.server.web.routing import page

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route

_TEXTS = "debugger."


class Debugger:
    """The flow: one page, which a script of its own fills."""

    def __init__(self, core: Core) -> None:
        self._pages = core.pages
        self._issuer = core.settings.issuer_url

    def routes(self) -> tuple[Route, ...]:
        """The flow's page."""
        return (page("/debugger", self.show, ANYONE),)

    async def show(self, call: Call, _body: None) -> Response:
        """Show the page, with the texts that its script needs."""
        known = texts(call.language)
        return self._pages.page(
            call.request,
            "debugger.html",
            script=DEBUGGER_SCRIPT,
            scripted=True,
            issuer=self._issuer,
            texts={key.removeprefix(_TEXTS): text for key, text in known.items() if key.startswith(_TEXTS)},
        )
