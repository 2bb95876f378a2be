"""The act of changing the password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.recent import check_still
from gatepass.server.domain.sessions.revoke import end_sessions_of, replace_password

if TYPE_CHECKING:
    from gatepass.server.base.errors import Refusal
    from gatepass.server.domain.accounts.registration import Registration
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def registration(self) -> Registration: ...


async def set_password(needs: Needs, call: Call, password: str) -> None:
    """Change the password, and end every session except this one.

    Raises:
        Refusal: what is wrong with the password, or `session_ended`.
        Unavailable: `busy`.
    """
    caller, origin, language = call.caller, call.origin, call.language
    user = caller.user

    async def look(tx: Transaction) -> bool:
        return (await tx.factors.of(user.id)).are_asked

    has_factor = await needs.database.read(look)
    password_hash = await needs.registration.hash(password, email=user.email, has_factor=has_factor)

    async def unit(tx: Transaction) -> Refusal | None:
        if refused := await check_still(tx, user, caller.session_id):
            return refused
        await replace_password(tx, user.id, password_hash, is_short=needs.registration.is_short(password))
        await tx.codes.forget_openers(user.id)
        await end_sessions_of(tx, user.id, "password_changed", where=origin, keep=caller.session_id)
        await record(tx, "password_changed", user.id, where=origin)
        await needs.notices.warn(tx, "password_changed", user, language=language, where=call.origin)
        return None

    await decide(needs.database, unit, about=user.id)
