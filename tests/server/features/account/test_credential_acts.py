"""Second factors: what comes and goes with the first and the last, and who may not add or remove one."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pyotp
from tests.support.acts import code_of
from tests.support.authenticator import Authenticator

from gatepass.server.domain.credentials.factor_proofs import CodeClaim, FactorProven
from gatepass.server.domain.events.event import NOWHERE
from gatepass.server.domain.sessions.revoke import end_session
from gatepass.server.features.account.connected.identities import disconnect
from gatepass.server.features.account.credentials.passkeys import add_passkey, creation_options, remove_passkey
from gatepass.server.features.account.credentials.recovery_codes import replace_recovery_codes
from gatepass.server.features.account.credentials.totp import confirm_totp, offer_totp, remove_totp
from gatepass.server.features.account.credentials.trusted_devices import forget_device
from gatepass.server.features.account.credentials.view import read_credentials
from gatepass.server.features.account.overview.end_sessions import end_other_sessions
from gatepass.server.features.account.profile.change_email import confirm_address
from gatepass.server.features.account.profile.delete_account import delete_account

if TYPE_CHECKING:
    from tests.support.acts import Acting

    from gatepass.server.domain.sessions.caller import Caller
    from gatepass.server.features.account.credentials.passkeys import PasskeyMade


async def application(needs: Acting, caller: Caller) -> pyotp.TOTP:
    """An authenticator application that has been told a new secret, not confirmed yet."""
    parsed = pyotp.parse_uri((await offer_totp(needs, caller.user)).uri)
    assert isinstance(parsed, pyotp.TOTP)
    return parsed


async def set_up_totp(needs: Acting, caller: Caller) -> tuple[str, ...]:
    """Set one up; the recovery codes that came with it."""
    totp = await application(needs, caller)
    return await confirm_totp(needs, needs.call(caller), totp.at(int(needs.clock())))


async def set_up_passkey(needs: Acting, caller: Caller) -> PasskeyMade:
    """Add a passkey."""
    options = await creation_options(needs, caller.user)
    credential = Authenticator(needs.settings.issuer_url).create(options)
    return await add_passkey(needs, needs.call(caller), credential, "  my\nphone ")


def test_recovery_codes_come_with_the_first_factor_and_go_with_the_last(needs: Acting) -> None:
    """Ten with the first, none with the second; while one factor is left they stay, and remembered devices too."""

    async def run() -> None:
        ann = await needs.sign_in(await needs.add_user(), "ses_ann")
        assert len(await set_up_totp(needs, ann)) == 10
        made = await set_up_passkey(needs, ann)
        assert (made.name, made.recovery_codes) == ("my phone", ())
        await needs.remember_device(ann.user)
        await remove_totp(needs, needs.call(ann))
        left = await read_credentials(needs.database, ann.user.id)
        assert (left.totp, left.recovery_codes, len(left.devices)) == (None, 10, 1)
        await remove_passkey(needs, needs.call(ann), made.id)
        gone = await read_credentials(needs.database, ann.user.id)
        assert (gone.passkeys, gone.recovery_codes, gone.devices) == ((), 0, ())
        changes = [("factor_added", "totp"), ("factor_added", "passkey")]
        changes += [("factor_removed", "totp"), ("factor_removed", "passkey")]
        assert await needs.happened(ann.user.id) == changes
        queued = await needs.queued_notices()
        assert [notice.kind for notice in queued] == [kind for kind, _ in changes]
        assert all(notice.to == ann.user.email and notice.lock for notice in queued)

    asyncio.run(run())


def test_new_recovery_codes_stand_in_for_a_factor(needs: Acting) -> None:
    """Without one there are none to be had; new ones take the place of the old, of which none opens anything more."""

    async def run() -> None:
        ann = await needs.sign_in(await needs.add_user(), "ses_ann")
        before = needs.content()
        assert await code_of(replace_recovery_codes(needs, needs.call(ann))) == "factor_not_found"
        assert needs.content() == before
        old = await set_up_totp(needs, ann)
        new = await replace_recovery_codes(needs, needs.call(ann))
        assert (len(set(new)), set(new) & set(old)) == (10, set())

        async def opens(code: str) -> bool:
            claim = CodeClaim(code, is_recovery_code=True)
            proven = await needs.write(lambda tx: needs.proofs.consume(tx, ann.user.id, claim, NOWHERE))
            return isinstance(proven, FactorProven)

        assert [await opens(code) for code in (*old, *new, new[0])] == [False] * 10 + [True] * 10 + [False]
        assert ("recovery_codes_made", "") in await needs.happened(ann.user.id)

    asyncio.run(run())


def test_the_last_factor_beside_a_short_password_stays(needs: Acting) -> None:
    """Either of two may go; the last one only once the password can stand alone."""

    async def run() -> None:
        ann = await needs.sign_in(await needs.add_user(), "ses_ann")
        await set_up_totp(needs, ann)
        made = await set_up_passkey(needs, ann)
        await needs.write(lambda tx: tx.passwords.mark_short(ann.user.id, is_short=True))
        await remove_passkey(needs, needs.call(ann), made.id)
        before = needs.content()
        assert await code_of(remove_totp(needs, needs.call(ann))) == "password_too_short"
        assert needs.content() == before
        await needs.write(lambda tx: tx.passwords.mark_short(ann.user.id, is_short=False))
        await remove_totp(needs, needs.call(ann))

    asyncio.run(run())


def test_guesses_at_the_first_code_are_counted(needs: Acting) -> None:
    """After so many wrong codes the right one is refused too; when it is taken, the session is one of two factors."""

    async def run() -> None:
        ann = await needs.sign_in(await needs.add_user(), "ses_ann")
        totp = await application(needs, ann)
        call = needs.call(ann)
        for _ in range(needs.settings.attempts_per_account):
            assert await code_of(confirm_totp(needs, call, "no code")) == "invalid_code"
        assert await code_of(confirm_totp(needs, call, totp.at(int(needs.clock())))) == "too_many_attempts"
        auth_time = needs.clock()
        needs.clock.advance(needs.settings.attempt_longest_pause_seconds)
        await confirm_totp(needs, call, totp.at(int(needs.clock())))
        session = await needs.database.read(lambda tx: tx.sessions.live("ses_ann", tx.now))
        assert session is not None
        assert (session.acr, session.amr, session.auth_time) == ("2", ("pwd", "otp", "mfa"), auth_time)

    asyncio.run(run())


def test_a_call_of_a_session_that_has_ended_changes_nothing(needs: Acting) -> None:
    """Begun before its session was ended, it comes through after that: every way to keep a foot in is refused."""

    async def run() -> None:
        thief = await needs.sign_in(await needs.add_user(), "ses_thief")
        user, call = thief.user, needs.call(thief)
        identity = await needs.connect(user)
        await needs.sign_in(user, "ses_owner")
        totp = await application(needs, thief)
        options = await creation_options(needs, user)
        credential = Authenticator(needs.settings.issuer_url).create(options)
        await needs.write(lambda tx: end_session(tx, "ses_thief", user.id, "ended_by_user"))
        before = needs.content()
        for act in (
            confirm_totp(needs, call, totp.at(int(needs.clock()))),
            add_passkey(needs, call, credential, "thief's"),
            replace_recovery_codes(needs, call),
            disconnect(needs, call, identity.id),
            remove_totp(needs, call),
            remove_passkey(needs, call, "psk_owner"),
            confirm_address(needs, call, "a token from the mail"),
            delete_account(needs, call),
        ):
            assert await code_of(act) == "session_ended"
        await end_other_sessions(needs.database, call)  # which has nobody to tell
        assert needs.content() == before

    asyncio.run(run())


def test_a_passkey_answers_one_challenge_once(needs: Acting) -> None:
    """What a browser has made for one person is no passkey of another's, nor a second one of the same."""

    async def run() -> None:
        ann = await needs.sign_in(await needs.add_user("ann"), "ses_ann")
        bob = await needs.sign_in(await needs.add_user("bob"), "ses_bob")
        credential = Authenticator(needs.settings.issuer_url).create(await creation_options(needs, ann.user))
        assert await code_of(add_passkey(needs, needs.call(bob), credential, "")) == "invalid_passkey"
        made = await add_passkey(needs, needs.call(ann), credential, "")
        assert made.name == "Passkey 1"
        assert await code_of(add_passkey(needs, needs.call(ann), credential, "")) == "invalid_passkey"

    asyncio.run(run())


