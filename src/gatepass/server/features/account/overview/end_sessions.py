"""The acts of ending one of the caller's sessions, and all others."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.revoke import end_session, end_sessions_of

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


async def end_own_session(database: Database, call: Call, session_id: str) -> None:
    """End one of the caller's sessions.

    Raises:
        Refusal: `session_not_found`.
    """
    user, origin = call.caller.user, call.origin

    async def unit(tx: Transaction) -> Refusal | None:
        has_ended = await end_session(tx, session_id, user.id, "ended_by_user", where=origin)
        return None if has_ended else Refusal("session_not_found", "There is no active session with this id.")

    await decide(database, unit, about=user.id)


async def end_other_sessions(database: Database, call: Call) -> None:
    """End every session of the caller except this one; nothing, if this one has already ended."""
    user, session_id, origin = call.caller.user, call.caller.session_id, call.origin

    async def unit(tx: Transaction) -> None:
        if await tx.sessions.is_live(session_id, user.id, tx.now):
            await end_sessions_of(tx, user.id, "ended_by_user", where=origin, keep=session_id)

    await database.transaction(unit, about=user.id)
