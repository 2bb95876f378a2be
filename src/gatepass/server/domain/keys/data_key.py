"""Decrypting the data key with the master key, and re-encrypting it under another."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from gatepass.server.base.errors import StartupError
from gatepass.server.domain.keys.master_key import (
    KEY_BYTES,
    DataKey,
    accept_master_key,
    load_master_key,
    load_master_keys,
    only_one_changes,
    propose_master_key,
    proposed_master_key,
    read_master_keys,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from gatepass.server.domain.keys.master_key import MasterKey
    from gatepass.server.domain.ports import Database, Transaction

_CONTEXT = "data key"


async def unlock(database: Database, masters: Sequence[MasterKey], path: Path) -> DataKey:
    """Decrypt a database's data key with the available master key; a new database gets both.

    Args:
        database: the database.
        masters: what `read_master_keys` found.
        path: where the master key's file is, or will be.

    Raises:
        StartupError: when the master key is missing or another one. Then nothing has been written: a new key would
            stand where the right one is to be put back.
    """
    if masters:
        return await open_data_key(database, masters)

    async def look(tx: Transaction) -> bytes | None:
        return await tx.keys.sealed_data_key()

    if await database.read(look) is not None:
        raise StartupError(
            f"The master key is missing: there is no {path}, and this database was made with one.",
            "Restore the file that belongs to this database, or set GATEPASS_MASTER_KEY to its content.",
        )
    return await open_data_key(database, (load_master_key(path),))


async def open_data_key(database: Database, masters: Sequence[MasterKey]) -> DataKey:
    """Decrypt a database's data key, creating one if there is none.

    Raises:
        StartupError: when none of the master keys is the right one.
    """

    async def look(tx: Transaction) -> bytes | None:
        return await tx.keys.sealed_data_key()

    sealed = await database.read(look) or await _make(database, masters[0])
    return DataKey(_unseal(sealed, masters))


async def rewrap(database: Database, masters: Sequence[MasterKey], new: MasterKey) -> None:
    """Encrypt the data key under another master key. Doing it twice changes nothing.

    Raises:
        StartupError: when neither the new master key nor one of the others is the right one.
    """

    async def unit(tx: Transaction) -> None:
        sealed = await tx.keys.sealed_data_key()
        if sealed is not None:
            await tx.keys.keep_data_key(new.seal(_unseal(sealed, (*masters, new)), _CONTEXT))

    await database.transaction(unit)


async def change_master_key_file(database: Database, path: Path, new: Path | None) -> None:
    """Change the master key file: to the key in the file `new` (created if absent), or to a random one.

    The new key is on disk beside the old one before the database needs it, and replaces it afterwards. A process that
    opens the database in between tries both; an interrupted change is completed by the next.

    Raises:
        StartupError: when the files cannot be read or written, or hold another database's key.
    """
    await unlock(database, read_master_keys("", path), path)  # before anything is written
    with only_one_changes(path):
        if proposed_master_key(path) is not None:
            await _move(database, path)
        propose_master_key(path, new)
        await _move(database, path)


async def _move(database: Database, path: Path) -> None:
    masters = load_master_keys("", path)
    await rewrap(database, masters, masters[-1])
    accept_master_key(path)


async def _make(database: Database, master: MasterKey) -> bytes:
    new = master.seal(os.urandom(KEY_BYTES), _CONTEXT)

    async def unit(tx: Transaction) -> bytes:
        if (sealed := await tx.keys.sealed_data_key()) is not None:
            return sealed  # another process was faster
        if await tx.keys.all():
            raise StartupError(
                "This database was made by a development version, without a data key.",
                "Use an empty --data-dir.",
            )
        await tx.keys.keep_data_key(new)
        return new

    return await database.transaction(unit)


def _unseal(sealed: bytes, masters: Sequence[MasterKey]) -> bytes:
    """Try each master key; the error of the last one counts."""
    for master in masters[:-1]:
        try:
            return master.unseal(sealed, _CONTEXT)
        except StartupError:
            continue
    return masters[-1].unseal(sealed, _CONTEXT)
