"""The SQL of what streams of Shared Signals still have to tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.shared_signals.queue import QueuedSignal
from gatepass.server.store.sql_queue import SqlQueue

if TYPE_CHECKING:
    from collections.abc import Collection

    from gatepass.server.domain.shared_signals.signal_types import SignalType
    from gatepass.server.store.connection import Connection


class SqlSignals(SqlQueue[QueuedSignal]):
    """`gatepass.server.domain.shared_signals.queue.SignalQueue`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "signals", QueuedSignal, "stream_id")

    async def add(self, signal: QueuedSignal) -> None:
        """Insert."""
        values = msgspec.structs.astuple(signal)
        places = ", ".join(f"?{number}" for number in range(1, len(values) + 1))
        await self._connection.row(f"INSERT INTO signals ({self._columns}) VALUES ({places})", *values)

    async def take_back(self, stream_id: str, jtis: Collection[str]) -> list[QueuedSignal]:
        """Delete by `jti`."""
        if not jtis:
            return []
        places = ", ".join(f"?{number}" for number in range(2, len(jtis) + 2))
        rows = await self._connection.rows(
            f"DELETE FROM signals WHERE jti IN ({places}) AND stream_id = ?1 RETURNING {self._columns}",
            stream_id,
            *jtis,
        )
        return list(map(self._waiting, rows))

    async def of_stream(self, stream_id: str, limit: int, *, event: SignalType | None = None) -> list[QueuedSignal]:
        """Select by stream."""
        condition, more = ("", ()) if event is None else (" AND event = ?3", (event,))
        rows = await self._connection.rows(
            f"SELECT {self._columns} FROM signals WHERE stream_id = ?1{condition} ORDER BY id LIMIT ?2",
            stream_id,
            limit,
            *more,
        )
        return list(map(self._waiting, rows))

    async def count(self, stream_id: str, user_id: str) -> tuple[int, int]:
        """Count by stream."""
        row = await self._connection.row(
            "SELECT COUNT(*), COUNT(CASE WHEN user_id = ?2 THEN 1 END) FROM signals WHERE stream_id = ?1",
            stream_id,
            user_id,
        )
        waiting, of_person = row or (0, 0)
        return int(waiting or 0), int(of_person or 0)

    async def keep_latest(self, stream_id: str, user_id: str, most: int) -> None:
        """Delete by stream, up to the one that is so many from the last."""
        await self._connection.row(
            "DELETE FROM signals WHERE stream_id = ?1 AND user_id = ?2 AND id <= (SELECT id FROM signals"
            " WHERE stream_id = ?1 AND user_id = ?2 ORDER BY id DESC LIMIT 1 OFFSET ?3)",
            stream_id,
            user_id,
            most,
        )

    async def remove_of_stream(self, stream_id: str) -> None:
        """Delete by stream."""
        await self._connection.row("DELETE FROM signals WHERE stream_id = ?1", stream_id)

    async def set_due(self, stream_id: str, due_at: float | None) -> None:
        """Update by stream."""
        await self._connection.row("UPDATE signals SET due_at = ?2 WHERE stream_id = ?1", stream_id, due_at)

    async def with_something(self, stream_ids: Collection[str]) -> list[str]:
        """Look for one by stream, and its status by primary key."""
        places = ", ".join(f"?{number}" for number in range(1, len(stream_ids) + 1))
        rows = await self._connection.rows(
            f"SELECT id FROM signal_streams WHERE id IN ({places}) AND EXISTS (SELECT 1 FROM signals"
            " WHERE signals.stream_id = signal_streams.id"
            " AND (signal_streams.status = 'enabled' OR signals.event = 'stream-updated'))",
            *stream_ids,
        )
        return [str(stream_id) for (stream_id,) in rows]

    async def forget_before(self, created_at: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM signals WHERE created_at < ?1", created_at)
