"""What a proof that an address is somebody's does to the account of that address.

To read an address's mail is not to own the account. One that the operator made, or whose address was proved before, has
an owner, and keeps all that opens it; whoever reads the mail is asked for the factors like anybody else. One that was
made by somebody who never proved the address may have been made by anybody: the first who does takes it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.events.event import NOWHERE
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.sessions.revoke import disconnect_all, drop_factors, end_sessions_of, record_factors

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.ports import Transaction


async def prove_address(tx: Transaction, user: User, *, where: Origin = NOWHERE) -> bool:
    """Note that the person reads the mail of their address; whether anything was taken from the account for it.

    From an unclaimed one goes what an earlier, unproven owner has set: the password, the second factors and passkeys,
    the accounts elsewhere, and the sessions. Each is recorded, and who has just proved the address is to be told.
    """
    if user.email_verified_at is not None:
        return False
    is_anything_taken = user.is_unclaimed and await _take_from_nobody(tx, user, where)
    await tx.users.set_verified(user.id, tx.now)
    await record(tx, "email_verified", user.id, where=where)
    return is_anything_taken


async def _take_from_nobody(tx: Transaction, user: User, where: Origin) -> bool:
    """Drop what opens the account; whether there was any."""
    had_password = await tx.passwords.of(user.id) is not None
    if had_password:
        await tx.passwords.remove(user.id)
        await record(tx, "password_removed", user.id, reason="address_proved", where=where)
    had_factors = await record_factors(tx, user.id, where=where)
    await drop_factors(tx, user.id)
    had_identities = await disconnect_all(tx, user.id, where=where)
    had_sessions = await end_sessions_of(tx, user.id, "address_proved", where=where)
    await tx.codes.forget_openers(user.id)
    return had_password or had_factors or had_identities or bool(had_sessions)


async def erase(tx: Transaction, user_id: str) -> None:
    """Remove a person and all that is theirs. Their sessions and grants must have ended, and been published."""
    await tx.codes.forget_user(user_id)
    await tx.mails.forget_user(user_id)
    await tx.events.forget_user(user_id)
    await tx.authorization_codes.remove_all_of(user_id)
    await tx.consents.remove_all_of(user_id)
    await tx.grants.remove_all_of(user_id)
    await tx.sessions.remove_all_of(user_id)
    await drop_factors(tx, user_id)
    await tx.identities.remove_all_of(user_id)
    await tx.passwords.remove(user_id)
    await tx.users.remove(user_id)
