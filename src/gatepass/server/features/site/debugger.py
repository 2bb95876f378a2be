"""`/debugger`: decodes a token, explains each claim, checks the signature, and lists reasons to refuse it.

All of it happens in the browser. The page's CSP lets its script read this server's JWKS and send nothing anywhere.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.headers import DEBUGGER_SCRIPT
from gatepass.server.web.routing import page

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route

_TEXTS = "debugger."


def routes(core: Core) -> tuple[Route, ...]:
    """The page, which a script fills."""
    return (page("/debugger", partial(show, core), ANYONE),)


async def show(core: Core, call: Call, _body: None) -> Response:
    """Show the page, with the texts that its script needs."""
    known = core.pages.texts.of(call.language)
    return core.pages.page(
        call.request,
        "debugger.html",
        script=DEBUGGER_SCRIPT,
        scripted=True,
        issuer=core.settings.issuer_url,
        texts={key.removeprefix(_TEXTS): text for key, text in known.items() if key.startswith(_TEXTS)},
    )
