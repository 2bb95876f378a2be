"""`POST /signup`: an account for whoever asks, if the operator wants that; and the page that does the same."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.confidential import Confidential
from gatepass.server.errors import GatepassError, Refusal
from gatepass.server.web.answers import JsonResponse
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.registration import Registration
    from gatepass.server.settings import Settings
    from gatepass.server.users import User
    from gatepass.server.web.address import ClientAddress
    from gatepass.server.web.pages import Pages


class SignupRequest(Confidential, frozen=True, forbid_unknown_fields=True):
    """Who wants an account."""

    email: str
    password: str


class SignupForm(PageForm, frozen=True, kw_only=True):
    """The page's form."""

    email: str = ""
    password: str = ""


class SignedUp(msgspec.Struct, frozen=True):
    """The new account."""

    id: str
    email: str


class Signup:
    """The flow."""

    def __init__(self, registration: Registration, *, address: ClientAddress, pages: Pages, settings: Settings) -> None:
        self._registration = registration
        self._address = address
        self._pages = pages
        self._settings = settings

    def routes(self) -> tuple[Route, ...]:
        """The flow's calls and its page."""
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
            Route(method="GET", path="/pages/signup", handler=self.show, summary="Make an account", page=True),
            Route(
                method="POST",
                path="/pages/signup",
                handler=self.submit,
                summary="Make an account",
                form=SignupForm,
                page=True,
            ),
        )

    async def signup(self, request: Request, body: SignupRequest) -> Response:
        """Make the account, or say why not."""
        user = await self._sign_up(request, body.email, body.password)
        return JsonResponse(SignedUp(user.id, user.email), 201)

    async def show(self, request: Request, _body: None) -> Response:
        """Show the form."""
        return self._page(request, "")

    async def submit(self, request: Request, form: SignupForm) -> Response:
        """Make the account, and go to the sign-in page."""
        try:
            await self._sign_up(request, form.email, form.password)
        except GatepassError as error:
            return self._page(request, form.email, error)
        return self._pages.message(request, "signed_up", next_path=self._pages.path("login"))

    def _page(self, request: Request, email: str, error: GatepassError | None = None) -> Response:
        length = self._settings.password_min_length
        return self._pages.page(request, "signup.html", error=error, email=email, min_length=length)

    async def _sign_up(self, request: Request, email: str, password: str) -> User:
        if self._settings.signup == "closed":
            raise Refusal("signup_closed", "Only the operator adds people here.")
        return await self._registration.add(email, password, where=self._address.where(request))
