"""The SQL of the roles that operators keep."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.accounts.role_table import Role
from gatepass.server.store.connection import words

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection


class SqlRoles:
    """`gatepass.server.domain.accounts.role_table.StoredRoles`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def all(self) -> list[Role]:
        """Select all."""
        rows = await self._connection.rows("SELECT name, permissions FROM roles ORDER BY name")
        return [Role(name=str(name), permissions=words(permissions)) for name, permissions in rows]

    async def put(self, role: Role) -> None:
        """Insert, or update by primary key."""
        await self._connection.row(
            "INSERT INTO roles (name, permissions) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET permissions = ?2",
            role.name,
            " ".join(role.permissions),
        )

    async def remove(self, name: str) -> None:
        """Delete by primary key."""
        await self._connection.row("DELETE FROM roles WHERE name = ?1", name)
