"""The outbox of a server without a mail server, on a machine of one's own: what would have been sent."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.errors import Refusal
from gatepass.server.settings import is_loopback
from gatepass.server.web.routing import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.posting import Posting
    from gatepass.server.web.pages import Pages
    from gatepass.server.web.routing import Route


class Outbox:
    """The flow. It has no routes where mails are sent, nor where others could reach it."""

    def __init__(self, posting: Posting, *, pages: Pages, is_open: bool) -> None:
        self._posting = posting
        self._pages = pages
        self._is_open = is_open

    def routes(self) -> tuple[Route, ...]:
        """The page."""
        if not self._is_open:
            return ()
        return (page("/pages/outbox", self.show),)

    async def show(self, request: Request, _body: None) -> Response:
        """Show the mails, the latest first, to who called this machine by its own name.

        A page of another site whose name suddenly leads to this machine (DNS rebinding) is not shown the links.
        """
        if not is_loopback(request.url.hostname or ""):
            raise Refusal("not_found", "")
        return self._pages.page(request, "outbox.html", mails=await self._posting.latest())
