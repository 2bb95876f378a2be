"""The act of step-up (RFC 9470): a signed-in user authenticates again, which makes the session recent.

If the user has a second factor, the proof is that one, since the session already proves the first; otherwise the
password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.factor_proofs import FactorRefused, PasskeyClaim
from gatepass.server.domain.credentials.passkeys.relying_party import invalid_passkey
from gatepass.server.domain.credentials.passwords.policy import MAX_LENGTH
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.grant import TokenSubject  # noqa: TC001 - msgspec reads the annotations of a struct
from gatepass.server.domain.sessions.recent import second_factor_first, session_ended
from gatepass.server.domain.sessions.session import SINGLE_FACTOR, TWO_FACTORS

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.credentials.factor_proofs import Claim, FactorProofs
    from gatepass.server.domain.credentials.passkeys.relying_party import Json
    from gatepass.server.domain.credentials.passwords.hashing import PasswordHasher
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.limits.throttle import Throttle
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def hasher(self) -> PasswordHasher: ...
    @property
    def proofs(self) -> FactorProofs: ...
    @property
    def throttle(self) -> Throttle: ...


class Given(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One proof: the password, if there is no second factor; else a code, a recovery code or a passkey."""

    password: str | None = None
    code: str | None = None
    recovery_code: str | None = None
    passkey: dict[str, Any] | None = None


class ComparedPassword(Confidential, frozen=True, kw_only=True):
    """A password that was checked against the stored hash."""

    password_hash: str | None
    is_right: bool


class ProvenSession(msgspec.Struct, frozen=True):
    """The session as it is now, at the time `now`.

    `subject` is the content of its access tokens from now on; None at a page, which has none.
    """

    subject: TokenSubject | None
    now: float


async def passkey_options(needs: Needs, call: Call) -> Json:
    """Options for the caller's passkeys. Raises Refusal: `passkeys_unavailable`."""
    caller = call.caller
    return await needs.proofs.request_options("prove_again", caller.session_id, user_id=caller.user.id)


async def prove_again(needs: Needs, call: Call, given: Given) -> ProvenSession:
    """Accept the proof once, and record it in the session.

    Raises:
        Refusal: `invalid_credentials`, `invalid_code`, `invalid_passkey`, `invalid_body`, `second_factor_required`,
            `too_many_attempts`, or `session_ended`.
        Unavailable: `busy`.
    """
    caller, origin = call.caller, call.origin
    user, session_id = caller.user, caller.session_id
    claim = await _read(needs, call, given)
    kind, name = ("password", user.email) if isinstance(claim, ComparedPassword) else ("factor", user.id)

    async def unit(tx: Transaction) -> ProvenSession | Refusal:
        attempt, wait = await needs.throttle.choose(tx, kind, name, origin, browser=session_id)
        if wait:
            return too_many_attempts(wait)
        session = await tx.sessions.live(session_id, tx.now)
        if session is None:
            return session_ended()
        amr = await _consume(needs, tx, user, claim, origin)
        if amr is None:
            await needs.throttle.failed(tx, attempt)
            return _wrong(claim)
        await needs.throttle.succeeded(tx, attempt)
        acr = SINGLE_FACTOR if isinstance(claim, ComparedPassword) else TWO_FACTORS
        every = tuple(dict.fromkeys((*session.amr, *amr)))
        await tx.sessions.prove_again(session_id, acr=acr, amr=every, now=tx.now)
        await record(tx, "proved_again", user.id, session_id=session_id, reason=" ".join(amr), where=origin)
        subject = None if caller.status is None else await tx.grants.bearer_at(caller.status)
        return ProvenSession(subject, tx.now)

    return await decide(needs.database, unit, about=user.id)


async def _read(needs: Needs, call: Call, given: Given) -> ComparedPassword | Claim:
    """Read the one proof that was given, and check it as far as possible without marking it as used."""
    if given.password is not None:
        if (given.code, given.recovery_code, given.passkey) != (None,) * 3 or len(given.password) > MAX_LENGTH:
            raise Refusal("invalid_body", "Send exactly one of `password`, `code`, `recovery_code` and `passkey`.")
        return await _check_password(needs, call, given.password)
    return await needs.proofs.read(
        code=given.code,
        recovery_code=given.recovery_code,
        passkey=given.passkey,
        ceremony="prove_again",
        party=call.caller.session_id,
    )


async def _check_password(needs: Needs, call: Call, password: str) -> ComparedPassword:
    """Check a password of the caller, if there is no second factor and an attempt is allowed now."""
    caller, origin = call.caller, call.origin
    user = caller.user

    async def unit(tx: Transaction) -> tuple[bool, str | None, float]:
        is_asked = (await tx.factors.of(user.id)).are_asked
        _, wait = await needs.throttle.choose(tx, "password", user.email, origin, browser=caller.session_id)
        return is_asked, await tx.passwords.of(user.id), wait

    is_asked, password_hash, wait = await needs.database.read(unit)
    if is_asked:
        raise second_factor_first()
    if wait:
        raise too_many_attempts(wait)
    return ComparedPassword(password_hash=password_hash, is_right=await needs.hasher.verify(password, password_hash))


async def _consume(
    needs: Needs, tx: Transaction, user: User, claim: ComparedPassword | Claim, origin: Origin
) -> tuple[str, ...] | None:
    """The proved methods, as `amr`; None if the proof is wrong."""
    if not isinstance(claim, ComparedPassword):
        proven = await needs.proofs.consume(tx, user.id, claim, origin)
        return None if isinstance(proven, FactorRefused) else (*proven.amr, "mfa")
    is_theirs = claim.is_right and await tx.passwords.of(user.id) == claim.password_hash
    return ("pwd",) if is_theirs and not (await tx.factors.of(user.id)).are_asked else None


def _wrong(claim: ComparedPassword | Claim) -> Refusal:
    match claim:
        case ComparedPassword():
            return Refusal("invalid_credentials", "The password is wrong.")
        case PasskeyClaim():
            return invalid_passkey()
        case _:
            return Refusal("invalid_code", "The code is wrong or was already used.")
