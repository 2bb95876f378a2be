"""Signing in by password: what is decided when something has changed while the password was compared."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.acts import PASSWORD, code_of

from gatepass.server.domain.credentials.totp import TotpSecret
from gatepass.server.domain.sessions.login import FactorDue
from gatepass.server.domain.sessions.open import Opened
from gatepass.server.features.login.password.sign_in import sign_in

if TYPE_CHECKING:
    from tests.support.acts import Acting

    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.login import LoginResult


async def enter(needs: Acting, email: str, password: str = PASSWORD) -> LoginResult:
    """Sign in from an address that nobody knows."""
    call = needs.call()
    return await sign_in(needs, call, email, password, await call.token_request())


def test_a_password_that_is_changed_while_it_is_compared_opens_nothing(needs: Acting) -> None:
    """What was right when the comparison began is compared anew with what is there when it ends."""

    async def run() -> None:
        user = await needs.add_user()
        other = await needs.hasher.hash("another one, of the owner")

        async def changed() -> None:
            async def unit(tx: Transaction) -> None:
                await tx.passwords.put(user.id, other, tx.now)

            await needs.write(unit)

        assert await code_of(enter(needs.while_hashing(changed), user.email)) == "invalid_credentials"
        assert await needs.live_sessions(user.id) == set()
        assert [reason for kind, reason in await needs.happened(user.id) if kind == "sign_in_refused"] == [
            "wrong_password"
        ]

    asyncio.run(run())


def test_an_account_that_is_closed_while_its_password_is_compared_stays_closed(needs: Acting) -> None:
    """The password was right, and the answer says that the account is disabled; no session begins."""

    async def run() -> None:
        user = await needs.add_user()

        async def disabled() -> None:
            async def unit(tx: Transaction) -> None:
                await tx.users.set_disabled(user.id, tx.now)

            await needs.write(unit)

        assert await code_of(enter(needs.while_hashing(disabled), user.email)) == "account_disabled"
        assert await needs.live_sessions(user.id) == set()

    asyncio.run(run())


def test_a_right_guess_past_the_limit_is_told_nothing(needs: Acting) -> None:
    """Whoever guesses at once from many connections learns of none that it was right, once the limit is reached."""

    async def run() -> None:
        user = await needs.add_user()

        async def guessed() -> None:
            attempt = needs.throttle.attempt("password", user.email, needs.call().origin)

            async def unit(tx: Transaction) -> None:
                for _ in range(needs.settings.attempts_per_account + 1):
                    await needs.throttle.failed(tx, attempt)

            await needs.write(unit)

        assert await code_of(enter(needs.while_hashing(guessed), user.email)) == "too_many_attempts"
        assert await needs.live_sessions(user.id) == set()

    asyncio.run(run())


def test_a_second_factor_is_due_before_any_session(needs: Acting) -> None:
    """With a confirmed application the right password brings a challenge, and without one a session."""

    async def run() -> None:
        user = await needs.add_user()
        assert isinstance(await enter(needs, user.email), Opened)
        assert len(await needs.live_sessions(user.id)) == 1

        async def unit(tx: Transaction) -> None:
            await tx.totp.put(TotpSecret(user_id=user.id, sealed=b"sealed", last_step=0, created_at=tx.now))
            await tx.totp.confirm(user.id, 1, tx.now)

        await needs.write(unit)
        due = await enter(needs, user.email)
        assert isinstance(due, FactorDue)
        assert due.factors == ("totp",)
        assert len(await needs.live_sessions(user.id)) == 1

    asyncio.run(run())
