"""The SQL of APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.sessions.api import Api, ApiScope

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection, Row

_COLUMNS = "audience, name, scopes, is_public, created_at"


class SqlApis:
    """`gatepass.server.domain.sessions.api.Apis`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, api: Api) -> None:
        """Insert, or update what is there."""
        await self._connection.row(
            f"INSERT INTO apis ({_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)"
            " ON CONFLICT (audience) DO UPDATE SET name = ?2, scopes = ?3, is_public = ?4",
            api.audience,
            api.name,
            msgspec.json.encode(api.scopes).decode(),
            int(api.is_public),
            api.created_at,
        )

    async def all(self) -> list[Api]:
        """Select all."""
        return [_api(row) for row in await self._connection.rows(f"SELECT {_COLUMNS} FROM apis ORDER BY audience")]

    async def remove(self, audience: str) -> bool:
        """Delete the row."""
        row = await self._connection.row("DELETE FROM apis WHERE audience = ?1 RETURNING audience", audience)
        return row is not None


def _api(row: Row) -> Api:
    audience, name, scopes, is_public, created_at = row
    return Api(
        audience=str(audience),
        name=str(name),
        scopes=msgspec.json.decode(str(scopes), type=tuple[ApiScope, ...]),
        is_public=bool(is_public),
        created_at=float(created_at or 0),
    )
