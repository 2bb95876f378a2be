"""The SQL of the server's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.keys.keyring import StoredKey

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection

_COLUMNS = "kid, use, alg, sealed, created_at, retired_at"


class SqlKeys:
    """`gatepass.server.keys.keyring.StoredKeys`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def all(self) -> list[StoredKey]:
        """Select every key."""
        rows = await self._connection.rows(f"SELECT {_COLUMNS} FROM keys ORDER BY created_at DESC, kid")
        return [msgspec.convert(dict(zip(_COLUMNS.split(", "), row, strict=True)), StoredKey) for row in rows]

    async def add(self, key: StoredKey) -> None:
        """Insert."""
        await self._connection.row(
            f"INSERT INTO keys ({_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)",
            key.kid,
            key.use,
            key.alg,
            key.sealed,
            key.created_at,
            key.retired_at,
        )

    async def retire_signing(self, now: float) -> None:
        """Update those that still sign."""
        await self._connection.row("UPDATE keys SET retired_at = ?1 WHERE use = 'sig' AND retired_at IS NULL", now)
