"""Responses to a sign-in: a session's first tokens, or the challenge for the second factor."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.credentials.factors import FactorKind  # noqa: TC001 - msgspec reads the annotations
from gatepass.server.domain.sessions.login import (
    FactorDue,
)
from gatepass.server.domain.sessions.open import Opened
from gatepass.server.domain.sessions.revoke import replace_session
from gatepass.server.web.cookies import HostCookie
from gatepass.server.web.errors import Problem, problem

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.keyring import LiveKeys
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.login import (
        LoginResult,
    )
    from gatepass.server.web.address import ClientAddress
    from gatepass.server.web.auth.cookie import CookieAuth
    from gatepass.server.web.known_browsers import KnownBrowsers
    from gatepass.server.web.pages import Pages
    from gatepass.server.web.token_responses import TokenResponses

_DAY = 86_400


class SecondFactorRequired(Problem, frozen=True, kw_only=True, omit_defaults=True):
    """What to send to `/login/factor`: the challenge, and one of these factors within so many seconds."""

    challenge: str = ""
    factors: tuple[FactorKind, ...] = ()
    expires_in: int = 0


class LoginResponses:
    """Responses to a sign-in: tokens or a challenge, and the cookies for them."""

    def __init__(  # noqa: PLR0913 - all that an answer needs
        self,
        database: Database,
        token_responses: TokenResponses,
        *,
        keys: LiveKeys,
        address: ClientAddress,
        pages: Pages,
        cookie_auth: CookieAuth,
        known_browsers: KnownBrowsers,
        settings: Settings,
    ) -> None:
        self._database = database
        self._token_responses = token_responses
        self._keys = keys
        self._address = address
        self._pages = pages
        self._cookie_auth = cookie_auth
        self.known_browsers = known_browsers
        self._device_seconds = settings.remember_device_days * _DAY
        # Lax: a sign-in at another site ends with a link from there, and needs these
        self.device_cookie = HostCookie("gatepass-device", settings, same_site="lax")
        self.challenge_cookie = HostCookie("gatepass-challenge", settings, same_site="lax")

    async def answer(self, result: LoginResult) -> Response:
        """Answer an API call: with the session's first tokens, or with the challenge.

        In cookie mode the challenge is also a cookie, and useless in another browser, so that an attacker cannot make a
        user complete the attacker's sign-in.
        """
        if isinstance(result, Opened):
            response = await self._token_responses.answer_first(result, keys=self._keys.current)
            if result.refresh_token.in_cookie:
                self.known_browsers.keep(response, result.subject.user_id, result.password)
            return response
        due = {"challenge": result.challenge, "factors": result.factors, "expires_in": result.expires_in}
        response = problem("second_factor_required", "Send one of the user's factors to /login/factor.", extra=due)
        if result.in_cookie:
            self.challenge_cookie.put(response, result.challenge, result.expires_in)
        return response

    async def go_on(
        self, request: Request, result: LoginResult, return_to: str, *, shown: Response | None = None
    ) -> Response:
        """Answer a page: redirect to the target, or to the second factor. `shown` is a page to show first."""
        path = self._pages.return_path(return_to, self._pages.home)
        if isinstance(result, FactorDue):
            query = self._pages.return_query(path).removeprefix("&")
            response = self._pages.go_to(f"{self._pages.path('login/factor')}?{query}")
            self.challenge_cookie.put(response, result.challenge, result.expires_in)
            return response
        await self._replace(request, result)
        response = shown or self._pages.go_back_to(request, path)
        self._token_responses.set_cookie(response, result, keys=self._keys.current)
        self.known_browsers.keep(response, result.subject.user_id, result.password)
        self._pages.rename_browser(response)
        return response

    def keep_device(self, response: Response, device: str) -> None:
        """Delete the challenge's cookie, and set the cookie of a newly trusted device, if any."""
        self.challenge_cookie.drop(response)
        if device:
            self.device_cookie.put(response, device, self._device_seconds)

    async def _replace(self, request: Request, opened: Opened) -> None:
        """End the browser's previous session, if it was the same user's, because its cookie is replaced."""
        before = await self._cookie_auth.of(request)
        if before is None or before.user.id != opened.subject.user_id:
            return

        async def unit(tx: Transaction) -> None:
            await replace_session(tx, before.session_id, opened.subject.session_id, where=self._address.where(request))

        await self._database.transaction(unit, about=before.user.id)
