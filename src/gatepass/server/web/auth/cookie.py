"""Authentication of pages by the session cookie, which a page reads without refreshing.

Reading it is one database query. The refresh token stays the same, so a page does not interfere with an application in
cookie mode.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.domain.sessions.caller import Caller
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.refresh_credentials import refresh_credential
from gatepass.tokens.refresh_token import InvalidRefreshToken, read

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.keyring import LiveKeys
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.grant import RefreshCredential
    from gatepass.server.web.browser import BrowserMode


class CookieAuth:
    """Identifies users by their cookie."""

    def __init__(self, database: Database, *, keys: LiveKeys, browser: BrowserMode, settings: Settings) -> None:
        self._database = database
        self._keys = keys
        self._browser = browser
        self._idle_seconds = settings.session_idle_seconds

    async def of(self, request: Request) -> Caller | None:
        """Return the signed-in user, or None. `Pages` has already checked whether a form may act for them."""
        credential = self.credential(request)
        return None if credential is None else await self._database.read(partial(self.holder, credential))

    def credential(self, request: Request) -> RefreshCredential | None:
        """Return what the cookie holds, if it is one of ours; the store knows whether it is still good."""
        text = self._browser.page_cookie(request)
        if text is None:
            return None
        try:
            token = read(text, self._keys.current.refresh_keys)
        except InvalidRefreshToken:
            return None
        return refresh_credential(token, FIRST_PARTY) if token.in_cookie else None

    async def holder(self, credential: RefreshCredential, tx: Transaction) -> Caller | None:
        """Return who is signed in with it, or None."""
        held = await tx.grants.held_by(credential)
        if held is None or held.client_id != FIRST_PARTY or not held.is_usable:
            return None
        if held.answered_at + self._idle_seconds <= tx.now:
            return None
        session = await tx.sessions.live(held.session_id, tx.now)
        user = None if session is None else await tx.users.by_id(session.user_id)
        if session is None or user is None:
            return None
        return Caller(user=user, session_id=session.id, auth_time=session.auth_time, acr=session.acr, sid=session.sid)
