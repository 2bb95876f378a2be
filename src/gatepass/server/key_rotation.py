"""Making, rotating and reading the server's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.keys.keyring import (
    LiveKeys,
    is_symmetric,
    new_refresh_key,
    new_signing_key,
    signs,
)

if TYPE_CHECKING:
    from gatepass.server.keys.keyring import (
        StoredKey,
    )
    from gatepass.server.keys.master_key import MasterKey
    from gatepass.server.transaction import Database, Transaction

DOCUMENTS_ALG = "ES256"
"""What status lists and events are signed with where the tokens' key is a shared secret."""


async def stored_keys(database: Database) -> list[StoredKey]:
    """Every key that is stored."""

    async def unit(tx: Transaction) -> list[StoredKey]:
        return await tx.keys.all()

    return await database.read(unit)


async def provide_keys(database: Database, master: MasterKey, alg: str, now: float) -> LiveKeys:
    """Open the stored keys, making what is missing; another algorithm than the last one's means a new signing key."""
    stored = await stored_keys(database)
    if not any(signs(key) and key.alg == alg for key in stored):
        stored = await rotate(database, master, alg, now, only_if_missing=True)
    return LiveKeys(stored, master, now)


async def rotate(
    database: Database, master: MasterKey, alg: str, now: float, *, only_if_missing: bool = False
) -> list[StoredKey]:
    """Sign with a new key from now on; the old one goes on verifying while its tokens live. Every key is returned.

    With `only_if_missing`, of two processes that start at once only one makes the key.

    Raises:
        StartupError: when the stored keys are under another master key.
    """
    signing_key, refresh_key = new_signing_key(alg, master, now), new_refresh_key(master, now)
    documents_key = new_signing_key(DOCUMENTS_ALG, master, now, use="documents") if is_symmetric(alg) else None

    async def unit(tx: Transaction) -> list[StoredKey]:
        stored = await tx.keys.all()
        for key in stored:
            master.unseal(key.sealed, key.kid)  # keys under two master keys would keep the server from starting
        if not any(key.use == "refresh" for key in stored):
            await tx.keys.add(refresh_key)
        if documents_key is not None and not any(key.use == "documents" for key in stored):
            await tx.keys.add(documents_key)
        if not (only_if_missing and any(signs(key) and key.alg == alg for key in stored)):
            await tx.keys.retire_signing(tx.now)
            await tx.keys.add(signing_key)
        return await tx.keys.all()

    return await database.transaction(unit)
