"""Step-up: sensitive changes to an account need a recent sign-in (RFC 9470)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.ports import Transaction


def check_recent(auth_time: float, *, now: float, seconds: float) -> None:
    """Refuse if the sign-in at `auth_time` is older than this many seconds.

    Raises:
        Refusal: `recent_sign_in_required`.
    """
    if auth_time + seconds < now:
        raise Refusal("recent_sign_in_required", f"This requires a sign-in within the last {int(seconds)} seconds.")


async def check_still(tx: Transaction, user: User, session_id: str) -> Refusal | None:
    """Refuse if the session has ended in the meantime, inside the transaction that adds a credential.

    After a user has signed out a thief, no earlier call of the thief may still complete.
    """
    if await tx.sessions.is_live(session_id, user.id, tx.now):
        return None
    return session_ended()


def session_ended() -> Refusal:
    """The refusal for a session that has ended."""
    return Refusal("session_ended", "The session has ended: sign in again.")


def second_factor_first() -> Refusal:
    """The refusal for a sign-in without the user's second factor."""
    return Refusal("second_factor_required", "This requires the second factor: send it to POST /reauthenticate.")
