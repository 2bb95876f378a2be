"""The SQL of connected accounts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.accounts.linked_identity import Identity

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection, Row

_FIELDS = Identity.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)
_VALUES = ", ".join(f"?{number}" for number in range(1, len(_FIELDS) + 1))


class SqlIdentities:
    """`gatepass.server.domain.accounts.linked_identity.Identities`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, identity: Identity) -> bool:
        """Insert, unless it is there."""
        row = await self._connection.row(
            f"INSERT INTO identities ({_COLUMNS}) VALUES ({_VALUES})"
            " ON CONFLICT (issuer, subject) DO NOTHING RETURNING id",
            *msgspec.structs.astuple(identity),
        )
        return row is not None

    async def find(self, issuer: str, subject: str) -> Identity | None:
        """Find by the unique index."""
        row = await self._connection.row(
            f"SELECT {_COLUMNS} FROM identities WHERE issuer = ?1 AND subject = ?2", issuer, subject
        )
        return None if row is None else _identity(row)

    async def of(self, user_id: str) -> list[Identity]:
        """Select by user."""
        rows = await self._connection.rows(
            f"SELECT {_COLUMNS} FROM identities WHERE user_id = ?1 ORDER BY created_at, id", user_id
        )
        return [_identity(row) for row in rows]

    async def use(self, identity_id: str, *, email: str, now: float) -> None:
        """Update by primary key."""
        await self._connection.row(
            "UPDATE identities SET email = ?2, used_at = ?3 WHERE id = ?1", identity_id, email, now
        )

    async def remove(self, identity_id: str, user_id: str) -> Identity | None:
        """Delete by primary key."""
        row = await self._connection.row(
            f"DELETE FROM identities WHERE id = ?1 AND user_id = ?2 RETURNING {_COLUMNS}", identity_id, user_id
        )
        return None if row is None else _identity(row)

    async def remove_all_of(self, user_id: str) -> None:
        """Delete by user."""
        await self._connection.row("DELETE FROM identities WHERE user_id = ?1", user_id)


def _identity(row: Row) -> Identity:
    return msgspec.convert(dict(zip(_FIELDS, row, strict=True)), Identity)
