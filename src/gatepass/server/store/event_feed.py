"""The SQL of the feed that plugins are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.events.feed import EventReader
from gatepass.server.store.events import EVENT_COLUMNS, event_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.events.event import Event
    from gatepass.server.store.connection import Connection, Row

_READER = "name, position, tries, error, due_at, seen_at"


class SqlEventFeed:
    """`gatepass.server.domain.events.feed.EventFeed`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def register(self, name: str, now: float) -> None:
        """Insert at the end of the feed, or update when it was seen."""
        await self._connection.row(
            f"INSERT INTO event_readers ({_READER}) VALUES (?1, ?2, 0, '', ?3, ?3)"
            " ON CONFLICT (name) DO UPDATE SET seen_at = excluded.seen_at",
            name,
            await self._end(),
            now,
        )

    async def readers(self) -> list[EventReader]:
        """Select all."""
        rows = await self._connection.rows(f"SELECT {_READER} FROM event_readers ORDER BY name")
        return list(map(_reader, rows))

    async def append(self, events: Sequence[Event]) -> None:
        """Insert after the end."""
        if await self._connection.row("SELECT 1 FROM event_readers LIMIT 1") is None:
            return
        end = await self._end()
        for position, event in enumerate(events, end + 1):
            values = msgspec.structs.astuple(event)
            places = ", ".join(f"?{number}" for number in range(2, len(values) + 2))
            await self._connection.row(
                f"INSERT INTO event_feed (position, {EVENT_COLUMNS}) VALUES (?1, {places})", position, *values
            )

    async def is_waiting(self, name: str, now: float) -> bool:
        """Look by primary keys."""
        row = await self._connection.row(
            "SELECT 1 FROM event_readers WHERE name = ?1 AND due_at <= ?2"
            " AND EXISTS (SELECT 1 FROM event_feed WHERE event_feed.position > event_readers.position)",
            name,
            now,
        )
        return row is not None

    async def claim(self, name: str, *, now: float, until: float) -> EventReader | None:
        """Update by primary key."""
        row = await self._connection.row(
            f"UPDATE event_readers SET due_at = ?3, seen_at = ?2 WHERE name = ?1 AND due_at <= ?2 RETURNING {_READER}",
            name,
            now,
            until,
        )
        return None if row is None else _reader(row)

    async def after(self, position: int, limit: int) -> list[tuple[int, Event]]:
        """Select by primary key."""
        rows = await self._connection.rows(
            f"SELECT position, {EVENT_COLUMNS} FROM event_feed WHERE position > ?1 ORDER BY position LIMIT ?2",
            position,
            limit,
        )
        return [(int(row[0] or 0), event_of(row[1:])) for row in rows]

    async def move(self, name: str, position: int, *, due_at: float, tries: int = 0, error: str = "") -> None:
        """Update by primary key."""
        await self._connection.row(
            "UPDATE event_readers SET position = ?2, due_at = ?3, tries = ?4, error = ?5 WHERE name = ?1",
            name,
            position,
            due_at,
            tries,
            error,
        )

    async def forget_user(self, user_id: str) -> None:
        """Delete by user, and update by actor."""
        await self._connection.row("DELETE FROM event_feed WHERE user_id = ?1", user_id)
        await self._connection.row("UPDATE event_feed SET actor = '' WHERE actor = ?1", user_id)

    async def forget_before(self, at: float) -> None:
        """Delete by position and time."""
        await self._connection.row("DELETE FROM event_readers WHERE seen_at < ?1", at)
        await self._connection.row(
            "DELETE FROM event_feed WHERE at < ?1"
            " OR position <= (SELECT COALESCE(MIN(position), 9223372036854775807) FROM event_readers)",
            at,
        )

    async def _end(self) -> int:
        """The last position: of an event, or of a reader once the event is gone."""
        row = await self._connection.row(
            "SELECT COALESCE(MAX(position), 0) FROM"
            " (SELECT MAX(position) AS position FROM event_feed"
            " UNION ALL SELECT MAX(position) FROM event_readers) AS positions"
        )
        return int((row or (0,))[0] or 0)


def _reader(row: Row) -> EventReader:
    return msgspec.convert(dict(zip(_READER.split(", "), row, strict=True)), EventReader)
