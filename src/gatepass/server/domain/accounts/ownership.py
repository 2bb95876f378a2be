"""What happens to an account when the owner of its email address is proved.

Being able to read an address's email is not the same as owning the account. An account that the operator created, or
whose address was verified before, has an owner and keeps its credentials: the user still has to present the second
factors. An account whose address was never verified could have been created by anyone, so the first user who verifies
the address takes it over.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.events.event import NOWHERE
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.sessions.revoke import disconnect_all, drop_factors, end_sessions_of, record_factors
from gatepass.server.domain.shared_signals.queue import queue_purge
from gatepass.server.domain.webhooks.queue import forget_person

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.ports import Transaction


async def prove_address(tx: Transaction, user: User, *, by_mail: bool, where: Origin = NOWHERE) -> bool:
    """Record that the user's email address is verified; return whether earlier credentials were removed.

    `by_mail`: they have read mail there. Otherwise somebody else vouches for it, who may be wrong, or lie.

    From an unclaimed account, everything is removed that its unverified creator set: the password, second factors,
    passkeys, connected accounts and sessions. Each removal is recorded, and the user is to be notified.
    """
    if by_mail and user.address_proved_at is None:
        await tx.users.set_proved(user.id, tx.now)
    if user.email_verified_at is not None:
        return False
    is_anything_taken = user.is_unclaimed and await _remove_credentials(tx, user, where)
    await tx.users.set_verified(user.id, tx.now)
    await record(tx, "email_verified", user.id, where=where)
    return is_anything_taken


async def _remove_credentials(tx: Transaction, user: User, where: Origin) -> bool:
    """Remove all credentials of the account; return whether there were any."""
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
    """Remove a user and all their data. Their sessions and grants must have ended, and that been published."""
    await tx.codes.forget_user(user_id)
    await tx.mails.forget_user(user_id)
    await tx.events.forget_user(user_id)
    await forget_person(tx, user_id)
    await queue_purge(tx, user_id)
    await tx.authorization_codes.remove_all_of(user_id)
    await tx.consents.remove_all_of(user_id)
    await tx.grants.remove_all_of(user_id)
    await tx.sessions.remove_all_of(user_id)
    await drop_factors(tx, user_id)
    await tx.identities.remove_all_of(user_id)
    await tx.passwords.remove(user_id)
    await tx.invitations.remove_of_person(user_id)
    await tx.members.remove_user(user_id)
    await tx.users.remove(user_id)