def test_nobody_forgets_anothers_device(needs: Acting) -> None:
    """It is answered as one that there is not, and nothing is recorded of either person."""

    async def run() -> None:
        ann = await needs.sign_in(await needs.add_user("ann"), "ses_ann")
        bob = await needs.sign_in(await needs.add_user("bob"), "ses_bob")
        device_id = (await needs.remember_device(ann.user)).id
        before = needs.content()
        assert await code_of(forget_device(needs.database, needs.call(bob), device_id)) == "factor_not_found"
        assert needs.content() == before
        await forget_device(needs.database, needs.call(ann), device_id)
        assert await needs.happened(ann.user.id) == [("device_forgotten", "")]

    asyncio.run(run())


def test_the_only_way_in_stays(needs: Acting) -> None:
    """Without mail, password and passkey the last account elsewhere cannot be disconnected; one of two can."""

    async def run() -> None:
        ann = await needs.sign_in(await needs.add_user(), "ses_ann")

        first, second = await needs.connect(ann.user, "provider1"), await needs.connect(ann.user, "provider2")
        await needs.write(lambda tx: tx.passwords.remove(ann.user.id))
        needs.notices.can_send = False
        await disconnect(needs, needs.call(ann), first.id)
        assert await code_of(disconnect(needs, needs.call(ann), second.id)) == "last_way_in"
        await set_up_passkey(needs, ann)
        await disconnect(needs, needs.call(ann), second.id)
        disconnected = [reason for kind, reason in await needs.happened(ann.user.id) if kind == "provider_disconnected"]
        assert disconnected == ["provider1", "provider2"]

    asyncio.run(run())
