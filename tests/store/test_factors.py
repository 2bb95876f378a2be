"""Second factors and passkeys: what counts once counts once, and what is one person's is nobody else's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from tests.support.server import NOON

from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.credentials.factors import Factors
from gatepass.server.domain.credentials.passkeys.passkey import Passkey
from gatepass.server.domain.credentials.totp import TotpSecret
from gatepass.server.domain.credentials.trusted_devices import TrustedDevice
from gatepass.server.domain.sessions.revoke import drop_factors

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction

ANN, BOB = "usr_ann", "usr_bob"
SECRET = TotpSecret(user_id=ANN, sealed=b"\x00sealed", last_step=0, created_at=NOON)
PASSKEY = Passkey(
    id="psk_1",
    user_id=ANN,
    credential_id=b"\x00credential",
    public_key=b"\xffkey",
    sign_count=0,
    can_be_backed_up=True,
    is_backed_up=False,
    aaguid="00000000-0000-0000-0000-000000000000",
    transports=("internal", "hybrid"),
    name="My telephone ☎",
    created_at=NOON,
)
DEVICE = TrustedDevice(
    id="dev_1",
    user_id=ANN,
    digest=b"d" * 32,
    address="192.0.2.1",
    user_agent="test",
    created_at=NOON,
    expires_at=NOON + 60,
)


async def people(tx: Transaction) -> None:
    """Two people."""
    for user_id in (ANN, BOB):
        await tx.users.add(User(id=user_id, email=f"{user_id}@example.test", created_at=NOON))


def test_a_secret_is_replaced_until_it_is_confirmed(database: Database) -> None:
    """And each step is used once, in order, by one of any number of callers."""

    async def unit(tx: Transaction) -> None:
        await people(tx)
        other = msgspec.structs.replace(SECRET, sealed=b"other")
        assert await tx.totp.put(SECRET)
        assert await tx.totp.put(other)
        assert await tx.totp.of(ANN) == other
        assert not await tx.totp.use(ANN, 5)
        assert (await tx.factors.of(ANN)).kinds == ()
        assert await tx.totp.confirm(ANN, 5, NOON)
        assert not await tx.totp.confirm(ANN, 6, NOON)
        assert not await tx.totp.put(SECRET)
        assert [await tx.totp.use(ANN, step) for step in (5, 7, 6, 7, 8)] == [False, True, False, False, True]
        assert await tx.totp.of(ANN) == msgspec.structs.replace(other, last_step=8, confirmed_at=NOON)
        assert not await tx.totp.use(BOB, 9)
        assert await tx.totp.remove(ANN)
        assert not await tx.totp.remove(ANN)

    asyncio.run(database.transaction(unit))


def test_recovery_codes_go_one_by_one(database: Database) -> None:
    """Each once, its owner's only; new ones replace what is left."""

    async def unit(tx: Transaction) -> None:
        await people(tx)
        await tx.recovery_codes.replace(ANN, [b"1" * 32, b"2" * 32, b"3" * 32])
        await tx.recovery_codes.replace(BOB, [b"4" * 32])
        assert not await tx.recovery_codes.use(BOB, b"1" * 32)
        assert await tx.recovery_codes.use(ANN, b"1" * 32)
        assert not await tx.recovery_codes.use(ANN, b"1" * 32)
        assert await tx.factors.of(ANN) == Factors(passkeys=0, totp=0, recovery_codes=2)
        assert (await tx.factors.of(ANN)).kinds == ()  # without another factor they stand in for none
        await tx.recovery_codes.replace(ANN, [b"5" * 32])
        assert not await tx.recovery_codes.use(ANN, b"2" * 32)
        assert await tx.recovery_codes.use(BOB, b"4" * 32)

    asyncio.run(database.transaction(unit))


def test_a_passkey_comes_back_as_it_went_in(database: Database) -> None:
    """By its credential, which is one person's; its counter goes up, or stays 0 with those that do not count."""

    async def unit(tx: Transaction) -> None:
        await people(tx)
        assert await tx.passkeys.add(PASSKEY)
        assert not await tx.passkeys.add(msgspec.structs.replace(PASSKEY, id="psk_2", user_id=BOB))
        assert await tx.passkeys.by_credential(PASSKEY.credential_id) == PASSKEY
        assert await tx.passkeys.by_credential(b"other") is None
        counts = (0, 0, 4, 4, 3, 0, 5)
        used = [
            await tx.passkeys.use(PASSKEY.id, sign_count=count, is_backed_up=True, now=NOON + 1) for count in counts
        ]
        assert used == [True, True, True, False, False, False, True]
        changed = msgspec.structs.replace(PASSKEY, sign_count=5, is_backed_up=True, used_at=NOON + 1)
        assert await tx.passkeys.of(ANN) == [changed]
        assert not await tx.passkeys.rename(PASSKEY.id, BOB, "mine")
        assert await tx.passkeys.rename(PASSKEY.id, ANN, "mine")
        assert not await tx.passkeys.remove(PASSKEY.id, BOB)
        assert [each.name for each in await tx.passkeys.of(ANN)] == ["mine"]
        assert await tx.passkeys.remove(PASSKEY.id, ANN)

    asyncio.run(database.transaction(unit))


