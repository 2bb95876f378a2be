"""The outbox page of a server on loopback without a mail server: the emails that would have been sent."""

from __future__ import annotations

import hmac
from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.web.auth.requirements import THIS_MACHINE
from gatepass.server.web.routing import page

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route


class Outbox:
    """The outbox. It has no routes if emails are sent, or if others could reach it."""

    def __init__(self, core: Core) -> None:
        self._mail_delivery = core.mail_delivery
        self._pages = core.pages
        self._machine = core.machine
        self._key = core.settings.outbox_key if core.settings.mail == "outbox" else None

    def routes(self) -> tuple[Route, ...]:
        """The page."""
        if self._key is None:
            return ()
        return (page("/pages/outbox", self.show, THIS_MACHINE),)

    async def check(self, request: Request, _body: None) -> None:
        """Allow requests from this machine that have the key of the link printed by `serve`.

        The links in the emails open accounts. Requests through a tunnel or by DNS rebinding may look local, but lack
        the key.

        Raises:
            Refusal: `not_found`.
        """
        if not (self._machine.sent(request) and self._has_key(request)):
            raise Refusal("not_found", "")

    async def show(self, call: Call, _body: None) -> Response:
        """Show the emails, the latest first."""
        return self._pages.page(call.request, "outbox.html", mails=await self._mail_delivery.latest())

    def _has_key(self, request: Request) -> bool:
        given = request.query_params.get("key", "").encode("utf-8", "surrogateescape")
        return bool(self._key) and hmac.compare_digest(given, (self._key or "").encode())
