"""Protect routes of a FastAPI application.

bearer = Bearer(verifier)

@app.get("/dashboard")
async def dashboard(user: Annotated[Principal, Depends(bearer)]): ...

@app.delete("/orders/{id}", dependencies=[Depends(bearer.require(scope="orders:write"))])
async def delete(id: str): ...
"""

# No `from __future__ import annotations`: FastAPI cannot look up a name that an object's __call__ is annotated with.

from typing import TYPE_CHECKING

from fastapi.openapi.models import HTTPBearer
from fastapi.requests import HTTPConnection
from fastapi.security.base import SecurityBase

from . import starlette

if TYPE_CHECKING:
    from .principal import Principal
    from .require import Requirement
    from .verifier import Verifier


class Bearer(starlette.Bearer, SecurityBase):
    """A dependency that yields a `Principal`, and shows as a bearer scheme in the application's OpenAPI document."""

    def __init__(self, verifier: "Verifier", requirement: "Requirement | None" = None) -> None:
        """Protect with a verifier; `require` adds to it what a principal must have."""
        super().__init__(verifier, requirement)
        self.model = HTTPBearer(bearerFormat="JWT")
        self.scheme_name = "bearer"

    async def __call__(self, connection: HTTPConnection) -> "Principal":
        """Return who makes the request, as `starlette.Bearer` does."""
        return await super().__call__(connection)
