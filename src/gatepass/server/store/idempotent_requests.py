"""The SQL of requests that can be repeated."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.limits.idempotency import Earlier

if TYPE_CHECKING:
    from gatepass.server.domain.limits.idempotency import Repeatable
    from gatepass.server.store.connection import Connection


class SqlIdempotentRequests:
    """`gatepass.server.domain.limits.idempotency.IdempotentRequests`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def begin(self, repeatable: Repeatable, *, now: float, expires_at: float) -> Earlier | None:
        """Insert, unless it is there and has not expired."""
        made = await self._connection.row(
            "INSERT INTO idempotent_requests (id, body, status, sealed, expires_at) VALUES (?1, ?2, 0, ?3, ?4)"
            " ON CONFLICT (id) DO UPDATE SET body = ?2, status = 0, sealed = ?3, expires_at = ?4"
            " WHERE idempotent_requests.expires_at <= ?5 RETURNING id",
            repeatable.id,
            repeatable.body,
            b"",
            expires_at,
            now,
        )
        if made is not None:
            return None
        row = await self._connection.row(
            "SELECT body, status, sealed FROM idempotent_requests WHERE id = ?1", repeatable.id
        )
        assert row is not None, "it conflicts with a row"
        return msgspec.convert(dict(zip(("body", "status", "sealed"), row, strict=True)), Earlier)

    async def finish(self, request_id: bytes, *, status: int, sealed: bytes) -> None:
        """Update by primary key."""
        await self._connection.row(
            "UPDATE idempotent_requests SET status = ?2, sealed = ?3 WHERE id = ?1", request_id, status, sealed
        )

    async def forget(self, request_id: bytes) -> None:
        """Delete by primary key."""
        await self._connection.row("DELETE FROM idempotent_requests WHERE id = ?1", request_id)

    async def forget_expired(self, now: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM idempotent_requests WHERE expires_at <= ?1", now)
