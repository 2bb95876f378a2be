"""The SQL of clients."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.domain.sessions.client import Client
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.server.store.connection import has_word, words

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection, Row, Value

_DAY = 86_400
_COLUMNS = (
    "id, name, grant_types, audience, scope, status_list, status_idx, created_at, auth_method, secret_digest,"
    " second_secret_digest, second_secret_until, jwks, assertion_audience, metadata, rules, origin,"
    " registration_digest, disabled_at, used_at"
)
_UNUSED = "origin <> 'cli' AND used_at IS NULL AND removed_at IS NULL"
"""As the index of such clients has it."""
_KEPT_APART = ("id", "status_list", "status_idx", "created_at", "used_at")
"""Columns that `replace` leaves alone."""
_REPLACED = tuple(name for name in _COLUMNS.split(", ") if name not in _KEPT_APART)


class SqlClients:
    """`gatepass.server.domain.sessions.client.Clients`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, client: Client) -> None:
        """Insert. A client that is the URL of its document may come back after it was removed."""
        await self._connection.row("DELETE FROM clients WHERE id = ?1 AND removed_at IS NOT NULL", client.id)
        values = _values(client)
        marks = ", ".join(f"?{number}" for number in range(1, len(values) + 1))
        await self._connection.row(f"INSERT INTO clients ({_COLUMNS}) VALUES ({marks})", *values.values())

    async def replace(self, client: Client) -> None:
        """Update the columns."""
        values = _values(client)
        changes = ", ".join(f"{name} = ?{number}" for number, name in enumerate(_REPLACED, 2))
        await self._connection.row(
            f"UPDATE clients SET {changes} WHERE id = ?1", client.id, *(values[name] for name in _REPLACED)
        )

    async def note_use(self, client_id: str, now: float) -> None:
        """Update the column, once a day."""
        await self._connection.row(
            "UPDATE clients SET used_at = ?2 WHERE id = ?1 AND (used_at IS NULL OR used_at < ?3)",
            client_id,
            now,
            now - _DAY,
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

    async def any_with(self, scope: str) -> bool:
        """Look for the word among the others."""
        row = await self._connection.row(
            f"SELECT 1 FROM clients WHERE removed_at IS NULL AND {has_word('scope', '?1')} LIMIT 1",
            scope,
        )
        return row is not None

    async def count(self) -> int:
        """Count those that are not removed."""
        row = await self._connection.row("SELECT COUNT(*) FROM clients WHERE removed_at IS NULL")
        return int(row[0] or 0) if row else 0

    async def count_unused(self) -> int:
        """Count by index."""
        row = await self._connection.row(f"SELECT COUNT(*) FROM clients WHERE {_UNUSED}")
        return int(row[0] or 0) if row else 0

    async def unused_since(self, created_before: float, *, most: int) -> list[str]:
        """Select by index."""
        rows = await self._connection.rows(
            f"SELECT id FROM clients WHERE {_UNUSED} AND created_at < ?1 ORDER BY created_at LIMIT ?2",
            created_before,
            most,
        )
        return [str(row[0]) for row in rows]

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


def _values(client: Client) -> dict[str, Value]:
    """The client by columns, in their order."""
    return {
        "id": client.id,
        "name": client.name,
        "grant_types": " ".join(client.grant_types),
        "audience": " ".join(client.audience),
        "scope": " ".join(client.scope),
        "status_list": client.status.list,
        "status_idx": client.status.idx,
        "created_at": client.created_at,
        "auth_method": client.auth_method,
        "secret_digest": client.secret_digest,
        "second_secret_digest": client.second_secret_digest,
        "second_secret_until": client.second_secret_until,
        "jwks": client.jwks,
        "assertion_audience": client.assertion_audience,
        "metadata": msgspec.json.encode(client.metadata).decode(),
        "rules": msgspec.json.encode(client.rules).decode(),
        "origin": client.origin,
        "registration_digest": client.registration_digest,
        "disabled_at": client.disabled_at,
        "used_at": client.used_at,
    }


def _client(row: Row) -> Client:
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    status = {"list": fields.pop("status_list"), "idx": fields.pop("status_idx")}
    lists = {name: words(fields[name]) for name in ("grant_types", "audience", "scope")}
    structs = {
        "metadata": msgspec.json.decode(str(fields["metadata"]), type=ClientMetadata),
        "rules": msgspec.json.decode(str(fields["rules"]), type=ClientRules),
    }
    return msgspec.convert({**fields, **lists, **structs, "status": status}, Client)
