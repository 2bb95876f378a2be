"""The acts of ending a session, and all sessions of a user. Their refresh tokens stop working at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.recent import session_ended
from gatepass.server.domain.sessions.revoke import end_session, end_sessions_of

if TYPE_CHECKING:
    from gatepass.server.base.errors import Refusal
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.ports import Database, Transaction


async def log_out(database: Database, session_id: str, user_id: str, origin: Origin) -> None:
    """End a session."""

    async def unit(tx: Transaction) -> None:
        await end_session(tx, session_id, user_id, "logout", where=origin)

    await database.transaction(unit, about=user_id)


async def log_out_everywhere(database: Database, session_id: str, user_id: str, origin: Origin) -> None:
    """End every session of this session's user, if it is still active.

    Raises:
        Refusal: `session_ended`.
    """

    async def unit(tx: Transaction) -> Refusal | None:
        if not await tx.sessions.is_live(session_id, user_id, tx.now):
            return session_ended()
        await end_sessions_of(tx, user_id, "logout_all", where=origin)
        return None

    await decide(database, unit, about=user_id)
