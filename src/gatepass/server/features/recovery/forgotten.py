"""The act of requesting a password reset: a link is sent to the account's address."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.domain.accounts.user import normalise_email
from gatepass.server.domain.credentials.one_time_code import Code
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.mail.queue import Notice
from gatepass.server.domain.ports import decide

if TYPE_CHECKING:
    from gatepass.server.base.errors import Refusal
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.limits.throttle import Throttle
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
    def mail_throttle(self) -> Throttle: ...
    @property
    def settings(self) -> Settings: ...


async def send_link(needs: Needs, call: Call, email: str, *, query: str = "") -> str:
    """Email a link to the account with this address, and return the normalized address.

    If there is no such account, or it is disabled, the same is written at the same cost, but nothing is sent. `query`
    is added to the link's query.

    Raises:
        Refusal: `mail_not_configured`, `invalid_email`, or `too_many_attempts`.
    """
    needs.notices.require()
    address = normalise_email(email)
    origin, language = call.origin, call.language
    attempt = needs.mail_throttle.attempt("reset", address, origin)
    link = needs.notices.mail_link("reset")

    async def unit(tx: Transaction) -> Refusal | None:
        if wait := await needs.mail_throttle.wait(tx, attempt):
            return too_many_attempts(wait)
        await needs.mail_throttle.failed(tx, attempt)
        user = await tx.users.by_email(address)
        gets_mail = user is not None and user.disabled_at is None
        user_id = user.id if user is not None else ""
        await tx.codes.add(
            Code(
                digest=link.digest,
                purpose="reset" if gets_mail else "nothing",
                user_id=user_id,
                email=address,
                expires_at=tx.now + needs.settings.mail_link_seconds,
            )
        )
        notice = Notice(
            kind="reset",
            to=address if gets_mail else "",
            language=language,
            link=link.url + query,
            where=origin,
            seconds=needs.settings.mail_link_seconds,
        )
        await needs.notices.send(tx, notice, user_id=user_id)
        await record(tx, "password_reset_asked", user_id, actor="", where=origin)
        return None

    await decide(needs.database, unit)
    return address
