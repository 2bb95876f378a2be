"""The acts of changing the email address: a link is sent to the new one, and nothing changes before it is used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.user import normalise_email
from gatepass.server.domain.credentials.one_time_code import Code
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.hooks.gates import change_address, check_signup
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.mail.queue import Notice
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.recent import check_still

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.signup_rules import SignupRules
    from gatepass.server.domain.limits.throttle import Throttle
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the acts use of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def rules(self) -> SignupRules: ...
    @property
    def mail_throttle(self) -> Throttle: ...
    @property
    def settings(self) -> Settings: ...


async def send_link(needs: Needs, call: Call, email: str) -> str:
    """Send a link to the new address, and return the normalized address; an existing owner is notified instead.

    Raises:
        Refusal: `mail_not_configured`, `invalid_email`, `email_domain_not_allowed`, `signup_denied`, or
            `too_many_attempts`.
    """
    needs.notices.require()
    user, origin, language = call.caller.user, call.origin, call.language
    address = normalise_email(email)
    if address != user.email:
        needs.rules.check_domain(address)
    attempt = needs.mail_throttle.attempt("change_email", address, origin)
    link = needs.notices.mail_link("change_email")

    async def unit(tx: Transaction) -> Refusal | None:
        if wait := await needs.mail_throttle.wait(tx, attempt):
            return too_many_attempts(wait)
        if address != user.email and (
            denied := await check_signup(tx, address, method="email_change", user_id=user.id, where=origin)
        ):
            return denied
        await needs.mail_throttle.failed(tx, attempt)
        other = await tx.users.by_email(address)
        is_free = other is None or other.id == user.id
        await tx.codes.add(
            Code(
                digest=link.digest,
                purpose="change_email" if is_free else "nothing",
                user_id=user.id,
                email=address,
                expires_at=tx.now + needs.settings.mail_link_seconds,
            )
        )
        notice = Notice(
            kind="email_change" if is_free else "email_taken",
            to=address,
            language=language,
            link=link.url if is_free else "",
            where=origin,
            seconds=needs.settings.mail_link_seconds if is_free else 0,
        )
        await needs.notices.send(tx, notice, user_id=user.id)
        await record(tx, "email_change_asked", user.id, where=origin)
        return None

    await decide(needs.database, unit)
    return address


async def confirm_address(needs: Needs, call: Call, token: str) -> None:
    """Set the new address, for the requesting account only, and notify the old one, which can lock the account.

    Raises:
        Refusal: `session_ended`, `invalid_code`, or `signup_denied`.
    """
    user, session_id, origin, language = call.caller.user, call.caller.session_id, call.origin, call.language

    async def unit(tx: Transaction) -> Refusal | None:
        if refused := await check_still(tx, user, session_id):
            return refused
        code = await tx.codes.look(digest_of(token), "change_email", tx.now)
        if code is None or code.user_id != user.id:
            return _invalid_code()
        await tx.codes.use(code.digest, "change_email", tx.now)
        if refused := await change_address(tx, user, code.email, is_verified=True, where=origin):
            return _invalid_code() if refused.code == "email_taken" else refused
        await tx.users.set_proved(user.id, tx.now)
        if code.email == user.email:
            await record(tx, "email_verified", user.id, where=origin)
            return None
        await record(tx, "email_changed", user.id, where=origin)
        # Only the old address can lock the account and restore itself: the new one may be a thief's.
        await needs.notices.warn(tx, "email_changed", user, language=language, where=origin, email=code.email)
        values = {"email": code.email}
        notice = Notice(kind="email_changed", to=code.email, language=language, values=values, where=origin)
        await needs.notices.send(tx, notice, user_id=user.id)
        return None

    await decide(needs.database, unit)


async def new_address(database: Database, user_id: str, token: str) -> str | None:
    """The address that a link of this user confirms; None if it works no longer. Looking uses nothing up."""

    async def unit(tx: Transaction) -> str | None:
        code = await tx.codes.look(digest_of(token), "change_email", tx.now)
        return None if code is None or code.user_id != user_id else code.email

    return await database.read(unit)


def _invalid_code() -> Refusal:
    return Refusal("invalid_code", "The link is wrong, has expired, was already used or belongs to another account.")
