"""The SQL of the server's keys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.keys.schedule import StoredKey

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection

_FIELDS = StoredKey.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)
_VALUES = ", ".join(f"?{number}" for number in range(1, len(_FIELDS) + 1))


class SqlKeys:
    """`gatepass.server.domain.keys.schedule.StoredKeys`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def all(self) -> list[StoredKey]:
        """Select every key."""
        rows = await self._connection.rows(f"SELECT {_COLUMNS} FROM keys ORDER BY use, generation DESC")
        return [msgspec.convert(dict(zip(_FIELDS, row, strict=True)), StoredKey) for row in rows]

    async def add(self, key: StoredKey) -> bool:
        """Insert, unless the generation is taken."""
        row = await self._connection.row(
            f"INSERT INTO keys ({_COLUMNS}) VALUES ({_VALUES}) ON CONFLICT (use, generation) DO NOTHING RETURNING kid",
            *msgspec.structs.astuple(key),
        )
        return row is not None

    async def retire(self, kid: str, now: float) -> None:
        """Update, once."""
        await self._connection.row("UPDATE keys SET retired_at = ?2 WHERE kid = ?1 AND retired_at IS NULL", kid, now)

    async def mark_compromised(self, kid: str, now: float) -> None:
        """Update, once."""
        await self._connection.row(
            "UPDATE keys SET compromised_at = ?2, retired_at = COALESCE(retired_at, ?2)"
            " WHERE kid = ?1 AND compromised_at IS NULL",
            kid,
            now,
        )

    async def drop(self, kid: str) -> None:
        """Delete."""
        await self._connection.row("DELETE FROM keys WHERE kid = ?1", kid)

    async def sealed_data_key(self) -> bytes | None:
        """Select the one row."""
        row = await self._connection.row("SELECT sealed FROM data_key WHERE one = 1")
        if row is None:
            return None
        (sealed,) = row
        assert isinstance(sealed, bytes)
        return sealed

    async def keep_data_key(self, sealed: bytes) -> None:
        """Insert or update the one row."""
        await self._connection.row(
            "INSERT INTO data_key (one, sealed) VALUES (1, ?1)"
            " ON CONFLICT (one) DO UPDATE SET sealed = excluded.sealed",
            sealed,
        )
