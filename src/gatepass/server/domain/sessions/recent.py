"""Step-up: what changes who owns an account needs a sign-in that is fresh (RFC 9470)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.ports import Transaction


def check_recent(auth_time: float, *, now: float, seconds: float) -> None:
    """Refuse when the sign-in at `auth_time` is older than that.

    Raises:
        Refusal: `recent_sign_in_required`.
    """
    if auth_time + seconds < now:
        raise Refusal("recent_sign_in_required", f"This needs a sign-in of the last {int(seconds)} seconds.")


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
