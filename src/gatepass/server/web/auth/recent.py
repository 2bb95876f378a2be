"""Recent authentication: changing credentials needs a recent sign-in, with a second factor if the account has one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.sessions.recent import check_recent, second_factor_first
from gatepass.server.domain.sessions.session import TWO_FACTORS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.caller import Caller
    from gatepass.server.web.auth.bearer import BearerAuth
    from gatepass.server.web.auth.cookie import CookieAuth
    from gatepass.server.web.pages import Pages


class RecentAuth:
    """Identifies callers whose sign-in is recent and strong enough to change the account's credentials."""

    def __init__(
        self, database: Database, bearer_auth: BearerAuth, *, pages: Pages, cookie_auth: CookieAuth, settings: Settings
    ) -> None:
        self._database = database
        self._bearer_auth = bearer_auth
        self._pages = pages
        self._cookie_auth = cookie_auth
        self._recent_seconds = settings.recent_sign_in_seconds

    async def caller(self, request: Request) -> Caller:
        """Return the caller.

        Raises:
            Refusal: as `BearerAuth.identify`; `recent_sign_in_required`; `second_factor_required` when the sign-in used
                one factor and the user has a second.
        """
        caller = await self._bearer_auth.identify(request)
        await self._check(caller)
        return caller

    async def visitor(self, request: Request) -> Caller | Response:
        """Return the caller of a page, or a redirect to sign in or to reauthenticate."""
        visitor = await self._cookie_auth.of(request)
        if visitor is None:
            return self._pages.sign_in_first(request)
        try:
            await self._check(visitor)
        except Refusal:
            return self._pages.prove_again(request)
        return visitor

    async def _check(self, caller: Caller) -> None:
        async def unit(tx: Transaction) -> tuple[bool, float]:
            return (await tx.factors.of(caller.user.id)).are_asked, tx.now

        is_asked, now = await self._database.read(unit)
        check_recent(caller.auth_time, now=now, seconds=self._recent_seconds)
        if is_asked and caller.acr != TWO_FACTORS:
            raise second_factor_first()
