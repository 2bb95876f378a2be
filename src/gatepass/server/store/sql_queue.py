"""The SQL that queues share: tables of what is to be sent, with `id`, `tries`, `created_at` and `due_at`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Generic, TypeVar

import msgspec

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection, Row

Q = TypeVar("Q", bound=msgspec.Struct)


class SqlQueue(Generic[Q]):
    """A queue whose rows any node may take. A struct of `kind` names the columns that are read.

    `receiver` is the column that says who is told, where that is looked for.
    """

    def __init__(self, connection: Connection, table: str, kind: type[Q], receiver: str = "id") -> None:
        self._connection = connection
        self._table = table
        self._kind = kind
        self._receiver = receiver
        self._columns = ", ".join(kind.__struct_fields__)

    async def claim(self, *, now: float, until: float, limit: int) -> list[Q]:
        """Move their due time; of two nodes the second finds that they are no longer due."""
        return await self._claim("", now, until, limit)

    async def claim_of(self, receiver: str, *, now: float, until: float, limit: int) -> list[Q]:
        """As `claim`, of one receiver."""
        return await self._claim(f" AND {self._receiver} = ?4", now, until, limit, receiver)

    async def due_receivers(self, now: float) -> list[str]:
        """Step from one receiver to the next by the index, whatever waits for each."""
        table, receiver = self._table, self._receiver
        rows = await self._connection.rows(
            f"WITH RECURSIVE receivers(id) AS (SELECT MIN({receiver}) FROM {table} UNION ALL"
            f" SELECT (SELECT MIN({receiver}) FROM {table} WHERE {receiver} > receivers.id)"
            " FROM receivers WHERE receivers.id IS NOT NULL)"
            " SELECT id FROM receivers WHERE id IS NOT NULL"
            f" AND EXISTS (SELECT 1 FROM {table} WHERE {receiver} = receivers.id AND due_at <= ?1)",
            now,
        )
        return [str(found) for (found,) in rows]

    async def _claim(self, condition: str, now: float, until: float, limit: int, *values: str) -> list[Q]:
        rows = await self._connection.rows(
            f"UPDATE {self._table} SET due_at = ?2, tries = tries + 1 WHERE due_at <= ?1"
            f" AND id IN (SELECT id FROM {self._table} WHERE due_at <= ?1{condition} ORDER BY due_at, id LIMIT ?3)"
            f" RETURNING {self._columns}",
            now,
            until,
            limit,
            *values,
        )
        return list(map(self._waiting, rows))

    async def is_any_due(self, now: float) -> bool:
        """Look for one by time."""
        row = await self._connection.row(f"SELECT 1 FROM {self._table} WHERE due_at <= ?1 LIMIT 1", now)
        return row is not None

    async def put_off(self, waiting_id: str, due_at: float) -> None:
        """Update by primary key."""
        await self._connection.row(f"UPDATE {self._table} SET due_at = ?2 WHERE id = ?1", waiting_id, due_at)

    async def remove(self, waiting_id: str) -> None:
        """Delete by primary key."""
        await self._connection.row(f"DELETE FROM {self._table} WHERE id = ?1", waiting_id)

    def _waiting(self, row: Row) -> Q:
        return msgspec.convert(dict(zip(self._kind.__struct_fields__, row, strict=True)), self._kind)
