"""Advancing a grant, inside the transaction of the call that presents its refresh token."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.events.event import SERVER
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.grant import Reissued, RotationPolicy, Stolen
from gatepass.server.domain.sessions.revoke import end_grant, end_session

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.grant import Advance, RefreshCredential


def pace_of(settings: Settings) -> RotationPolicy:
    """The configured time limits of refreshing."""
    return RotationPolicy(
        quiet=settings.refresh_quiet_seconds,
        grace=settings.refresh_grace_seconds,
        idle=settings.session_idle_seconds,
    )


async def advance(tx: Transaction, token: RefreshCredential, *, pace: RotationPolicy) -> Advance:
    """Advance the grant, and record anything unusual.

    A theft ends the session. Of another client's grant it ends that grant alone, and the offline session that it hangs
    on: the token was stolen from that client, and one that is careless must not sign people out everywhere.
    """
    outcome = await tx.grants.advance(token, pace=pace, now=tx.now)
    match outcome:
        case Stolen(user_id, session_id) if token.client_id != FIRST_PARTY:
            await end_grant(tx, token.grant_id, "refresh_token_reused")
            await record(tx, "refresh_token_reused", user_id, actor="", session_id=session_id, reason=token.client_id)
        case Stolen(user_id, session_id):
            await end_session(tx, session_id, user_id, "refresh_token_reused")
        case Reissued(_, subject, store_went_back=True):
            # The store lost writes, so it may have lost events and index reservations too: readers and lists start
            # over.
            await tx.revocations.open_epoch()
            await record(tx, "store_went_back", subject.user_id, actor=SERVER, session_id=subject.session_id)
        case _:
            pass
    return outcome
