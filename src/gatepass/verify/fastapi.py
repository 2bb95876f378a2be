"""Protect routes of a FastAPI application.

bearer = Bearer(verifier)

@app.get("/dashboard")
async def dashboard(user: Annotated[Principal, Depends(bearer)]): ...

@app.delete("/orders/{id}", dependencies=[Depends(bearer.require(scope="orders:write"))])
async def delete(id: str): ...
"""

# No `from __future__ import annotations`: FastAPI cannot look up a name that an object's __call__ is annotated with.

from typing import TYPE_CHECKING, cast

from fastapi.openapi.models import HTTPBearer
from fastapi.requests import HTTPConnection
from fastapi.security.base import SecurityBase

from . import starlette
from .guard import Cookie, TokenVerifier, Who_co
from .resource import Resource

if TYPE_CHECKING:
    from .principal import Principal

__all__ = ["Bearer", "Cookie", "Resource"]


class Bearer(starlette.Bearer[Who_co], SecurityBase):
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

    async def __call__(self, connection: HTTPConnection) -> Who_co:
        """Return who makes the request, as `starlette.Bearer` does."""
        return await super().__call__(connection)

    def optional(self) -> "Bearer[Principal | None]":
        """Return one that lets requests without a token in, as None; a bad token is refused all the same."""
        return cast("Bearer[Principal | None]", self._optional())
