"""Refreshing and ending sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.features.session import api, pages
from gatepass.server.module import Job, Module
from gatepass.server.web.auth.requirements import REFRESH, SESSION
from gatepass.server.web.auth.token_session import TokenSessions

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction

_FORGET_SECONDS = 60.0
_KEPT_SECONDS = 7 * 86_400.0
"""How long an ended session can still be told from one that never existed."""
_AT_ONCE = 500
"""How many are removed in one transaction: enough to keep up, and few enough not to delay others."""


def module(core: Core) -> Module:
    """Refreshing and ending sessions."""
    tokens = TokenSessions(core.database, core.bearer_auth, keys=core.keys, browser=core.browser)

    async def unit(tx: Transaction) -> int:
        return await tx.sessions.forget_expired(tx.now - _KEPT_SECONDS, _AT_ONCE)

    async def forget_sessions() -> None:
        while await core.database.transaction(unit, shared=True) == _AT_ONCE:
            pass

    return Module(
        routes=(*api.routes(core), *pages.routes(core)),
        proofs={REFRESH: tokens.refresh_token, SESSION: tokens.any_token},
        jobs=(Job(every=_FORGET_SECONDS, run=forget_sessions),),
    )
