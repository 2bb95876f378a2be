"""`/`: what runs here, where to go, and on a developer's own machine what to do next."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gatepass.server.base.urls import is_loopback
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.routing import page

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


def routes(core: Core) -> tuple[Route, ...]:
    """The page."""
    return (page("/", partial(show, core), ANYONE),)


async def show(core: Core, call: Call, _body: None) -> Response:
    """Show where to go. Steps for developers are for a server that only this machine reaches."""
    settings = core.settings
    return core.pages.page(
        call.request,
        "landing.html",
        issuer=settings.issuer_url,
        can_sign_up=settings.signup == "open",
        has_outbox=settings.mail == "outbox",
        is_local=is_loopback(urlsplit(settings.issuer_url).hostname or ""),
        audience=settings.first_party_audience[0],
    )
