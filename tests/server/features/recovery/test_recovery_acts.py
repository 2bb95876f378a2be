"""The ways back into an account: what they refuse, what they end, and what they write for whom."""

from __future__ import annotations

import asyncio
from itertools import pairwise
from typing import TYPE_CHECKING

from tests.support.acts import PASSWORD, code_of, token_in

from gatepass.server.domain.credentials.totp import TotpSecret
from gatepass.server.domain.mail.notices import LOCK_SECONDS
from gatepass.server.features.recovery.forgotten import send_link
from gatepass.server.features.recovery.lock import lock_account
from gatepass.server.features.recovery.reset import reset_password

if TYPE_CHECKING:
    from tests.support.acts import Acting

    from gatepass.server.domain.accounts.linked_identity import Identity
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.credentials.trusted_devices import TrustedDevice
    from gatepass.server.domain.ports import Transaction

NEW_PASSWORD = "another staple entirely"
SHORT_PASSWORD = "9 queued"
"""Long enough beside a second factor only."""


async def mailed_token(needs: Acting, email: str) -> str:
    """Ask for a new password, and take the token out of the mail."""
    await send_link(needs, needs.call(), email)
    return token_in((await needs.queued_notices())[-1].link)


async def add_totp(needs: Acting, user: User) -> None:
    """Give somebody an authenticator application."""

    async def unit(tx: Transaction) -> None:
        await tx.totp.put(TotpSecret(user_id=user.id, sealed=b"sealed", last_step=0, created_at=tx.now))
        await tx.totp.confirm(user.id, 1, tx.now)

    await needs.write(unit)


async def warn(needs: Acting, user: User) -> str:
    """Tell somebody of a change of password; the token of "this wasn't me"."""

    async def unit(tx: Transaction) -> None:
        await needs.notices.warn(tx, "password_changed", user, language="en")

    await needs.write(unit)
    return token_in((await needs.queued_notices())[-1].lock)


def test_asking_costs_the_same_for_nobody(needs: Acting) -> None:
    """As many rows for a disabled account and a stranger as for an account: a notice to nobody, a link to nothing."""

    async def run() -> None:
        await needs.add_user("ann")
        bob = await needs.add_user("bob")
        await needs.write(lambda tx: tx.users.set_disabled(bob.id, tx.now))
        await send_link(needs, needs.call(), "first@example.test")  # the network's count begins
        rows = [len(needs.content())]
        for email in ("ann@example.test", bob.email, "nobody@example.test"):
            await send_link(needs, needs.call(), email)
            rows.append(len(needs.content()))
        assert len({after - before for before, after in pairwise(rows)}) == 1
        queued = (await needs.queued_notices())[1:]
        assert [notice.to for notice in queued] == ["ann@example.test", "", ""]
        for notice in queued[1:]:
            refused = await code_of(reset_password(needs, needs.call(), token_in(notice.link), NEW_PASSWORD))
            assert refused == "invalid_code"

    asyncio.run(run())


def test_a_guess_is_given_no_hashing_time(needs: Acting) -> None:
    """No hash is made for a token that nobody was sent, one of another kind, one that was used, or one too old."""

    async def run() -> None:
        ann = await needs.add_user()
        lock, used, old = (
            await warn(needs, ann),
            await mailed_token(needs, ann.email),
            await mailed_token(needs, ann.email),
        )
        hashed: list[bool] = []

        async def note() -> None:
            hashed.append(True)

        watched = needs.while_hashing(note)
        await reset_password(watched, needs.call(), used, NEW_PASSWORD)
        assert len(hashed) == 1
        needs.clock.advance(needs.settings.mail_link_seconds + 1)
        for token in ("guessed", lock, used, old):
            assert await code_of(reset_password(watched, needs.call(), token, NEW_PASSWORD)) == "invalid_code"
        assert len(hashed) == 1

    asyncio.run(run())


