"""The act of deleting the account."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.domain.accounts.ownership import erase
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.mail.queue import Notice
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.recent import check_still
from gatepass.server.domain.sessions.revoke import end_sessions_of

if TYPE_CHECKING:
    from gatepass.server.base.errors import Refusal
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def notices(self) -> Notices: ...


async def delete_account(needs: Needs, call: Call) -> None:
    """End every session, remove all data, and send a last email; what stays is that some account was deleted.

    Raises:
        Refusal: `session_ended`.
    """
    user, session_id, origin, language = call.caller.user, call.caller.session_id, call.origin, call.language

    async def unit(tx: Transaction) -> Refusal | None:
        if refused := await check_still(tx, user, session_id):
            return refused
        await end_sessions_of(tx, user.id, "account_deleted", where=origin)
        await erase(tx, user.id)
        await record(tx, "account_deleted")
        notice = Notice(kind="account_deleted", to=user.email, language=language, where=origin)
        await needs.notices.send(tx, notice)
        return None

    await decide(needs.database, unit)
