"""Creating, rotating and withdrawing the server's keys: the steps of `keys/schedule.py`, each in one transaction.

Every node and command decides anew inside its transaction, from the stored keys and the database's clock, and a new key
names its generation. So if several act at once, one makes the step and the others find it done.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, assert_never

import msgspec

from gatepass.server.base.errors import StartupError
from gatepass.server.domain.events.event import OPERATOR, SERVER
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.keys.keyring import LiveKeys, new_refresh_key, new_signing_key, outside_key_row
from gatepass.server.domain.keys.schedule import (
    Drop,
    KeySchedule,
    Publish,
    Retire,
    due,
    line,
    next_generation,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.keys.schedule import Step, StoredKey, Use
    from gatepass.server.domain.keys.signer import OutsideKey
    from gatepass.server.domain.ports import Database, Transaction


def pace_of(settings: Settings) -> KeySchedule:
    """The configured pace."""
    return KeySchedule.of(
        rotation=settings.key_rotation_seconds,
        prepublish=settings.key_prepublish_seconds,
        jwks_max_age=settings.jwks_max_age_seconds,
    )


async def stored_keys(database: Database) -> list[StoredKey]:
    """Every stored key."""

    async def unit(tx: Transaction) -> list[StoredKey]:
        return await tx.keys.all()

    return await database.read(unit)


async def provide_keys(  # noqa: PLR0913 - of the server's start, each is another thing
    database: Database,
    data_key: DataKey,
    pace: KeySchedule,
    *,
    alg: str,
    now: float,
    id_token_alg: str | None = None,
    outside: Sequence[OutsideKey] = (),
) -> LiveKeys:
    """Decrypt the stored keys, creating missing ones.

    A configured algorithm other than the last key's is a rotation, and so is another outside key: the new key is
    pre-published now, and signs when every verifier can know it.

    Raises:
        StartupError: when the stored keys are under another master key, or the one that signs is held outside and its
            signer is not among `outside`.
    """
    for key in outside:
        await _let_follow(database, outside_key_row(key, data_key), data_key, pace)
    await make_first_keys(database, data_key, pace, alg=alg)
    stored = await stored_keys(database)
    if (newest := line(stored, "sig")[-1]).held == "here" and newest.alg != alg:
        await rotate(database, data_key, pace, alg=alg)
        stored = await stored_keys(database)
    if id_token_alg is not None and _is_outdated(stored, id_token_alg):
        await _let_id_tokens_have(id_token_alg, database, data_key, pace)
        stored = await stored_keys(database)
    return LiveKeys(stored, data_key, now, outside)


def _is_outdated(stored: Sequence[StoredKey], id_token_alg: str) -> bool:
    """Whether ID tokens have a separate key whose algorithm is no longer the configured one."""
    keys = line(stored, "id_token")
    return bool(keys) and keys[-1].alg != id_token_alg


async def _let_id_tokens_have(alg: str, database: Database, data_key: DataKey, pace: KeySchedule) -> None:
    """Rotate ID tokens to a key of another algorithm, unless the access tokens' key has it and signs them too."""

    async def unit(tx: Transaction) -> bool:
        stored = await tx.keys.all()
        if line(stored, "sig")[0].alg != alg:
            return False
        for key in line(stored, "id_token"):
            await _retire(tx, key.kid, actor=SERVER)
        return True

    if not await database.transaction(unit):
        await rotate(database, data_key, pace, alg=alg, use="id_token")


async def _let_follow(database: Database, new: StoredKey, data_key: DataKey, pace: KeySchedule) -> None:
    """Add an outside key as the next one, unless it is already there. No other key waits before it then."""

    async def unit(tx: Transaction) -> None:
        now, stored = tx.now, await _readable(tx, data_key)
        if any(key.kid == new.kid for key in stored):
            return
        keys = line(stored, "sig")
        for key in keys[1:]:
            if key.held == "here":
                await _retire(tx, key.kid, actor=SERVER)
        await _add(tx, new, stored, signs_from=now + pace.prepublish if keys else now)

    await database.transaction(unit)


async def make_first_keys(database: Database, data_key: DataKey, pace: KeySchedule, *, alg: str) -> None:
    """Create what a new store needs: the first signing key, which signs at once, and the refresh tokens' secret.

    Raises:
        StartupError: when the stored keys are under another master key.
    """
    await take_steps(database, data_key, pace, alg=alg)
    if any(key.use == "refresh" for key in await stored_keys(database)):
        return
    new = new_refresh_key(data_key)

    async def unit(tx: Transaction) -> None:
        stored = await _readable(tx, data_key)
        if not any(key.use == "refresh" for key in stored):
            await _add(tx, new, stored, signs_from=tx.now)

    await database.transaction(unit)


async def take_steps(
    database: Database, data_key: DataKey, pace: KeySchedule, *, alg: str, id_token_alg: str | None = None
) -> bool:
    """Make the steps that are due; return whether there were any. The algorithms are for the very first keys.

    Raises:
        StartupError: when the stored keys are under another master key.
    """

    async def look(tx: Transaction) -> list[Step]:
        return due(await tx.keys.all(), pace, alg=alg, id_token_alg=id_token_alg, now=tx.now)

    steps = await database.read(look)
    if not steps:
        return False
    made = await _make(((step.use, step.alg) for step in steps if isinstance(step, Publish)), data_key)

    async def unit(tx: Transaction) -> None:
        await _readable(tx, data_key)
        await _take_due(tx, made, pace, alg, id_token_alg)

    await database.transaction(unit)
    return True


