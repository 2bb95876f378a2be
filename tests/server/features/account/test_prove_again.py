"""Step-up: what holds when the answer is written is what counts, not what held when the proof was checked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.support.acts import PASSWORD, code_of

from gatepass.server.domain.credentials.totp import TotpSecret
from gatepass.server.domain.sessions.revoke import end_session
from gatepass.server.features.account.reauthentication.prove_again import Given, prove_again

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from tests.support.acts import Acting

    from gatepass.server.domain.ports import Transaction


async def change_password(tx: Transaction) -> None:
    """Another password."""
    await tx.passwords.put("usr_ann", "of another password", tx.now)


async def add_factor(tx: Transaction) -> None:
    """An authenticator application."""
    await tx.totp.put(TotpSecret(user_id="usr_ann", sealed=b"sealed", last_step=0, created_at=tx.now))
    await tx.totp.confirm("usr_ann", 1, tx.now)


async def sign_out(tx: Transaction) -> None:
    """The end of the session."""
    await end_session(tx, "ses_ann", "usr_ann", "logout")


@pytest.mark.parametrize(
    ("happens", "code"),
    [(change_password, "invalid_credentials"), (add_factor, "invalid_credentials"), (sign_out, "session_ended")],
)
def test_a_right_password_that_counts_no_longer(
    needs: Acting, happens: Callable[[Transaction], Awaitable[None]], code: str
) -> None:
    """Changed, not enough any more, or of a session that is over, while it was compared: it proves nothing."""

    async def run() -> None:
        ann = await needs.sign_in(await needs.add_user(), "ses_ann")
        interrupted = needs.while_hashing(lambda: needs.write(happens))
        needs.clock.advance(60)
        assert await code_of(prove_again(interrupted, needs.call(ann), Given(password=PASSWORD))) == code
        session = await needs.database.read(lambda tx: tx.sessions.live("ses_ann", tx.now))
        assert session is None or session.auth_time == ann.auth_time
        assert "proved_again" not in [kind for kind, _ in await needs.happened(ann.user.id)]

    asyncio.run(run())


def test_a_proof_makes_the_session_fresh(needs: Acting) -> None:
    """Its time is now; what its tokens say comes with it where a token asks, and not where a cookie does."""

    async def run() -> None:
        ann = await needs.sign_in(await needs.add_user(), "ses_ann")
        needs.clock.advance(600)
        proven = await prove_again(needs, needs.call(ann), Given(password=PASSWORD))
        assert proven.subject is not None
        assert (proven.subject.auth_time, proven.subject.acr, proven.now) == (needs.clock(), "1", needs.clock())
        at_a_page = msgspec.structs.replace(ann, status=None)
        assert (await prove_again(needs, needs.call(at_a_page), Given(password=PASSWORD))).subject is None
        assert await needs.happened(ann.user.id) == [("proved_again", "pwd")] * 2

    asyncio.run(run())


def test_guesses_in_one_session_keep_no_other_waiting(needs: Acting) -> None:
    """Whoever guesses in a stolen session has used up its tries, and the owner proves themselves in another."""

    async def run() -> None:
        user = await needs.add_user()
        thief, owner = await needs.sign_in(user, "ses_thief"), await needs.sign_in(user, "ses_owner")
        codes = [
            await code_of(prove_again(needs, needs.call(thief), Given(password="a guess")))
            for _ in range(2 * needs.settings.attempts_per_account + 1)
        ]
        assert codes[-1] == "too_many_attempts"
        await prove_again(needs, needs.call(owner), Given(password=PASSWORD))

    asyncio.run(run())
