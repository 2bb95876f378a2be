"""The acts of signing in by email. Link and code work once, in the browser or application that requested them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.ownership import prove_address
from gatepass.server.domain.accounts.user import normalise_email
from gatepass.server.domain.credentials.one_time_code import Code, new_short_code, short_digest_of
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.mail.queue import Notice
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.open import Authentication
from gatepass.server.domain.sessions.session import SINGLE_FACTOR

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.limits.throttle import Throttle
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import StatusIndexes
    from gatepass.server.domain.sessions.login import LoginCompletion, LoginResult
    from gatepass.server.domain.sessions.token_request import TokenRequest
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def indexes(self) -> StatusIndexes: ...
    @property
    def mail_throttle(self) -> Throttle: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def data_key(self) -> DataKey: ...
    @property
    def login(self) -> LoginCompletion: ...


class MailProof(Confidential, frozen=True, kw_only=True):
    """The proof: the challenge, and the email's code or the token of its link."""

    challenge: str
    code: str | None = None
    token: str | None = None


async def send_code(needs: Needs, call: Call, email: str, challenge: str, *, query: str = "") -> None:
    """Email a link and code to the user of this address; without a user it costs the same.

    `query` is added to the link's query.
    """
    needs.notices.require()
    address, where = normalise_email(email), call.origin
    attempt = needs.mail_throttle.attempt("sign_in", address, where)
    link, short, holder = needs.notices.mail_link("sign_in"), new_short_code(), digest_of(challenge)
    language = call.language
    url = link.url + query

    async def unit(tx: Transaction) -> Refusal | None:
        if wait := await needs.mail_throttle.wait(tx, attempt):
            return too_many_attempts(wait)
        await needs.mail_throttle.failed(tx, attempt)
        user = await tx.users.by_email(address)
        may_enter = user is not None and user.closed is None
        user_id = user.id if user is not None else ""
        await tx.codes.add(
            Code(
                digest=link.digest,
                purpose="sign_in" if may_enter else "nothing",
                user_id=user_id,
                email=address,
                holder=holder,
                short_digest=short_digest_of(needs.data_key.derive("codes"), holder, short),
                expires_at=tx.now + needs.settings.mail_code_seconds,
            )
        )
        notice = Notice(
            kind="sign_in",
            to=address if may_enter else "",
            language=language,
            link=url,
            code=short,
            where=where,
            seconds=needs.settings.mail_code_seconds,
        )
        await needs.notices.send(tx, notice, user_id=user_id)
        await record(tx, "sign_in_code_asked", user_id, actor="", where=where)
        return None

    await decide(needs.database, unit)


async def sign_in(needs: Needs, call: Call, proof: MailProof, token_request: TokenRequest) -> LoginResult:
    """Mark the code as used, and open a session if it was right and presented by its holder."""
    holder, where, device = (
        digest_of(proof.challenge),
        call.origin,
        call.device,
    )
    language = call.language

    async def look(tx: Transaction) -> str | None:
        return await tx.codes.is_waited_for_by(holder, "sign_in", tx.now)

    user_id = await needs.database.read(look)
    if user_id is None:  # a wrong guess must not reserve status indexes
        raise _invalid_code()
    status = await needs.indexes.next()

    async def unit(tx: Transaction) -> LoginResult | Refusal:
        if proof.token is not None:
            found = await tx.codes.use(digest_of(proof.token), "sign_in", tx.now, holder=holder)
        else:
            typed = short_digest_of(needs.data_key.derive("codes"), holder, proof.code or "")
            found = await tx.codes.use_short(holder, typed, "sign_in", tx.now)
        user = None if found is None or found.user_id != user_id else await tx.users.by_id(user_id)
        if found is None or user is None or user.email != found.email:
            return _invalid_code()
        if user.closed is not None:
            await record(tx, "sign_in_refused", user.id, actor="", reason=user.closed, where=where)
            return _invalid_code()
        if await prove_address(tx, user, by_mail=True, where=where):
            await needs.notices.tell_taken(tx, user, language=language, where=where)
        authentication = Authentication(acr=SINGLE_FACTOR, amr=("otp",), where=where)
        return await needs.login.complete(
            tx, user, token_request=token_request, proof=authentication, status=status, device=device
        )

    return await decide(needs.database, unit, about=user_id)


async def find_code(database: Database, token: str) -> Code | None:
    """The sign-in that a link belongs to; None if it works no longer. Looking uses nothing up."""

    async def unit(tx: Transaction) -> Code | None:
        return await tx.codes.look(digest_of(token), "sign_in", tx.now)

    return await database.read(unit)


def _invalid_code() -> Refusal:
    return Refusal(
        "invalid_code", "The link or code is wrong, has expired, was already used or belongs to another browser."
    )
