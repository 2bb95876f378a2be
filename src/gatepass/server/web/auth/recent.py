"""Who may change how an account is proved: its owner, who has proved that lately, by as much as the account asks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.sessions.recent import check_recent
from gatepass.server.domain.sessions.session import TWO_FACTORS

if TYPE_CHECKING:
    from starlette.requests import Request
    from starlette.responses import Response

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.auth.bearer import BearerAuth, Caller
    from gatepass.server.web.auth.cookie import CookieAuth
    from gatepass.server.web.pages import Pages


class RecentAuth:
    """Knows owners."""

    def __init__(
        self, database: Database, bearer_auth: BearerAuth, *, pages: Pages, cookie_auth: CookieAuth, settings: Settings
    ) -> None:
        self._database = database
        self._bearer_auth = bearer_auth
        self._pages = pages
        self._cookie_auth = cookie_auth
        self._recent_seconds = settings.recent_sign_in_seconds

    async def caller(self, request: Request) -> Caller:
        """Who calls.

        Raises:
            Refusal: as `Callers.identify`; `recent_sign_in_required`, or `second_factor_required` when the sign-in was
                by one factor and the person has another.
        """
        caller = await self._bearer_auth.identify(request)
        await self._check(caller)
        return caller

    async def visitor(self, request: Request) -> Caller | Response:
        """Who looks at a page; else the way to where they prove it."""
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


async def check_still(tx: Transaction, user: User, session_id: str) -> Refusal | None:
    """Say so when the session has ended since, inside the transaction that adds another way in.

    Whoever has signed out a thief must not find that a call of theirs, begun before, has come through after it.
    """
    if await tx.sessions.is_live(session_id, user.id, tx.now):
        return None
    return session_ended()


def session_ended() -> Refusal:
    """The answer to who is signed out."""
    return Refusal("session_ended", "The session has ended: sign in again.")


def second_factor_first() -> Refusal:
    """The answer to who has signed in without the second factor that they have."""
    return Refusal("second_factor_required", "This needs a sign-in with the second factor: see POST /reauthenticate.")
