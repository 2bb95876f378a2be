"""The act of signing in by email address and password.

This is the operator's own login for its own applications, not OAuth's password grant, which RFC 9700 §2.4 forbids:
third-party clients never see a password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import msgspec

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.user import Closed, User, account_closed, normalise_email
from gatepass.server.domain.credentials.passwords.policy import MAX_LENGTH
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.limits.throttle import too_many_attempts
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.open import Authentication, digest_of_password
from gatepass.server.domain.sessions.session import SINGLE_FACTOR

if TYPE_CHECKING:
    from gatepass.server.domain.credentials.passwords.decoys import Decoys
    from gatepass.server.domain.credentials.passwords.hashing import PasswordHasher
    from gatepass.server.domain.limits.throttle import Attempt, Throttle
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import StatusIndexes
    from gatepass.server.domain.sessions.login import LoginCompletion, LoginResult
    from gatepass.server.domain.sessions.token_request import TokenRequest
    from gatepass.server.web.call import Call

Reason: TypeAlias = Literal["unknown_address", "wrong_password"] | Closed
"""Why a sign-in was refused, for the event log; the user is told less."""


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def hasher(self) -> PasswordHasher: ...
    @property
    def decoys(self) -> Decoys: ...
    @property
    def throttle(self) -> Throttle: ...
    @property
    def indexes(self) -> StatusIndexes: ...
    @property
    def login(self) -> LoginCompletion: ...


class Outdated(msgspec.Struct, frozen=True):
    """The password was changed or rehashed while it was being checked."""


class CheckedPassword(Confidential, frozen=True, kw_only=True):
    """A password that was checked against a user's hash, or against a decoy."""

    attempt: Attempt
    user_id: str
    password_hash: str | None
    is_right: bool
    new_hash: str | None


async def sign_in(needs: Needs, call: Call, address: str, password: str, token_request: TokenRequest) -> LoginResult:
    """Check the password and complete the login; an unknown address takes as much time and as many statements.

    Raises:
        Refusal: `invalid_credentials`, `invalid_email`, `password_too_long`, `account_disabled`, `account_locked`, or
            `too_many_attempts`.
        Unavailable: `busy`.
    """
    if len(password) > MAX_LENGTH:
        raise Refusal("password_too_long", f"A password has at most {MAX_LENGTH} characters.")
    email = normalise_email(address)
    user, password_hash, attempt = await _find(needs, call, email)
    is_right = await needs.hasher.verify(password, password_hash or needs.decoys.of(email))
    is_right = is_right and password_hash is not None  # a decoy belongs to another user
    checked = CheckedPassword(
        attempt=attempt,
        user_id=user.id if user else "",
        password_hash=password_hash,
        is_right=is_right,
        new_hash=await _hash_anew(needs.hasher, password, password_hash) if is_right else None,
    )
    status = await needs.indexes.next() if is_right else None
    proof = Authentication(acr=SINGLE_FACTOR, amr=("pwd",), where=attempt.where)

    async def unit(tx: Transaction) -> LoginResult | Outdated | Refusal:
        verdict = await _decide(tx, needs.throttle, checked)
        if not isinstance(verdict, User):
            return verdict
        assert status is not None
        return await needs.login.complete(
            tx, verdict, token_request=token_request, proof=proof, status=status, device=call.device
        )

    outcome: LoginResult | Outdated = await decide(needs.database, unit, about=checked.user_id, shared=True)
    if isinstance(outcome, Outdated):  # then decide by the current hash, which may be of the same password
        return await sign_in(needs, call, address, password, token_request)
    return outcome


async def _find(needs: Needs, call: Call, email: str) -> tuple[User | None, str | None, Attempt]:
    """Return the user of this address and their password hash, if an attempt is allowed now."""
    where = call.origin

    async def unit(tx: Transaction) -> tuple[User | None, str | None, Attempt, float]:
        user = await tx.users.by_email(email)
        password_hash = await tx.passwords.of(user.id if user else "")
        browser = call.browser_of(user.id, digest_of_password(password_hash)) if user else ""
        return user, password_hash, *await needs.throttle.choose(tx, "password", email, where, browser=browser)

    user, password_hash, attempt, wait = await needs.database.read(unit)
    if wait:
        raise too_many_attempts(wait)
    return user, password_hash, attempt


async def _decide(tx: Transaction, throttle: Throttle, checked: CheckedPassword) -> User | Outdated | Refusal:
    """Decide whether the user may sign in, by the current data, which may have changed during hashing."""
    # Parallel guesses past the limit learn nothing, not even that a guess was right.
    if wait := await throttle.hold(tx, checked.attempt):
        return too_many_attempts(wait)
    user = await tx.users.by_id(checked.user_id)
    if user is None or not checked.is_right:
        await throttle.failed(tx, checked.attempt)
        return await _refuse(tx, checked, "wrong_password" if user else "unknown_address")
    if await tx.passwords.of(user.id) != checked.password_hash:
        return Outdated()
    if user.closed is not None:
        return await _refuse(tx, checked, user.closed)
    await throttle.succeeded(tx, checked.attempt)
    if checked.new_hash is not None:
        await tx.passwords.put(user.id, checked.new_hash, tx.now)
    return user


async def _refuse(tx: Transaction, checked: CheckedPassword, reason: Reason) -> Refusal:
    where = checked.attempt.where
    await record(tx, "sign_in_refused", checked.user_id, actor="", reason=reason, where=where)
    match reason:
        case "account_disabled" | "account_locked":
            return account_closed(reason)
        case "unknown_address" | "wrong_password":
            return Refusal("invalid_credentials", "The email address or password is wrong.")


async def _hash_anew(hasher: PasswordHasher, password: str, password_hash: str | None) -> str | None:
    """Rehash a password that has another cost than today's."""
    if password_hash is None or not hasher.needs_rehash(password_hash, password):
        return None
    return await hasher.hash(password)
