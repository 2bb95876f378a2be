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

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException

from gatepass.jose import JoseError

from .authorization import bearer_token
from .challenge import challenge
from .require import Requirement

if TYPE_CHECKING:
    from starlette.requests import HTTPConnection

    from .principal import Principal
    from .verifier import Verifier


class Bearer:
    """Turns the bearer token of a request, or of a WebSocket's handshake, into a `Principal`."""

    def __init__(self, verifier: Verifier, requirement: Requirement | None = None) -> None:
        """Protect with a verifier; `require` adds to it what a principal must have."""
        self._verifier = verifier
        self._requirement = requirement

    async def __call__(self, connection: HTTPConnection) -> Principal:
        """Return who makes the request.

        Raises:
            HTTPException: 400, 401, 403 or 503 with the headers of `challenge`.
        """
        try:
            principal = await self._verifier.averify(bearer_token(connection.headers.getlist("authorization")))
            if self._requirement is not None:
                self._requirement.check(principal, self._verifier.clock())
        except JoseError as error:
            answer = challenge(error)
            raise HTTPException(answer.status, answer.detail, answer.headers) from error
        return principal

    def require(
        self, *, scope: str | None = None, role: str | None = None, acr: str | None = None, max_age: int | None = None
    ) -> Bearer:
        """Return a `Bearer` that also asks for what is named.

        Args:
            scope: Scopes separated by spaces; all are needed.
            role: A role.
            acr: Authentication context classes separated by spaces; one is enough.
            max_age: Seconds since the person last proved who they are.

        Raises:
            InvalidPolicyError: An argument can hold for nobody.
        """
        return type(self)(self._verifier, Requirement(scope=scope, role=role, acr=acr, max_age=max_age))
