"""The SQL of passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.credentials.passwords.decoys import Kind
from gatepass.server.domain.credentials.passwords.foreign import kind_of

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection


class SqlPasswords:
    """`gatepass.server.domain.credentials.passwords.hashing.PasswordHashes`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of(self, user_id: str) -> str | None:
        """Find by primary key."""
        row = await self._connection.row("SELECT hash FROM passwords WHERE user_id = ?1", user_id)
        return str(row[0]) if row else None

    async def put(self, user_id: str, password_hash: str, now: float) -> None:
        """Insert or replace."""
        await self._connection.row(
            "INSERT INTO passwords (user_id, hash, changed_at, kind) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (user_id)"
            " DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at, kind = excluded.kind",
            user_id,
            password_hash,
            now,
            kind_of(password_hash),
        )

    async def name_kinds(self, most: int) -> int:
        """Select by the index, and update each."""
        rows = await self._connection.rows("SELECT user_id, hash FROM passwords WHERE kind IS NULL LIMIT ?1", most)
        for user_id, password_hash in rows:
            await self._connection.row(
                "UPDATE passwords SET kind = ?2 WHERE user_id = ?1", user_id, kind_of(str(password_hash))
            )
        return len(rows)

    async def kinds(self) -> list[Kind]:
        """Count by the index."""
        rows = await self._connection.rows(
            "SELECT kind, COUNT(*), MIN(hash) FROM passwords WHERE kind <> '' GROUP BY kind"
        )
        return [Kind(str(kind), int(count or 0), str(sample)) for kind, count, sample in rows]

    async def count(self) -> int:
        """Count all."""
        row = await self._connection.row("SELECT COUNT(*) FROM passwords")
        return int(row[0] or 0) if row else 0

    async def mark_short(self, user_id: str, *, is_short: bool) -> None:
        """Update the column."""
        await self._connection.row("UPDATE passwords SET is_short = ?2 WHERE user_id = ?1", user_id, int(is_short))

    async def is_short(self, user_id: str) -> bool:
        """Find by primary key."""
        row = await self._connection.row("SELECT is_short FROM passwords WHERE user_id = ?1", user_id)
        return row is not None and bool(row[0])

    async def remove(self, user_id: str) -> None:
        """Delete by primary key."""
        await self._connection.row("DELETE FROM passwords WHERE user_id = ?1", user_id)
