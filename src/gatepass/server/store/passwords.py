"""The SQL of passwords."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection


class SqlPasswords:
    """`gatepass.server.passwords.hashing.PasswordHashes`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of(self, user_id: str) -> str | None:
        """Find by primary key."""
        row = await self._connection.row("SELECT hash FROM passwords WHERE user_id = ?1", user_id)
        return str(row[0]) if row else None

    async def put(self, user_id: str, password_hash: str, now: float) -> None:
        """Insert or replace."""
        await self._connection.row(
            "INSERT INTO passwords (user_id, hash, changed_at) VALUES (?1, ?2, ?3)"
            " ON CONFLICT (user_id) DO UPDATE SET hash = excluded.hash, changed_at = excluded.changed_at",
            user_id,
            password_hash,
            now,
        )

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