async def rotate(  # noqa: PLR0913 - the call reads as what is wanted
    database: Database,
    data_key: DataKey,
    pace: KeySchedule,
    *,
    alg: str | None = None,
    at_once: bool = False,
    use: Literal["sig", "id_token"] = "sig",
    actor: str = OPERATOR,
) -> StoredKey:
    """Rotate to another key; return the new key.

    If a key of the right algorithm is already pre-published, it is the new one. The old key keeps verifying while its
    tokens live.

    Args:
        database: Where the keys are.
        data_key: What they are sealed under.
        pace: How long a key is pre-published.
        alg: The algorithm, if it is to be another one than the last key's.
        at_once: Sign with it now. Unless it was pre-published, verifiers that keep the JWKS and never look for an
            unknown key refuse its tokens until they fetch again.
        use: Access tokens, or ID tokens where they have a key of their own.
        actor: Who does it, as the event says.

    Raises:
        StartupError: when the stored keys are under another master key, or there is no key of this use to follow.
    """
    before = line(await stored_keys(database), use)
    if not before:
        raise StartupError(
            "ID tokens have no key of their own.",
            "It is made when a client first may ask for `openid`, unless the access tokens' algorithm is theirs.",
        )
    alg = alg or before[-1].alg
    made = await _make([(use, alg)], data_key)

    async def unit(tx: Transaction) -> StoredKey:
        now, stored = tx.now, await _readable(tx, data_key)
        signing, *waiting = line(stored, use)
        for key in waiting:
            if key.alg != alg:
                await _retire(tx, key.kid, actor=actor)
        if not any(key.alg == alg for key in waiting):
            await _add(tx, made[use, alg], stored, signs_from=now + pace.prepublish, actor=actor)
        if at_once:
            await _retire(tx, signing.kid, actor=actor)
        await _take_due(tx, made, pace, alg)
        return line(await tx.keys.all(), use)[-1]

    return await database.transaction(unit)


async def retire(database: Database, data_key: DataKey, kid: str, *, actor: str = OPERATOR) -> StoredKey | None:
    """Stop signing with a key; its tokens stay valid. Returns the key that signs now, None if there is no such key.

    Raises:
        StartupError: when the stored keys are under another master key.
    """
    return await _withdraw(database, data_key, kid, is_compromised=False, actor=actor)


async def compromise(database: Database, data_key: DataKey, kid: str, *, actor: str = OPERATOR) -> StoredKey | None:
    """Withdraw a key and tell every verifier. Returns the key that signs now, None if there is no such key.

    Raises:
        StartupError: when the stored keys are under another master key.
    """
    return await _withdraw(database, data_key, kid, is_compromised=True, actor=actor)


async def _withdraw(
    database: Database, data_key: DataKey, kid: str, *, is_compromised: bool, actor: str
) -> StoredKey | None:
    """Withdraw a key; the next one takes over, or a new one of the same algorithm."""
    key = _find(await stored_keys(database), kid)
    if key is None:
        return None
    made = await _make([(key.use, key.alg)], data_key)

    async def unit(tx: Transaction) -> StoredKey | None:
        now, stored = tx.now, await _readable(tx, data_key)
        key = _find(stored, kid)
        if key is None:
            return None
        if is_compromised:
            await tx.keys.mark_compromised(kid, now)
            await tx.revocations.revoke_key(kid, now)
            await record(tx, "key_compromised", actor=OPERATOR, reason=kid)
        else:
            await _retire(tx, kid, actor=actor)
        if key.retired_at is None and not line(await tx.keys.all(), key.use):
            await _add(tx, made[key.use, key.alg], stored, signs_from=now)
        left = await tx.keys.all()
        return (line(left, key.use) or line(left, "sig"))[0]

    return await database.transaction(unit)


def _find(stored: Iterable[StoredKey], kid: str) -> StoredKey | None:
    """A signing key by its id; not the secret of the refresh tokens."""
    return next((key for key in stored if key.kid == kid and key.use != "refresh"), None)


async def _make(wanted: Iterable[tuple[Use, str]], data_key: DataKey) -> dict[tuple[Use, str], StoredKey]:
    """Make keys in a thread, before the transaction that may need one."""
    return {(use, alg): await asyncio.to_thread(new_signing_key, alg, data_key, use=use) for use, alg in wanted}


async def _readable(tx: Transaction, data_key: DataKey) -> list[StoredKey]:
    """Every key, if the data key decrypts them: with keys under two, the server could never start again."""
    stored = await tx.keys.all()
    for key in stored:
        data_key.unseal(key.sealed, key.kid)
    return stored


async def _take_due(
    tx: Transaction,
    made: Mapping[tuple[Use, str], StoredKey],
    pace: KeySchedule,
    alg: str,
    id_token_alg: str | None = None,
) -> None:
    stored, now = await tx.keys.all(), tx.now
    for step in due(stored, pace, alg=alg, id_token_alg=id_token_alg, now=now):
        match step:
            case Publish(use=use, alg=new_alg):
                # A key that was not made beforehand is made the next time.
                if (new := made.get((use, new_alg))) is not None:
                    is_first = not line(stored, use)
                    await _add(tx, new, stored, signs_from=now if is_first else now + pace.prepublish)
            case Retire(kid=kid):
                await _retire(tx, kid, actor=SERVER)
            case Drop(kid=kid):
                await tx.keys.drop(kid)
            case _:
                assert_never(step)


async def _retire(tx: Transaction, kid: str, *, actor: str) -> None:
    await tx.keys.retire(kid, tx.now)
    await record(tx, "key_retired", actor=actor, reason=kid)


async def _add(
    tx: Transaction, key: StoredKey, stored: Iterable[StoredKey], *, signs_from: float, actor: str = SERVER
) -> None:
    await record(tx, "key_added", actor=actor, reason=key.kid)
    generation = next_generation(stored, key.use)
    await tx.keys.add(msgspec.structs.replace(key, created_at=tx.now, signs_from=signs_from, generation=generation))
