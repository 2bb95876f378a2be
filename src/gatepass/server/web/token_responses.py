"""Responses with the tokens of a grant."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from gatepass.server.base.confidential import Confidential
from gatepass.server.domain.sessions.operator import is_for_operators
from gatepass.server.web.answers import JsonResponse
from gatepass.tokens import refresh_token

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.domain.keys.keyring import KeyRing
    from gatepass.server.domain.sessions.grant import TokenSubject
    from gatepass.server.domain.sessions.open import Opened
    from gatepass.server.domain.sessions.token_issuer import TokenIssuer
    from gatepass.server.web.browser import BrowserMode
    from gatepass.tokens.refresh_token import RefreshToken

log = structlog.get_logger("gatepass")


class TokenPair(Confidential, frozen=True, kw_only=True, omit_defaults=True):
    """A successful sign-in or refresh. `expires_in` in seconds; in cookie mode the refresh token is a cookie."""

    token: str
    expires_in: int
    token_type: str
    refresh_token: str | None = None
    scope: str | None = None


class TokenResponses:
    """Responds with the tokens of a grant: in the body, or in cookie mode the refresh token in its cookie."""

    def __init__(self, token_issuer: TokenIssuer, browser: BrowserMode) -> None:
        self._token_issuer = token_issuer
        self._browser = browser

    async def answer(
        self, subject: TokenSubject, refresh: RefreshToken, *, keys: KeyRing, now: float, first_id: str | None = None
    ) -> Response:
        """Answer with an access token issued at `now` and the grant's refresh token; not cacheable."""
        issued = await self._token_issuer.mint(subject, keys=keys, now=now, first_id=first_id)
        spelled = refresh_token.mint(refresh, keys.refresh_key)
        response = JsonResponse(
            TokenPair(
                token=issued.token,
                token_type=issued.token_type,
                expires_in=issued.expires_in,
                refresh_token=None if refresh.in_cookie or is_for_operators(subject.scope) else spelled,
                scope=issued.scope,
            )
        )
        if refresh.in_cookie:
            self._browser.set_cookie(response, spelled, int(subject.expires_at - now))
        return response

    async def answer_first(self, opened: Opened, *, keys: KeyRing) -> Response:
        """Answer with a new session's first tokens."""
        return await self.answer(
            opened.subject, opened.refresh_token, keys=keys, now=opened.now, first_id=opened.token_id
        )

    def set_cookie(self, response: Response, opened: Opened, *, keys: KeyRing) -> None:
        """Set a new session's refresh token as a cookie; a page does not need the access token."""
        spelled = refresh_token.mint(opened.refresh_token, keys.refresh_key)
        self._browser.set_cookie(response, spelled, int(opened.subject.expires_at - opened.now))
