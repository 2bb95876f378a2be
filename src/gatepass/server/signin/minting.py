"""From a grant to the answer that carries its tokens, after the commit: signing may wait for a network."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from gatepass.jose import jws
from gatepass.server.confidential import Confidential
from gatepass.server.web.answers import JsonResponse
from gatepass.tokens import access_token, refresh_token
from gatepass.tokens.access_token import AccessToken

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.grants import Bearer
    from gatepass.server.keys.keyring import KeyRing
    from gatepass.server.settings import Settings
    from gatepass.server.web.browser import BrowserMode
    from gatepass.tokens.refresh_token import RefreshToken

_JTI_BYTES = 16


class TokenPair(Confidential, frozen=True, kw_only=True, omit_defaults=True):
    """A sign-in or refresh that worked. `expires_in` in seconds; in cookie mode the refresh token is a cookie."""

    token: str
    expires_in: int
    token_type: str
    refresh_token: str | None = None
    scope: str | None = None


class Minter:
    """Mints a grant's tokens and answers with them."""

    def __init__(self, settings: Settings, browser: BrowserMode) -> None:
        self._issuer = settings.issuer_url
        self._seconds = settings.access_token_seconds
        self._browser = browser

    async def answer(self, bearer: Bearer, refresh: RefreshToken, *, keys: KeyRing, now: float) -> Response:
        """Answer with an access token that begins at `now` and the grant's refresh token; no cache keeps it."""
        claims = self._claims(bearer, now)
        message = access_token.signing_input(claims, alg=keys.signer.alg, kid=keys.signer.kid)
        signature = await keys.signer.sign(message)
        spelled = refresh_token.mint(refresh, keys.refresh_key)
        response = JsonResponse(
            TokenPair(
                token=jws.assemble(message, signature),
                token_type="Bearer",  # noqa: S106 - RFC 6750's name for the type
                expires_in=claims.exp - claims.iat,
                refresh_token=None if refresh.in_cookie else spelled,
                scope=claims.scope,
            )
        )
        if refresh.in_cookie:
            self._browser.set_cookie(response, spelled, int(bearer.expires_at - now))
        return response

    def _claims(self, bearer: Bearer, now: float) -> AccessToken:
        issued_at = int(now)
        return AccessToken(
            iss=self._issuer,
            sub=bearer.user_id,
            aud=_one_or_many(bearer.audience),
            # The last token of a session does not outlive it.
            exp=max(min(issued_at + self._seconds, int(bearer.expires_at)), issued_at + 1),
            iat=issued_at,
            jti=secrets.token_urlsafe(_JTI_BYTES),
            client_id=bearer.client_id,
            sid=bearer.session_id,
            scope=" ".join(bearer.scope) or None,
            roles=bearer.roles,
            auth_time=int(bearer.auth_time),
            acr=bearer.acr,
            amr=bearer.amr,
        )


def _one_or_many(audience: tuple[str, ...]) -> str | tuple[str, ...]:
    """Write a single audience as a plain string (RFC 7519 §4.1.3)."""
    match audience:
        case (only,):
            return only
        case _:
            return audience
