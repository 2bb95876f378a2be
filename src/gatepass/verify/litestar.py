"""Protect routes of a Litestar application.

bearer = Bearer(verifier)

@get("/dashboard", guards=[bearer])
async def dashboard(request: Request[Principal, None, State]) -> str:
    return request.user.subject

@delete("/orders/{number:int}", guards=[bearer.require(scope="orders:write")])
async def remove(number: FromPath[int]) -> None: ...

app = Litestar([dashboard, remove], on_app_init=[bearer.on_app_init])
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from litestar import MediaType, Response, get
from litestar.exceptions import HTTPException
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.config import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme

from . import asgi
from .guard import Cookie, Guard, Principal_co, Refused
from .principal import answering
from .resource import Resource

if TYPE_CHECKING:
    from litestar.config.app import AppConfig
    from litestar.connection import ASGIConnection
    from litestar.handlers.base import BaseRouteHandler

    from .challenge import Challenge
    from .principal import Principal

__all__ = ["Bearer", "Cookie", "Resource"]

SCHEME = "bearer"
"""What the scheme is called in the OpenAPI document, for a route's `security=[{SCHEME: []}]`."""


class Bearer(Guard[Principal_co]):
    """A guard that turns the token of a request, or of a WebSocket's handshake, into `request.user`."""

    async def __call__(self, connection: ASGIConnection[Any, Any, Any, Any], handler: BaseRouteHandler) -> None:
        """Admit the request, with its principal as `user`.

        Scopes that the handler's `security=[{SCHEME: […]}]` declares have to be in the token.

        Raises:
            HTTPException: 400, 401, 403 or 503 with the headers of `challenge`.
        """
        incoming = asgi.AsgiRequest(cast("asgi.Scope", connection.scope))
        try:
            principal = await self.aadmit(incoming)
            self.demand(principal, _declared(handler), incoming)
        except Refused as refused:
            raise _exception(refused.answer) from refused
        connection.scope["user"] = (
            None
            if principal is None
            else answering(principal, lambda error: _exception(self.answer_to(error, incoming)))
        )

    def optional(self) -> Bearer[Principal | None]:
        """Return a copy that admits requests without a token, as None; a bad token is still refused."""
        return cast("Bearer[Principal | None]", self._optional())

    def metadata_route(self) -> HTTPRouteHandler:
        """Return the handler of the API's metadata document (RFC 9728)."""

        @get(self.resource.metadata_path, media_type=MediaType.JSON, include_in_schema=False, sync_to_thread=False)
        def metadata() -> Response[dict[str, Any]]:
            return Response(self.metadata())

        return metadata

    def on_app_init(self, config: AppConfig) -> AppConfig:
        """Add the bearer scheme to the application's OpenAPI document."""
        if config.openapi_config is None:
            config.openapi_config = OpenAPIConfig(title="API", version="1")
        scheme = Components(
            security_schemes={SCHEME: SecurityScheme(type="http", scheme="bearer", bearer_format="JWT")}
        )
        have = config.openapi_config.components
        config.openapi_config.components = [*have, scheme] if isinstance(have, list) else [have, scheme]
        return config


def _exception(answer: Challenge) -> HTTPException:
    status, headers, detail = answer
    return HTTPException(detail, status_code=status, headers=headers)


def _declared(handler: BaseRouteHandler) -> list[list[str]]:
    """The scopes that a handler, or a layer around it, declares: lists of which one is enough (OpenAPI §4.8.30)."""
    if not isinstance(handler, HTTPRouteHandler):
        return []
    alternatives = [one[SCHEME] for one in handler.resolve_security() or () if SCHEME in one]
    return alternatives if all(alternatives) else []
