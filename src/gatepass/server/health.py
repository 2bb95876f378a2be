"""For load balancers: `GET /health` says that the process answers, `GET /ready` that it can do its work."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.transaction import Database


class State(msgspec.Struct, frozen=True):
    """`ok`; whoever is not well answers with a problem, or not at all."""

    status: str


class Health:
    """The two calls."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def routes(self) -> tuple[Route, ...]:
        """The calls, which lie at the root whatever the issuer's path."""
        return (
            Route(method="GET", path="/health", handler=self.health, summary="Is the process up", answers={200: State}),
            Route(method="GET", path="/ready", handler=self.ready, summary="Can it serve", answers={200: State}),
        )

    async def health(self, _request: Request, _body: None) -> Response:
        """Answer."""
        return JsonResponse(State("ok"))

    async def ready(self, _request: Request, _body: None) -> Response:
        """Answer once the database has taken a write lock and let it go; 503 `store_unavailable` when it cannot."""
        await self._database.condition()
        return JsonResponse(State("ok"))