def test_a_new_password_by_mail_ends_what_there_was(needs: Acting) -> None:
    """Every session and its tokens, remembered devices and other links; the account is open again, by it alone."""

    async def run() -> None:
        ann = await needs.add_user()
        token, other = await mailed_token(needs, ann.email), await mailed_token(needs, ann.email)
        thief = await needs.sign_in(ann, "ses_thief")
        await add_totp(needs, ann)
        await needs.remember_device(ann)
        await needs.write(lambda tx: tx.users.set_locked(ann.id, tx.now))
        await reset_password(needs, needs.call(), token, SHORT_PASSWORD)
        assert await needs.live_sessions(ann.id) == set()
        assert await needs.is_revoked(thief)
        assert (await needs.happened(ann.id))[-3:] == [
            ("sessions_ended", "password_changed"),
            ("account_unlocked", ""),
            ("password_changed", "reset"),
        ]
        for spent in (token, other):
            assert await code_of(reset_password(needs, needs.call(), spent, NEW_PASSWORD)) == "invalid_code"

        async def look(tx: Transaction) -> tuple[User | None, bool, list[TrustedDevice], str | None]:
            user, is_short = await tx.users.by_id(ann.id), await tx.passwords.is_short(ann.id)
            return user, is_short, await tx.devices.of(ann.id, tx.now), await tx.passwords.of(ann.id)

        user, is_short, devices, password_hash = await needs.database.read(look)
        assert user is not None
        assert (user.closed, is_short, devices) == (None, True, [])
        assert await needs.hasher.verify(SHORT_PASSWORD, password_hash)
        assert not await needs.hasher.verify(PASSWORD, password_hash)

    asyncio.run(run())


def test_a_password_by_mail_is_one_that_may_be_set(needs: Acting) -> None:
    """Neither too short, nor among the first that are tried, nor made of the address; the link stays good."""

    async def run() -> None:
        ann = await needs.add_user()
        token = await mailed_token(needs, ann.email)
        before = needs.content()
        for password, why in (
            (SHORT_PASSWORD, "password_too_short"),
            ("passwordpassword", "password_too_common"),
            (ann.email, "password_too_common"),
        ):
            assert await code_of(reset_password(needs, needs.call(), token, password)) == why
        assert needs.content() == before
        await reset_password(needs, needs.call(), token, NEW_PASSWORD)

    asyncio.run(run())


def test_a_link_to_an_address_goes_with_the_address(needs: Acting) -> None:
    """Once the account has another address, whoever reads the mail of the former one sets no password."""

    async def run() -> None:
        ann = await needs.add_user()
        token = await mailed_token(needs, ann.email)
        await needs.write(lambda tx: tx.users.set_email(ann.id, "ann@new.example.test", tx.now))
        assert await code_of(reset_password(needs, needs.call(), token, NEW_PASSWORD)) == "invalid_code"
        assert ("password_changed", "reset") not in await needs.happened(ann.id)

    asyncio.run(run())


def test_a_link_is_used_up_where_the_answer_is_no(needs: Acting) -> None:
    """Whoever was disabled after the mail sets no password, not even with the same link once they are enabled again."""

    async def run() -> None:
        ann = await needs.add_user()
        token = await mailed_token(needs, ann.email)
        await needs.write(lambda tx: tx.users.set_disabled(ann.id, tx.now))
        assert await code_of(reset_password(needs, needs.call(), token, NEW_PASSWORD)) == "invalid_code"
        await needs.write(lambda tx: tx.users.set_disabled(ann.id, None))
        assert await code_of(reset_password(needs, needs.call(), token, NEW_PASSWORD)) == "invalid_code"
        assert ("password_changed", "reset") not in await needs.happened(ann.id)

    asyncio.run(run())


def test_a_short_password_needs_a_factor_that_stays(needs: Acting) -> None:
    """Beside an owner's factor it may be short; not where this proof of the address takes that factor away."""

    async def run() -> None:
        owner, newcomer = await needs.add_user("owner"), await needs.add_user("newcomer", is_verified=False)
        for user in (owner, newcomer):
            await add_totp(needs, user)
        await reset_password(needs, needs.call(), await mailed_token(needs, owner.email), SHORT_PASSWORD)
        token = await mailed_token(needs, newcomer.email)
        refused = await code_of(reset_password(needs, needs.call(), token, SHORT_PASSWORD))
        assert refused == "password_too_short"
        await reset_password(needs, needs.call(), token, NEW_PASSWORD)
        assert ("factor_removed", "totp") in await needs.happened(newcomer.id)
        assert ("factor_removed", "totp") not in await needs.happened(owner.id)
        told = [notice.kind for notice in await needs.queued_notices() if notice.to == newcomer.email]
        assert told == ["reset", "earlier_access_removed", "password_changed"]

    asyncio.run(run())


