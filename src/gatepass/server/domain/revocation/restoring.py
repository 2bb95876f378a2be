"""What a restored database must not go on with: sessions that ended since, events and places that were lost."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from gatepass.server.domain.events.event import OPERATOR
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.revocation.log import KEPT_SECONDS

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction


async def begin_anew(database: Database, *, keep_sessions: bool) -> int:
    """Open a new epoch, and with it a new status list; end every session unless told to keep them; how many ended.

    Whoever logged out after the backup was made would be signed in again by it, and a stolen token would work again:
    so nobody stays signed in.
    """

    async def unit(tx: Transaction) -> int:
        now = tx.now
        await tx.revocations.open_epoch()
        await record(tx, "store_restored", actor=OPERATOR)
        # A code that was used since would work once more, a mail that was sent be sent again.
        await tx.codes.forget_expired(inf)
        await tx.mails.forget_before(inf)
        if keep_sessions:
            return 0
        count = await tx.sessions.end_all(reason="restored", now=now)
        # Only what was answered lately may have access tokens that are still alive.
        await tx.revocations.revoke_indexes(await tx.grants.end_all(now, answered_after=now - KEPT_SECONDS), now)
        return count

    return await database.transaction(unit)
