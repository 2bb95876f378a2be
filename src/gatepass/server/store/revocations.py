"""The SQL of revocations and status lists."""

from __future__ import annotations

import secrets
from functools import cache
from typing import TYPE_CHECKING

from gatepass.server.domain.revocation.log import KEPT_SECONDS, Revocation
from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.domain.revocation.status_indexes import Block
from gatepass.tokens.revocation_event import Position
from gatepass.tokens.status_list import SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from gatepass.server.store.connection import Connection, Row, Value

_EPOCH_BYTES = 8
_AT_ONCE = 100


@cache
def _insertion_of_places(count: int) -> str:
    """An INSERT of this many status indexes, each with an id, list and index, which all expire at ?1."""
    rows = ", ".join(f"(?{3 * row + 2}, ?{3 * row + 3}, ?{3 * row + 4}, ?1)" for row in range(count))
    return f"INSERT INTO revocations (id, status_list, status_idx, expires_at) VALUES {rows}"


class SqlRevocations:
    """`gatepass.server.domain.revocation.log.RevocationLog`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def revoke_indexes(self, indexes: Sequence[StatusIndex], now: float) -> None:
        """Allocate ids for all of them, and insert, many in one statement."""
        first = await self._take_ids(len(indexes)) + 1
        for start in range(0, len(indexes), _AT_ONCE):
            some = indexes[start : start + _AT_ONCE]
            values = [
                value
                for event_id, index in enumerate(some, first + start)
                for value in (event_id, index.list, index.idx)
            ]
            await self._connection.row(_insertion_of_places(len(some)), now + KEPT_SECONDS, *values)

    async def revoke_token(self, jti: str, *, client_id: str, expires_at: float) -> None:
        """Take an id, and insert."""
        await self._insert(await self._take_ids(1) + 1, None, None, jti, None, expires_at, client_id)

    async def count_names(self, now: float) -> dict[str, int]:
        """Count all of them."""
        rows = await self._connection.rows(
            "SELECT COALESCE(client_id, ''), COUNT(*) FROM revocations"
            " WHERE jti IS NOT NULL AND expires_at > ?1 GROUP BY COALESCE(client_id, '')",
            now,
        )
        return {str(client_id): int(count or 0) for client_id, count in rows}

    async def revoke_key(self, kid: str, now: float) -> None:
        """Take an id, and insert."""
        await self._insert(await self._take_ids(1) + 1, None, None, None, kid, now + KEPT_SECONDS, None)

    async def is_revoked(self, *, status: StatusIndex | None, jti: str, now: float) -> bool:
        """Look up either, by index."""
        index = status or StatusIndex(0, 0)
        row = await self._connection.row(
            "SELECT 1 WHERE EXISTS (SELECT 1 FROM revocations WHERE status_list = ?1 AND status_idx = ?2"
            " AND expires_at > ?4) OR EXISTS (SELECT 1 FROM revocations WHERE jti = ?3 AND expires_at > ?4)",
            index.list,
            index.idx,
            jti,
            now,
        )
        return row is not None

    async def head(self) -> Position:
        """Read the one row; if it is missing, nothing was revoked in the first epoch."""
        row = await self._connection.row("SELECT epoch, last_id FROM revocation_head WHERE one = 1")
        return Position(str(row[0]), int(row[1] or 0)) if row else Position("", 0)

    async def after(self, event_id: int, now: float) -> list[Revocation]:
        """Select by id."""
        rows = await self._connection.rows(
            "SELECT id, status_list, status_idx, jti, kid, expires_at FROM revocations"
            " WHERE id > ?1 AND expires_at > ?2 ORDER BY id",
            event_id,
            now,
        )
        return [_revocation(row) for row in rows]

    async def open_epoch(self) -> None:
        """Name a new epoch; ids continue, because the status indexes of the old one stay in use."""
        await self._connection.row(
            "INSERT INTO revocation_head (one, epoch, last_id) VALUES (1, ?1, 0)"
            " ON CONFLICT (one) DO UPDATE SET epoch = excluded.epoch",
            secrets.token_hex(_EPOCH_BYTES),
        )

    async def forget_expired(self, now: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM revocations WHERE expires_at <= ?1", now)

    async def _take_ids(self, count: int) -> int:
        """Allocate ids from the one row that counts them: the transaction that holds it commits before the next can.

        A sequence would not do: it allocates in order of request, and a reader that has seen 8 would never look for the
        7 that commits after it.
        """
        row = await self._connection.row(
            "UPDATE revocation_head SET last_id = last_id + ?1 WHERE one = 1 RETURNING last_id - ?1", count
        )
        assert row is not None, "the store's first epoch is opened before anything is served"
        return int(row[0] or 0)

    async def _insert(self, *values: Value) -> None:
        await self._connection.row(
            "INSERT INTO revocations (id, status_list, status_idx, jti, kid, expires_at, client_id)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            *values,
        )


class SqlStatusLists:
    """`gatepass.server.domain.revocation.status_indexes.StatusLists`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def reserve(self, count: int, *, new_sealed_key: Callable[[int], bytes], now: float) -> Block:
        """Add to the newest list's counter, or open the next list."""
        block = await self._reserve(count)
        if block is None:
            await self._open(new_sealed_key, now)
            block = await self._reserve(count)
        assert block is not None, "a new list has room"
        return block

    async def all(self) -> list[int]:
        """Select every number."""
        rows = await self._connection.rows("SELECT list FROM status_lists ORDER BY list")
        return [int(row[0] or 0) for row in rows]

    async def _open(self, new_sealed_key: Callable[[int], bytes], now: float) -> None:
        """Insert the next number; of two nodes at once, the second finds it there."""
        row = await self._connection.row("SELECT MAX(list) FROM status_lists")
        number = int(row[0] or 0) + 1 if row else 1
        await self._connection.row(
            "INSERT INTO status_lists (list, sealed_key, reserved, opened_at, epoch)"
            " VALUES (?1, ?2, 0, ?3, COALESCE((SELECT epoch FROM revocation_head WHERE one = 1), ''))"
            " ON CONFLICT (list) DO NOTHING",
            number,
            new_sealed_key(number),
            now,
        )

    async def _reserve(self, count: int) -> Block | None:
        row = await self._connection.row(
            "UPDATE status_lists SET reserved = reserved + ?1"
            " WHERE list = (SELECT MAX(list) FROM status_lists) AND reserved + ?1 <= ?2"
            " AND epoch = COALESCE((SELECT epoch FROM revocation_head WHERE one = 1), '')"
            " RETURNING list, sealed_key, reserved - ?1",
            count,
            SIZE,
        )
        if row is None:
            return None
        number, sealed_key, first = row
        assert isinstance(sealed_key, bytes)
        return Block(int(number or 0), sealed_key, int(first or 0), count)


def _revocation(row: Row) -> Revocation:
    event_id, status_list, status_idx, jti, kid, expires_at = row
    return Revocation(
        id=int(event_id or 0),
        expires_at=float(expires_at or 0),
        status=None if status_list is None else StatusIndex(int(status_list), int(status_idx or 0)),
        jti=None if jti is None else str(jti),
        kid=None if kid is None else str(kid),
    )