def test_a_lock_takes_back_what_came_after_the_warning(needs: Acting) -> None:
    """Sessions end, factors of since go, and an older warning still locks; a later one, maybe a thief's, is dead."""

    async def run() -> None:
        ann = await needs.add_user()
        older = await warn(needs, ann)
        needs.clock.advance(60)
        token = await warn(needs, ann)
        needs.clock.advance(60)
        later = await warn(needs, ann)
        await add_totp(needs, ann)
        await needs.sign_in(ann, "ses_thief")
        await lock_account(needs, needs.call(), token)
        assert await needs.live_sessions(ann.id) == set()
        assert await needs.happened(ann.id) == [
            ("factor_removed", "totp"),
            ("sessions_ended", "account_locked"),
            ("account_locked", ""),
        ]
        notice = (await needs.queued_notices())[-1]
        assert (notice.kind, notice.to, notice.link.endswith("/pages/forgotten")) == ("account_locked", ann.email, True)
        assert await code_of(lock_account(needs, needs.call(), later)) == "invalid_code"
        await lock_account(needs, needs.call(), older)

    asyncio.run(run())


def test_a_lock_leaves_no_other_way_in(needs: Acting) -> None:
    """Links that were mailed before it open nothing, no account elsewhere signs in, no device is remembered."""

    async def run() -> None:
        ann = await needs.add_user()
        opener, token = await mailed_token(needs, ann.email), await warn(needs, ann)
        await needs.remember_device(ann)
        await needs.connect(ann)
        thief = await needs.sign_in(ann, "ses_thief")
        await lock_account(needs, needs.call(), token)
        assert await code_of(reset_password(needs, needs.call(), opener, NEW_PASSWORD)) == "invalid_code"
        assert await needs.is_revoked(thief)
        assert ("provider_disconnected", "example") in await needs.happened(ann.id)

        async def look(tx: Transaction) -> tuple[User | None, list[Identity], list[TrustedDevice]]:
            user = await tx.users.by_id(ann.id)
            return user, await tx.identities.of(ann.id), await tx.devices.of(ann.id, tx.now)

        user, identities, devices = await needs.database.read(look)
        assert user is not None
        assert (user.closed, identities, devices) == ("account_locked", [], [])
        await reset_password(needs, needs.call(), await mailed_token(needs, ann.email), NEW_PASSWORD)

    asyncio.run(run())


def test_a_lock_leaves_what_was_there_before(needs: Acting) -> None:
    """A factor from before the warning stays, or a mailbox alone would get past it; after a week nothing is locked."""

    async def run() -> None:
        ann = await needs.add_user()
        await add_totp(needs, ann)
        needs.clock.advance(60)
        token, other = await warn(needs, ann), await warn(needs, ann)
        await lock_account(needs, needs.call(), token)
        assert ("factor_removed", "totp") not in await needs.happened(ann.id)
        needs.clock.advance(LOCK_SECONDS + 1)
        assert await code_of(lock_account(needs, needs.call(), other)) == "invalid_code"

    asyncio.run(run())


def test_the_address_is_put_back_or_nobody_gets_in(needs: Acting) -> None:
    """Where its owner has another account with the address by now, it is disabled: the thief reads its mail."""

    async def run() -> None:
        ann, bob = await needs.add_user("ann"), await needs.add_user("bob")
        tokens = [await warn(needs, ann), await warn(needs, bob)]

        async def steal(tx: Transaction) -> None:
            for user in (ann, bob):
                await tx.users.set_email(user.id, f"thief-of-{user.email}", tx.now)

        await needs.write(steal)
        await needs.registration.add(bob.email, PASSWORD)
        for token in tokens:
            await lock_account(needs, needs.call(), token)
        found = {user.id: user for user in await needs.database.read(lambda tx: tx.users.all())}
        assert (found[ann.id].email, found[ann.id].closed) == (ann.email, "account_locked")
        assert (found[bob.id].email, found[bob.id].closed) == (f"thief-of-{bob.email}", "account_disabled")
        assert (await needs.happened(ann.id))[-1] == ("email_changed", "put_back")
        assert (await needs.happened(bob.id))[-1] == ("account_disabled", "email_taken")
        assert [notice.to for notice in (await needs.queued_notices())[-2:]] == [ann.email, bob.email]

    asyncio.run(run())
