"""The act of locking an account with the link "this wasn't me" of a warning email."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.digest import digest_of
from gatepass.server.domain.events.event import SERVER
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.mail.notices import LOCK_SECONDS
from gatepass.server.domain.mail.queue import Notice
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.revoke import disconnect_all, end_sessions_of, take_back_factors
from gatepass.server.features.recovery.invalid_code import invalid_code

if TYPE_CHECKING:
    from gatepass.server.base.errors import Refusal
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def notices(self) -> Notices: ...


async def lock_account(needs: Needs, call: Call, token: str) -> None:
    """End all sessions, and leave a password reset by email as the only way to sign in.

    The email goes to the address that the link was sent to, even if the account has another by now. Passkeys and
    factors added since the warning are removed: a thief's passkey would outlive the new password.

    Raises:
        Refusal: `invalid_code`.
    """
    origin, language = call.origin, call.language

    async def unit(tx: Transaction) -> Refusal | None:
        code = await tx.codes.use(digest_of(token), "lock", tx.now)
        user = None if code is None else await tx.users.by_id(code.user_id)
        if code is None or user is None:
            return invalid_code()
        await tx.users.set_locked(user.id, tx.now)
        await tx.devices.forget_all_of(user.id)
        await disconnect_all(tx, user.id, where=origin)
        await take_back_factors(tx, user.id, since=code.expires_at - LOCK_SECONDS, where=origin)
        await end_sessions_of(tx, user.id, "account_locked", where=origin)
        await tx.codes.forget_openers(user.id)
        await tx.codes.forget_locks(user.id, made_since=code)
        await record(tx, "account_locked", user.id, where=origin)
        await _put_address_back(tx, user, code.email)
        way_back = needs.notices.page_url("forgotten")
        notice = Notice(kind="account_locked", to=code.email, language=language, link=way_back, where=origin)
        await needs.notices.send(tx, notice, user_id=user.id)
        return None

    await decide(needs.database, unit)


async def can_lock(database: Database, token: str) -> bool:
    """Whether a link still works. Looking uses nothing up."""

    async def unit(tx: Transaction) -> bool:
        return await tx.codes.look(digest_of(token), "lock", tx.now) is not None

    return await database.read(unit)


async def _put_address_back(tx: Transaction, user: User, email: str) -> None:
    """Restore the account's earlier email address.

    If the owner has another account with that address by now, this one is disabled until the operator enables it:
    otherwise it would keep the thief's address, and the thief could sign in by email.
    """
    if user.email == email:
        return
    if await tx.users.set_email(user.id, email, tx.now):
        await tx.users.set_proved(user.id, tx.now)
        await record(tx, "email_changed", user.id, reason="put_back")
    else:
        await tx.users.set_disabled(user.id, tx.now)
        await record(tx, "account_disabled", user.id, actor=SERVER, reason="email_taken")
