"""Protect routes of a Starlette application.

bearer = Bearer(verifier)

async def dashboard(request: Request) -> Response:
    user = await bearer(request)
    ...

async def delete(request: Request) -> Response:
    user = await needs_admin(request)      # needs_admin = bearer.require(role="admin")
    ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.websockets import WebSocket, WebSocketState

from gatepass.jose import JoseError

from .asgi import AsgiRequest
from .errors import REQUIREMENTS_UNMET
from .guard import Cookie, Guard, Principal_co, Refused
from .resource import Resource

if TYPE_CHECKING:
    from collections.abc import Sequence

    from starlette.requests import HTTPConnection, Request
    from starlette.responses import Response
    from starlette.types import Scope

    from .principal import Principal

__all__ = ["Bearer", "Cookie", "Resource"]


class Bearer(Guard[Principal_co]):
    """Turns the token of a request, or of a WebSocket's handshake, into a `Principal`."""

    async def __call__(self, connection: HTTPConnection) -> Principal_co:
        """Return the principal of the request.

        Raises:
            HTTPException: 400, 401, 403 or 503 with the headers of `challenge`.
        """
        return await self._let_in(connection, ())

    async def _let_in(self, connection: HTTPConnection, alternatives: Sequence[Sequence[str]]) -> Principal_co:
        incoming = AsgiRequest(connection.scope)
        try:
            principal = await self.aadmit(incoming)
            self.demand(principal, alternatives, incoming)
        except Refused as refused:
            status, headers, detail = refused.answer
            raise HTTPException(status, detail, headers) from refused
        connection.scope[_GUARD] = self
        connection.scope.setdefault("user", principal)  # what `request.user` reads
        _answer_what_is_unmet(connection.scope)
        return cast("Principal_co", principal)

    def optional(self) -> Bearer[Principal | None]:
        """Return a copy that admits requests without a token, as None; a bad token is still refused."""
        return cast("Bearer[Principal | None]", self._optional())

    def metadata_route(self) -> Route:
        """Return the route of the API's metadata document (RFC 9728)."""

        async def metadata(_: Request) -> Response:
            return JSONResponse(self.metadata())

        return Route(self.resource.metadata_path, metadata)


_GUARD = "gatepass.guard"

_HANDLERS = "starlette.exception_handlers"
"""Where Starlette keeps an application's handlers for the routes below it: by class, and by status."""


def _answer_what_is_unmet(scope: Scope) -> None:
    """Answer errors of `user.require(…)` in a handler, unless the application handles them itself."""
    by_class = scope.get(_HANDLERS, ({}, {}))[0]
    if JoseError not in by_class:
        for kind in REQUIREMENTS_UNMET:
            by_class.setdefault(kind, _answer_unmet)


async def _answer_unmet(connection: HTTPConnection, error: JoseError) -> Response | None:
    guard: Guard[object] = connection.scope[_GUARD]
    status, headers, detail = guard.answer_to(error, AsgiRequest(connection.scope))
    if isinstance(connection, WebSocket) and connection.application_state is not WebSocketState.CONNECTING:
        await connection.close(1008, detail)
        return None
    return JSONResponse({"detail": detail}, status, headers)
