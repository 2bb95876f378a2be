"""The SQL of single-use tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatepass.server.domain.limits.used_once import Purpose
    from gatepass.server.store.connection import Connection


class SqlUsedOnce:
    """`gatepass.server.domain.limits.used_once.UsedOnce`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def use(self, purpose: Purpose, token_id: str, *, expires_at: float) -> bool:
        """Insert, unless it is there."""
        row = await self._connection.row(
            "INSERT INTO used_once (purpose, token_id, expires_at) VALUES (?1, ?2, ?3)"
            " ON CONFLICT (purpose, token_id) DO NOTHING RETURNING purpose",
            purpose,
            token_id,
            expires_at,
        )
        return row is not None

    async def was_used(self, purpose: Purpose, token_id: str) -> bool:
        """Find by primary key."""
        row = await self._connection.row(
            "SELECT 1 FROM used_once WHERE purpose = ?1 AND token_id = ?2", purpose, token_id
        )
        return row is not None

    async def forget_expired(self, now: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM used_once WHERE expires_at <= ?1", now)
