"""Moving a grant on, inside the transaction of whichever call presents its refresh token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.ending import end_session
from gatepass.server.events import Event
from gatepass.server.grants import Pace, Reissued, Stolen
from gatepass.server.ids import new_id

if TYPE_CHECKING:
    from gatepass.server.events import EventKind
    from gatepass.server.grants import Advance, Presented
    from gatepass.server.settings import Settings
    from gatepass.server.transaction import Transaction


def pace_of(settings: Settings) -> Pace:
    """The time limits of refreshing that are set."""
    return Pace(
        quiet=settings.refresh_quiet_seconds,
        grace=settings.refresh_grace_seconds,
        idle=settings.session_idle_seconds,
    )


async def advance(tx: Transaction, token: Presented, *, pace: Pace) -> Advance:
    """Move the grant on; a theft ends the whole session, and what is out of the ordinary is recorded."""
    outcome = await tx.grants.advance(token, pace=pace, now=tx.now)
    match outcome:
        case Stolen(user_id, session_id):
            await end_session(tx, session_id, user_id, "refresh_token_reused")
            await _record(tx, "refresh_token_reused", user_id, session_id)
        case Reissued(_, bearer, store_went_back=True):
            # The store lost writes, so it may have lost events too: readers begin anew.
            await tx.revocations.open_epoch()
            await _record(tx, "store_went_back", bearer.user_id, bearer.session_id)
        case _:
            pass
    return outcome


async def _record(tx: Transaction, kind: EventKind, user_id: str, session_id: str) -> None:
    await tx.events.record(Event(id=new_id("evt"), at=tx.now, kind=kind, user_id=user_id, session_id=session_id))
