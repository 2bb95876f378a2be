"""`POST /signup`: an account for whoever asks, if the operator wants that."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.confidential import Confidential
from gatepass.server.errors import Refusal
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.registration import Registration
    from gatepass.server.settings import Settings


class SignupRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """Who wants an account."""

    email: str
    password: str


class SignedUp(msgspec.Struct, frozen=True):
    """The new account."""

    id: str
    email: str


class Signup:
    """The flow."""

    def __init__(self, registration: Registration, settings: Settings) -> None:
        self._registration = registration
        self._settings = settings

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls."""
        return (
            Route(
                method="POST",
                path="/signup",
                handler=self.signup,
                summary="Make an account",
                body=SignupRequest,
                answers={201: SignedUp},
                problems=(
                    "signup_closed",
                    "email_taken",
                    "invalid_email",
                    "password_too_short",
                    "password_too_long",
                    "busy",
                ),
            ),
        )

    async def signup(self, _request: Request, body: SignupRequest) -> Response:
        """Make the account, or say why not."""
        if self._settings.signup == "closed":
            raise Refusal("signup_closed", "Only the operator adds people here.")
        user = await self._registration.add(body.email, body.password)
        return JsonResponse(SignedUp(user.id, user.email), 201)
