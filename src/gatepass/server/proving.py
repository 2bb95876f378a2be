"""The first proof that an address is somebody's takes the account from whoever had it before without one."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.ending import drop_factors, end_sessions_of
from gatepass.server.events import NOWHERE
from gatepass.server.recording import record

if TYPE_CHECKING:
    from gatepass.server.events import Where
    from gatepass.server.transaction import Transaction
    from gatepass.server.users import User


async def prove_address(tx: Transaction, user: User, *, where: Where = NOWHERE) -> None:
    """Note that the person reads the mail of their address.

    Anybody could have made an account with it before. So the first proof drops what an earlier, unproven owner has
    set: the password, the accounts elsewhere, the other ways in, and the sessions.
    """
    if user.email_verified_at is not None:
        return
    await tx.passwords.remove(user.id)
    await drop_factors(tx, user.id)
    await tx.identities.remove_all_of(user.id)
    await end_sessions_of(tx, user.id, "address_proved", where=where)
    await tx.users.set_verified(user.id, tx.now)
    await record(tx, "email_verified", user.id, where=where)


async def erase(tx: Transaction, user_id: str) -> None:
    """Remove a person and all that is theirs. Their sessions and grants must have ended, and been published."""
    await tx.codes.forget_user(user_id)
    await tx.mails.forget_user(user_id)
    await tx.events.forget_user(user_id)
    await tx.grants.remove_all_of(user_id)
    await tx.sessions.remove_all_of(user_id)
    await drop_factors(tx, user_id)
    await tx.identities.remove_all_of(user_id)
    await tx.passwords.remove(user_id)
    await tx.users.remove(user_id)
