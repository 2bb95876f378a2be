"""The act of signing in with the second factor, after the first."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.user import account_closed
from gatepass.server.domain.credentials.factor_proofs import CodeClaim, FactorRefused, PasskeyClaim
from gatepass.server.domain.credentials.passkeys.relying_party import invalid_passkey
from gatepass.server.domain.credentials.trusted_devices import TrustedDevice, new_device_token
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.login import invalid_challenge
from gatepass.server.domain.sessions.open import Authentication, open_session, password_digest
from gatepass.server.domain.sessions.session import TWO_FACTORS

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.credentials.factor_proofs import Claim, FactorProofs
    from gatepass.server.domain.credentials.passkeys.relying_party import Json
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.limits.throttle import Attempt, Throttle
    from gatepass.server.domain.mail.notices import Notices
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import StatusIndexes
    from gatepass.server.domain.sessions.login import LoginCompletion, Pending
    from gatepass.server.domain.sessions.open import Opened
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def proofs(self) -> FactorProofs: ...
    @property
    def notices(self) -> Notices: ...
    @property
    def indexes(self) -> StatusIndexes: ...
    @property
    def throttle(self) -> Throttle: ...
    @property
    def settings(self) -> Settings: ...
    @property
    def login(self) -> LoginCompletion: ...


class Both(msgspec.Struct, frozen=True):
    """Both factors are proved; `amr` of the second."""

    user: User
    amr: tuple[str, ...]


_DAY = 86_400


async def pending_login(needs: Needs, challenge: str) -> Pending:
    """Decrypt a challenge. Raises Refusal: `invalid_challenge`."""

    async def unit(tx: Transaction) -> float:
        return tx.now

    return needs.login.read(challenge, await needs.database.read(unit))


async def passkey_options(needs: Needs, pending: Pending) -> Json:
    """Options for the passkeys of the user who is signing in."""
    return await needs.proofs.request_options("second_factor", pending.id, user_id=pending.user_id)


async def sign_in(needs: Needs, call: Call, pending: Pending, claim: Claim, *, remember: bool) -> tuple[Opened, str]:
    """Open the session; also returns the cookie value of the device, if it becomes trusted."""
    where, language = call.origin, call.language
    browser = call.browser_of(pending.user_id, pending.password)
    status = await needs.indexes.next()
    device = new_device_token() if remember and needs.settings.remember_device_days else ""

    async def unit(tx: Transaction) -> Opened | Refusal:
        attempt, wait = await needs.throttle.choose(tx, "factor", pending.user_id, where, browser=browser)
        decided = too_many_attempts(wait) if wait else await _decide(needs, tx, pending, claim, attempt)
        if isinstance(decided, Refusal):
            return decided
        if isinstance(claim, CodeClaim) and claim.is_recovery_code:
            await needs.notices.warn(tx, "recovery_code_used", decided.user, language=language, where=call.origin)
        if device:
            await _remember(needs, tx, pending.user_id, device, where)
        return await open_session(
            tx,
            decided.user,
            token_request=pending.token_request,
            proof=Authentication(acr=TWO_FACTORS, amr=tuple(dict.fromkeys((*pending.amr, *decided.amr))), where=where),
            status=status,
            max_seconds=needs.settings.session_max_seconds,
        )

    return await decide(needs.database, unit, about=pending.user_id), device


async def _decide(needs: Needs, tx: Transaction, pending: Pending, claim: Claim, attempt: Attempt) -> Both | Refusal:
    """Decide whether the user may sign in, by the current data, and mark single-use proofs as used."""
    user = await tx.users.by_id(pending.user_id)
    if user is None or await password_digest(tx, user.id) != pending.password:
        return invalid_challenge()
    if user.closed is not None:
        await _refuse(tx, user, user.closed, attempt)
        return account_closed(user.closed)
    proven = await needs.proofs.consume(tx, user.id, claim, attempt.where)
    if isinstance(proven, FactorRefused):
        await needs.throttle.failed(tx, attempt)
        await _refuse(tx, user, proven.reason, attempt)
        return wrong_factor(claim)
    if not await tx.used_once.use("second_factor", pending.id, expires_at=pending.expires_at):
        return invalid_challenge()
    await needs.throttle.succeeded(tx, attempt)
    return Both(user, (*proven.amr, "mfa"))


async def _refuse(tx: Transaction, user: User, reason: str, attempt: Attempt) -> None:
    await record(tx, "sign_in_refused", user.id, actor="", reason=reason, where=attempt.where)


async def _remember(needs: Needs, tx: Transaction, user_id: str, device: str, where: Origin) -> None:
    await tx.devices.add(
        TrustedDevice(
            id=new_id("dev"),
            user_id=user_id,
            digest=digest_of(device),
            address=where.address,
            user_agent=where.user_agent,
            created_at=tx.now,
            expires_at=tx.now + needs.settings.remember_device_days * _DAY,
        )
    )
    await record(tx, "device_remembered", user_id, where=where)


def wrong_factor(claim: Claim) -> Refusal:
    """The refusal for a wrong factor; only the event log has the reason."""
    if isinstance(claim, PasskeyClaim):
        return invalid_passkey()
    return Refusal("invalid_code", "The code is wrong or was already used.")
