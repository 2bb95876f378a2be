"""The SQL of revocations and status lists."""

from __future__ import annotations

import secrets
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


class SqlRevocations:
    """`gatepass.server.domain.revocation.log.RevocationLog`.

    What a unit revokes is written at its end, right before the commit: ids come from the one row that counts them, so
    that whoever holds it commits before the next can take it, and nobody is to hold it for longer than that. A sequence
    would not do: it gives ids in order of request, and a reader that has seen 8 would never look for the 7 that commits
    after it.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._indexes: list[tuple[StatusIndex, float]] = []
        self._names: list[tuple[Value, ...]] = []

    @property
    def has_news(self) -> bool:
        """Whether the unit has revoked anything so far."""
        return bool(self._indexes or self._names)

    def begin(self) -> None:
        """Forget what an earlier unit revoked, which was published, or undone."""
        self._indexes, self._names = [], []

    async def publish(self) -> None:
        """Write all that the unit has revoked."""
        await self.publish_names()
        for statement in self.indexes_statements():
            await self._connection.row(statement)

    async def publish_names(self) -> None:
        """Write the tokens and keys that the unit has revoked."""
        if not self._names:
            return
        await self._connection.row(_taking(len(self._names)))
        for number, values in enumerate(self._names, 1 - len(self._names)):
            await self._connection.row(
                "INSERT INTO revocations (id, jti, kid, expires_at, client_id)"
                f" SELECT last_id + ({number}), ?1, ?2, ?3, ?4 FROM revocation_head WHERE one = 1",
                *values,
            )

    def indexes_statements(self) -> tuple[str, ...]:
        """What writes the status indexes that the unit has revoked. There are only our own numbers in it.

        Without parameters, so that a database over a network can take it in one message with the commit.
        """
        if not self._indexes:
            return ()
        parts = (self._indexes[start : start + _AT_ONCE] for start in range(0, len(self._indexes), _AT_ONCE))
        return tuple(statement for part in parts for statement in (_taking(len(part)), _insertion(part)))

    async def revoke_indexes(self, indexes: Sequence[StatusIndex], now: float) -> None:
        """Keep them for the end of the unit."""
        self._indexes += [(index, now + KEPT_SECONDS) for index in indexes]

    async def revoke_token(self, jti: str, *, client_id: str, expires_at: float) -> None:
        """Keep it for the end of the unit."""
        self._names.append((jti, None, expires_at, client_id))

    async def count_names(self, now: float) -> dict[str, int]:
        """Count all of them."""
        rows = await self._connection.rows(
            "SELECT COALESCE(client_id, ''), COUNT(*) FROM revocations"
            " WHERE jti IS NOT NULL AND expires_at > ?1 GROUP BY COALESCE(client_id, '')",
            now,
        )
        return {str(client_id): int(count or 0) for client_id, count in rows}

    async def revoke_key(self, kid: str, now: float) -> None:
        """Keep it for the end of the unit."""
        self._names.append((None, kid, now + KEPT_SECONDS, None))

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


def _taking(count: int) -> str:
    """Take the next ids: the last of them is `last_id` then."""
    return f"UPDATE revocation_head SET last_id = last_id + {count:d} WHERE one = 1"


def _insertion(indexes: Sequence[tuple[StatusIndex, float]]) -> str:
    """Write status indexes, with the ids that were just taken for them."""
    rows = ", ".join(
        f"({number:d}, {index.list:d}, {index.idx:d}, CAST({expires_at!r} AS DOUBLE PRECISION))"
        for number, (index, expires_at) in enumerate(indexes, 1 - len(indexes))
    )
    return (
        "INSERT INTO revocations (id, status_list, status_idx, expires_at)"
        f" SELECT last_id + column1, column2, column3, column4 FROM revocation_head, (VALUES {rows}) AS revoked"
        " WHERE one = 1"
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
