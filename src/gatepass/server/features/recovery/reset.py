"""The act of setting a new password with the link of an email."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.ownership import prove_address
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.open import Authentication
from gatepass.server.domain.sessions.revoke import end_sessions_of, replace_password
from gatepass.server.domain.sessions.session import SINGLE_FACTOR
from gatepass.server.features.recovery.invalid_code import invalid_code

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.registration import Registration
    from gatepass.server.domain.credentials.one_time_code import Code
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
    def registration(self) -> Registration: ...
    @property
    def indexes(self) -> StatusIndexes: ...
    @property
    def login(self) -> LoginCompletion: ...


async def reset_password(
    needs: Needs, call: Call, token: str, password: str, *, token_request: TokenRequest | None = None
) -> LoginResult | None:
    """Use the link, once, to set a new password; end every session, and unlock the account.

    With `token_request`, sign in by the proof of the mailbox: with a second factor, that is asked for. None where no
    sign-in was requested, or one is refused, by a hook for example; the password is set all the same. A trusted device
    does not stand in for the factor here: the mailbox and the device may both be in a thief's hands.

    Raises:
        Refusal: `invalid_code`, or what is wrong with the password.
        Unavailable: `busy`.
    """
    digest, origin, language = digest_of(token), call.origin, call.language
    code, has_factor = await _look_up(needs.database, digest)
    if code is None:  # guesses must not cost hashing time
        raise invalid_code()
    password_hash = await needs.registration.hash(password, email=code.email, has_factor=has_factor)
    status = None if token_request is None else await needs.indexes.next()

    async def unit(tx: Transaction) -> LoginResult | Refusal | None:
        used = await tx.codes.use(digest, "reset", tx.now)
        user = None if used is None else await tx.users.by_id(used.user_id)
        if used is None or user is None or user.disabled_at is not None or user.email != used.email:
            return invalid_code()
        if await prove_address(tx, user, by_mail=True, where=origin):
            await needs.notices.tell_taken(tx, user, language=language, where=origin)
        await replace_password(tx, user.id, password_hash, is_short=needs.registration.is_short(password))
        await end_sessions_of(tx, user.id, "password_changed", where=origin)
        await tx.codes.forget_openers(user.id)
        if user.locked_at is not None:
            await tx.users.set_locked(user.id, None)
            await record(tx, "account_unlocked", user.id, where=origin)
        await record(tx, "password_changed", user.id, reason="reset", where=origin)
        await needs.notices.warn(tx, "password_changed", user, language=language, where=origin)
        now = await tx.users.by_id(user.id)
        if token_request is None or status is None or now is None or now.closed is not None:
            return None
        proof = Authentication(acr=SINGLE_FACTOR, amr=("otp",), where=origin)
        result = await needs.login.complete(tx, now, token_request=token_request, proof=proof, status=status, device="")
        return None if isinstance(result, Refusal) else result

    return await decide(needs.database, unit)


async def address_of(database: Database, token: str) -> str | None:
    """The address whose password a link can set; None if it works no longer. Looking uses nothing up."""

    async def unit(tx: Transaction) -> str | None:
        code = await tx.codes.look(digest_of(token), "reset", tx.now)
        return None if code is None else code.email

    return await database.read(unit)


async def _look_up(database: Database, digest: bytes) -> tuple[Code | None, bool]:
    """Return the link's user, and whether they will still have a second factor."""

    async def unit(tx: Transaction) -> tuple[Code | None, bool]:
        code = await tx.codes.look(digest, "reset", tx.now)
        user = None if code is None else await tx.users.by_id(code.user_id)
        if user is None or user.is_unclaimed:  # verifying the address removes an unclaimed account's factors
            return code, False
        return code, (await tx.factors.of(user.id)).are_asked

    return await database.read(unit)
