"""Calls that take a refresh token: refreshing its grant, or ending its session, for which an access token works too."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.refresh_credentials import invalid_refresh_token, refresh_credential
from gatepass.server.domain.sessions.token_session import TokenSession, session_of_token
from gatepass.server.web.auth.refresh_token import refresh_token_in

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.requests import Request

    from gatepass.server.domain.keys.keyring import LiveKeys
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.grant import Held
    from gatepass.server.web.auth.bearer import BearerAuth
    from gatepass.server.web.auth.requirements import SplitBody
    from gatepass.server.web.browser import BrowserMode
    from gatepass.tokens.refresh_token import RefreshToken
    from gatepass.verify import Principal

_IN_BODY = "refresh_token"


class TokenSessions:
    """Finds the session that a request's token belongs to."""

    def __init__(self, database: Database, bearer_auth: BearerAuth, *, keys: LiveKeys, browser: BrowserMode) -> None:
        self._database = database
        self._bearer_auth = bearer_auth
        self._keys = keys
        self._browser = browser

    async def refresh_token(self, request: Request, body: SplitBody) -> RefreshToken:
        """Return an authentic refresh token; whether its grant is active is checked when it is used.

        Raises:
            Refusal: `missing_refresh_token`, as `refresh_token_in`, or what is wrong with the body.
        """
        token = self._presented(request, body)
        if token is None:
            body.check()
            raise Refusal("missing_refresh_token", "Send a refresh token in the body or as the cookie.")
        return token

    async def any_token(self, request: Request, body: SplitBody) -> TokenSession:
        """Return the session of the token in the request, of any kind.

        Raises:
            Refusal: `missing_token`, as `BearerAuth.verify` or `refresh_token_in`, or what is wrong with the body.
        """
        if _IN_BODY not in body.fields and "authorization" in request.headers:
            principal = await self._bearer_auth.verify(request)
            session = await self._database.read(_session_of(principal))
            if session is None:
                raise Refusal("invalid_token", "The sign-in behind the access token is over.")
            return session
        token = self._presented(request, body)
        if token is None:
            body.check()
            raise Refusal("missing_token", "Send a bearer token, a refresh token in the body, or the cookie.")
        found = await self._held(token)
        if (
            found is None or found.client_id != FIRST_PARTY
        ):  # a registered client's token ends its own grant, at /oauth/revoke
            raise invalid_refresh_token()
        return TokenSession(found.session_id, found.user_id)

    def _presented(self, request: Request, body: SplitBody) -> RefreshToken | None:
        return refresh_token_in(request, body.fields.get(_IN_BODY), keys=self._keys.current, browser=self._browser)

    async def _held(self, token: RefreshToken) -> Held | None:
        async def unit(tx: Transaction) -> Held | None:
            return await tx.grants.held_by(refresh_credential(token, FIRST_PARTY))

        return await self._database.read(unit)


def _session_of(principal: Principal) -> Callable[[Transaction], Awaitable[TokenSession | None]]:
    async def unit(tx: Transaction) -> TokenSession | None:
        return await session_of_token(tx, principal)

    return unit
