"""Cleaning up a restored database: sessions that ended since the backup, and lost events and status indexes."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from gatepass.server.domain.events.event import OPERATOR
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.revocation.log import KEPT_SECONDS
from gatepass.server.domain.sessions.revoke import publish_ended

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction


async def begin_anew(database: Database, *, keep_sessions: bool) -> int:
    """Start a new epoch with a new status list, and end every session unless told to keep them; return how many ended.

    Sessions that ended after the backup would be active again, and stolen tokens would work again, so all sessions end.
    """

    async def unit(tx: Transaction) -> int:
        now = tx.now
        await tx.revocations.open_epoch()
        await record(tx, "store_restored", actor=OPERATOR)
        # Used codes would work once more, and sent emails would be sent again.
        await tx.codes.forget_expired(inf)
        await tx.mails.forget_before(inf)
        if keep_sessions:
            return 0
        count = await tx.sessions.end_all(reason="restored", now=now)
        # Only recently refreshed grants can have access tokens that are still valid.
        ended = await tx.grants.end_all(now, answered_after=now - KEPT_SECONDS)
        await publish_ended(tx, ended, reason="restored", actor=OPERATOR)
        return count

    return await database.transaction(unit)
