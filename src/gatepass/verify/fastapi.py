"""Protect routes of a FastAPI application.

bearer = Bearer(verifier)

@app.get("/dashboard")
async def dashboard(user: Annotated[Principal, Depends(bearer)]): ...

@app.delete("/orders/{id}", dependencies=[Depends(bearer.require(scope="orders:write"))])
async def delete(id: str): ...

@app.post("/orders")                                        # the same, and shown in the OpenAPI document
async def add(user: Annotated[Principal, Security(bearer, scopes=["orders:write"])]): ...
"""

# No `from __future__ import annotations`: FastAPI cannot look up a name that an object's __call__ is annotated with.

from typing import TYPE_CHECKING, cast

from fastapi.openapi.models import HTTPBearer
from fastapi.requests import HTTPConnection
from fastapi.security import SecurityScopes
from fastapi.security.base import SecurityBase

from . import starlette
from .guard import Cookie, Principal_co, TokenVerifier
from .resource import Resource

if TYPE_CHECKING:
    from .principal import Principal

__all__ = ["Bearer", "Cookie", "Resource"]

NO_SCOPES = SecurityScopes()
"""For calling a bearer without FastAPI, which passes the scopes that a route declares."""


class Bearer(starlette.Bearer[Principal_co], SecurityBase):
    """A dependency that yields a `Principal`, and shows as a bearer scheme in the application's OpenAPI document."""

    def __init__(
        self,
        verifier: TokenVerifier,
        *,
        cookie: Cookie | None = None,
        resource: Resource | None = None,
    ) -> None:
        """Protect with a verifier; the arguments are those of `Guard`."""
        super().__init__(verifier, cookie=cookie, resource=resource)
        self.model = HTTPBearer(bearerFormat="JWT")
        self.scheme_name = "bearer"

    async def __call__(self, connection: HTTPConnection, security_scopes: SecurityScopes = NO_SCOPES) -> Principal_co:
        """Return who makes the request, as `starlette.Bearer` does.

        What `Security(…, scopes=[…])` declares, here or around a dependency that this is in, has to be in the token.
        """
        return await self._let_in(connection, [security_scopes.scopes] if security_scopes.scopes else ())

    def optional(self) -> "Bearer[Principal | None]":
        """Return a copy that admits requests without a token, as None; a bad token is still refused."""
        return cast("Bearer[Principal | None]", self._optional())
