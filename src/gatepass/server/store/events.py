"""The SQL of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.events import Event

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection

_COLUMNS = "id, at, kind, user_id, session_id"


class SqlEvents:
    """`gatepass.server.events.Events`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def record(self, event: Event) -> None:
        """Insert."""
        await self._connection.row(
            f"INSERT INTO events ({_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)",
            event.id,
            event.at,
            event.kind,
            event.user_id,
            event.session_id,
        )

    async def of_session(self, session_id: str) -> list[Event]:
        """Select by session."""
        rows = await self._connection.rows(
            f"SELECT {_COLUMNS} FROM events WHERE session_id = ?1 ORDER BY at, id", session_id
        )
        return [msgspec.convert(dict(zip(_COLUMNS.split(", "), row, strict=True)), Event) for row in rows]
