"""The SQL of pushed authorization requests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.sessions.authorization_request import AuthorizationRequest
from gatepass.server.domain.sessions.pushed_request import PushedRequest

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection

_COLUMNS = "digest, client_id, request, expires_at, asked_from"


class SqlPushedRequests:
    """`gatepass.server.domain.sessions.pushed_request.PushedRequests`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, pushed: PushedRequest) -> None:
        """Insert."""
        await self._connection.row(
            f"INSERT INTO pushed_requests ({_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)",
            pushed.digest,
            pushed.client_id,
            msgspec.json.encode(pushed.request).decode(),
            pushed.expires_at,
            pushed.asked_from,
        )

    async def by_digest(self, digest: bytes) -> PushedRequest | None:
        """Find by primary key."""
        row = await self._connection.row(f"SELECT {_COLUMNS} FROM pushed_requests WHERE digest = ?1", digest)
        if row is None:
            return None
        fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
        request = msgspec.json.decode(str(fields["request"]), type=AuthorizationRequest)
        return msgspec.convert({**fields, "request": request}, PushedRequest)

    async def use(self, digest: bytes) -> bool:
        """Delete the row."""
        row = await self._connection.row("DELETE FROM pushed_requests WHERE digest = ?1 RETURNING client_id", digest)
        return row is not None

    async def count_of(self, client_id: str, network: str, now: float) -> tuple[int, int]:
        """Count by index."""
        row = await self._connection.row(
            "SELECT COUNT(*), COUNT(CASE WHEN asked_from = ?2 THEN 1 END) FROM pushed_requests"
            " WHERE client_id = ?1 AND expires_at > ?3",
            client_id,
            network,
            now,
        )
        return (int(row[0] or 0), int(row[1] or 0)) if row else (0, 0)

    async def forget_before(self, expired_at: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM pushed_requests WHERE expires_at < ?1", expired_at)

    async def remove_all_of_client(self, client_id: str) -> None:
        """Delete by client."""
        await self._connection.row("DELETE FROM pushed_requests WHERE client_id = ?1", client_id)