def test_what_was_set_up_since_a_moment_goes(database: Database) -> None:
    """A passkey by when it was made, a secret by when it was made or confirmed, and nobody else's."""

    async def unit(tx: Transaction) -> None:
        await people(tx)
        await tx.passkeys.add(PASSKEY)
        other = msgspec.structs.replace(PASSKEY, id="psk_2", credential_id=b"2", created_at=PASSKEY.created_at + 1)
        await tx.passkeys.add(other)
        assert not await tx.passkeys.remove_made_since(BOB, 0)
        assert not await tx.passkeys.remove_made_since(ANN, other.created_at + 1)
        assert await tx.passkeys.remove_made_since(ANN, other.created_at)
        assert await tx.passkeys.of(ANN) == [PASSKEY]
        await tx.totp.put(TotpSecret(user_id=ANN, sealed=b"s", last_step=0, created_at=NOON))
        assert not await tx.totp.remove_set_up_since(ANN, NOON + 1)
        await tx.totp.confirm(ANN, 1, NOON + 5)
        assert not await tx.totp.remove_set_up_since(BOB, NOON)
        assert not await tx.totp.remove_set_up_since(ANN, NOON + 6)
        assert await tx.totp.remove_set_up_since(ANN, NOON + 5)
        assert await tx.totp.of(ANN) is None

    asyncio.run(database.transaction(unit))


def test_devices_are_one_persons_and_end(database: Database) -> None:
    """Known to the person until they expire or are forgotten."""

    async def unit(tx: Transaction) -> None:
        await people(tx)
        await tx.devices.add(DEVICE)
        assert await tx.devices.knows(ANN, DEVICE.digest, NOON)
        assert not await tx.devices.knows(BOB, DEVICE.digest, NOON)
        assert not await tx.devices.knows(ANN, b"e" * 32, NOON)
        assert not await tx.devices.knows(ANN, DEVICE.digest, NOON + 60)
        assert await tx.devices.of(ANN, NOON) == [DEVICE]
        assert await tx.devices.of(ANN, NOON + 60) == []
        assert not await tx.devices.forget(DEVICE.id, BOB)
        assert await tx.devices.forget(DEVICE.id, ANN)
        await tx.devices.add(DEVICE)
        await tx.devices.forget_expired(NOON + 59)
        assert await tx.devices.of(ANN, NOON) == [DEVICE]
        await tx.devices.forget_expired(NOON + 60)
        assert await tx.devices.of(ANN, NOON) == []

    asyncio.run(database.transaction(unit))


def test_everything_is_dropped_at_once(database: Database) -> None:
    """And nothing of anybody else's; after that the person can be removed."""

    async def unit(tx: Transaction) -> None:
        await people(tx)
        await tx.totp.put(SECRET)
        await tx.totp.confirm(ANN, 1, NOON)
        await tx.passkeys.add(PASSKEY)
        await tx.recovery_codes.replace(ANN, [b"1" * 32])
        await tx.recovery_codes.replace(BOB, [b"1" * 32])
        await tx.devices.add(DEVICE)
        assert (await tx.factors.of(ANN)).kinds == ("passkey", "totp", "recovery_code")
        await drop_factors(tx, ANN)
        assert await tx.factors.of(ANN) == Factors(passkeys=0, totp=0, recovery_codes=0)
        assert (await tx.factors.of(BOB)).recovery_codes == 1
        assert await tx.devices.of(ANN, NOON) == []
        await tx.users.remove(ANN)

    asyncio.run(database.transaction(unit))


def test_sessions_say_what_was_proved_last(database: Database) -> None:
    """A session that has ended says nothing new."""
    from tests.store.test_sessions import grant, session  # noqa: PLC0415

    async def unit(tx: Transaction) -> None:
        await people(tx)
        await tx.sessions.add(session(1, NOON + 100))
        await tx.grants.add(grant(1, NOON + 100))
        amr = ("pwd", "otp", "mfa")
        assert await tx.sessions.prove_again("ses_1", acr="2", amr=amr, now=NOON + 5)
        bearer = await tx.grants.bearer_at(grant(1, 0).status)
        assert bearer is not None
        assert (bearer.acr, bearer.amr, bearer.auth_time, bearer.session_id) == ("2", amr, NOON + 5, "ses_1")
        await tx.grants.end_of_session("ses_1", NOON + 6)
        assert await tx.grants.bearer_at(grant(1, 0).status) is None
        assert await tx.grants.owner_at(grant(1, 0).status) is None
        await tx.sessions.end("ses_1", ANN, reason="logout", now=NOON + 6)
        assert not await tx.sessions.prove_again("ses_1", acr="2", amr=amr, now=NOON + 7)

    asyncio.run(database.transaction(unit))
