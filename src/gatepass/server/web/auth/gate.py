"""The gate in front of every call and page: authenticates a request as its route requires (`Route.auth`)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gatepass.server.domain.sessions.caller import Caller
from gatepass.server.domain.sessions.operator import check_operator
from gatepass.server.web.auth import requirements as auth
from gatepass.server.web.auth.requirements import note

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.web.auth.bearer import BearerAuth
    from gatepass.server.web.auth.client import ClientAuthentication
    from gatepass.server.web.auth.cookie import CookieAuth
    from gatepass.server.web.auth.recent import RecentAuth
    from gatepass.server.web.auth.requirements import Auth, SplitBody
    from gatepass.server.web.pages import Pages
    from gatepass.server.web.routing import Route

    Authenticator = Callable[[Request, Any], Awaitable[object]]
    """Takes a request, and its `SplitBody` if the proof may be in the body; returns the caller."""


class Gate:
    """Admits requests.

    Args:
        bearer_auth: users, by access tokens.
        recent_auth: users who have signed in, or proved who they are, lately.
        cookie_auth: users, by the cookie of a page.
        clients: registered clients.
        pages: the way to sign in.
        others: what proves the rest of what a route can ask for.
    """

    def __init__(  # noqa: PLR0913 - one for each kind of proof
        self,
        bearer_auth: BearerAuth,
        recent_auth: RecentAuth,
        cookie_auth: CookieAuth,
        clients: ClientAuthentication,
        *,
        pages: Pages,
        others: Mapping[Auth, Authenticator],
    ) -> None:
        self._recent_auth = recent_auth
        self._cookie_auth = cookie_auth
        self._pages = pages
        self._proofs: dict[Auth, Authenticator] = {
            auth.CALLER: lambda request, _: bearer_auth.identify(request),
            auth.RECENT: lambda request, _: recent_auth.caller(request),
            auth.CLIENT: clients.authenticate,
            auth.ANY_CLIENT: clients.identify,
            **others,
        }

    async def admit(self, request: Request, route: Route, body: SplitBody | None) -> Response | None:
        """Authenticate the caller. Raises as the route's requirement does."""
        if route.page and route.auth.by_person:
            return await self._admit_to_page(request, route)
        note(request, await self._proofs[route.auth](request, body))
        return None

    async def _admit_to_page(self, request: Request, route: Route) -> Response | None:
        if route.auth in (auth.RECENT, auth.OPERATOR_PAGE):
            visitor = await self._recent_auth.visitor(request)
        else:
            visitor = await self._cookie_auth.of(request) or self._pages.sign_in_first(request)
        if not isinstance(visitor, Caller):
            return visitor
        if route.auth == auth.OPERATOR_PAGE and (refused := check_operator(visitor.user, acr=visitor.acr)):
            raise refused
        note(request, visitor)
        return None
