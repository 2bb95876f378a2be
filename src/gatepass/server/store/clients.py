"""The SQL of clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.domain.sessions.client import Client
from gatepass.server.store.connection import words

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection, Row

_COLUMNS = (
    "id, name, grant_types, audience, scope, status_list, status_idx, created_at, secret_digest, jwks,"
    " assertion_audience"
)


class SqlClients:
    """`gatepass.server.domain.sessions.client.Clients`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, client: Client) -> None:
        """Insert."""
        await self._connection.row(
            f"INSERT INTO clients ({_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
            client.id,
            client.name,
            " ".join(client.grant_types),
            " ".join(client.audience),
            " ".join(client.scope),
            client.status.list,
            client.status.idx,
            client.created_at,
            client.secret_digest,
            client.jwks,
            client.assertion_audience,
        )

    async def by_id(self, client_id: str) -> Client | None:
        """Find by primary key."""
        row = await self._connection.row(
            f"SELECT {_COLUMNS} FROM clients WHERE id = ?1 AND removed_at IS NULL", client_id
        )
        return _client(row) if row else None

    async def all(self) -> list[Client]:
        """Select those that are not removed."""
        rows = await self._connection.rows(f"SELECT {_COLUMNS} FROM clients WHERE removed_at IS NULL ORDER BY name, id")
        return [_client(row) for row in rows]

    async def count(self) -> int:
        """Count those that are not removed."""
        row = await self._connection.row("SELECT COUNT(*) FROM clients WHERE removed_at IS NULL")
        return int(row[0] or 0) if row else 0

    async def rotate_secret(self, client_id: str, secret_digest: bytes, status: StatusIndex) -> StatusIndex | None:
        """Read the place, then update both: the transaction keeps anybody else from coming between."""
        before = await self.by_id(client_id)
        if before is None:
            return None
        await self._connection.row(
            "UPDATE clients SET secret_digest = ?2, jwks = NULL, status_list = ?3, status_idx = ?4 WHERE id = ?1",
            client_id,
            secret_digest,
            status.list,
            status.idx,
        )
        return before.status

    async def set_rights(self, client_id: str, *, audience: tuple[str, ...], scope: tuple[str, ...]) -> None:
        """Update the columns."""
        await self._connection.row(
            "UPDATE clients SET audience = ?2, scope = ?3 WHERE id = ?1", client_id, " ".join(audience), " ".join(scope)
        )

    async def move(self, client_id: str, status: StatusIndex) -> None:
        """Update the columns."""
        await self._connection.row(
            "UPDATE clients SET status_list = ?2, status_idx = ?3 WHERE id = ?1", client_id, status.list, status.idx
        )

    async def remove(self, client_id: str, now: float) -> StatusIndex | None:
        """Mark the row."""
        row = await self._connection.row(
            "UPDATE clients SET removed_at = ?2 WHERE id = ?1 AND removed_at IS NULL RETURNING status_list, status_idx",
            client_id,
            now,
        )
        return StatusIndex(int(row[0] or 0), int(row[1] or 0)) if row else None


def _client(row: Row) -> Client:
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    place = {"list": fields.pop("status_list"), "idx": fields.pop("status_idx")}
    lists = {name: words(fields[name]) for name in ("grant_types", "audience", "scope")}
    return msgspec.convert({**fields, **lists, "status": place}, Client)
