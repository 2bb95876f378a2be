"""The SQL of events."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.events.event import MOST_SHOWN, DayCount, Event
from gatepass.server.domain.webhooks.names import PUBLIC_NAMES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.events.event import EventFilter, EventKind
    from gatepass.server.store.connection import Connection, Row

_DAY = 86_400.0
EVENT_COLUMNS = "id, at, kind, user_id, session_id, actor, reason, jti, address, user_agent"
_HAS_READER = "EXISTS (SELECT 1 FROM event_readers)"
_IS_NEWS = f"CASE WHEN {_HAS_READER} THEN 1 ELSE 0 END"
_IS_PUBLIC_NEWS = f"CASE WHEN EXISTS (SELECT 1 FROM webhooks) OR {_HAS_READER} THEN 1 ELSE 0 END"
"""Asked in the statement that writes the event: without a webhook and a plugin it costs nothing more."""


class SqlEvents:
    """`gatepass.server.domain.events.event.Events`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def record(self, event: Event) -> None:
        """Insert."""
        await self._connection.row(
            f"INSERT INTO events ({EVENT_COLUMNS}, is_news) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10,"
            f" {_IS_PUBLIC_NEWS if event.kind in PUBLIC_NAMES else _IS_NEWS})",
            event.id,
            event.at,
            event.kind,
            event.user_id,
            event.session_id,
            event.actor,
            event.reason,
            event.jti,
            event.address,
            event.user_agent,
        )

    async def of_session(self, session_id: str) -> list[Event]:
        """Select by session."""
        rows = await self._connection.rows(
            f"SELECT {EVENT_COLUMNS} FROM events WHERE session_id = ?1 ORDER BY at, id", session_id
        )
        return list(map(event_of, rows))

    async def of_user(self, user_id: str) -> list[Event]:
        """Select by user."""
        rows = await self._connection.rows(
            f"SELECT {EVENT_COLUMNS} FROM events WHERE user_id = ?1 ORDER BY at DESC, id DESC LIMIT ?2",
            user_id,
            MOST_SHOWN,
        )
        return list(map(event_of, rows))

    async def after(self, event_id: str, *, user_id: str | None = None, limit: int = 1_000) -> list[Event]:
        """Select a page by primary key."""
        if user_id is None:
            rows = await self._connection.rows(
                f"SELECT {EVENT_COLUMNS} FROM events WHERE id > ?1 ORDER BY id LIMIT ?2", event_id, limit
            )
        else:
            rows = await self._connection.rows(
                f"SELECT {EVENT_COLUMNS} FROM events WHERE user_id = ?3 AND id > ?1 ORDER BY id LIMIT ?2",
                event_id,
                limit,
                user_id,
            )
        return list(map(event_of, rows))

    async def page(self, events: EventFilter) -> list[Event]:
        """Select a page by primary key, or by the index of the narrowest condition."""
        wanted = {"id < {}": events.before or None, "kind = {}": events.kind, "user_id = {}": events.user_id}
        clauses, values = ["id > ?1"], [events.after]
        for clause, value in wanted.items():
            if value is not None:
                values.append(value)
                clauses.append(clause.format(f"?{len(values)}"))
        if events.client_id is not None:
            values.append(events.client_id)
            clauses.append(f"(actor = ?{len(values)} OR reason = ?{len(values)})")
        order = "ASC" if events.before is None else "DESC"
        rows = await self._connection.rows(
            f"SELECT {EVENT_COLUMNS} FROM events WHERE {' AND '.join(clauses)}"
            f" ORDER BY id {order} LIMIT {events.limit:d}",
            *values,
        )
        return list(map(event_of, rows))

    async def daily(self, kinds: Sequence[EventKind], since: float) -> list[DayCount]:
        """Count by time."""
        places = ", ".join(f"?{number}" for number in range(2, len(kinds) + 2))
        rows = await self._connection.rows(
            f"SELECT FLOOR(at / {_DAY}) AS day, kind, COUNT(*) FROM events WHERE at >= ?1 AND kind IN ({places})"
            " GROUP BY 1, 2 ORDER BY 1, 2",
            since,
            *kinds,
        )
        return [DayCount(int(day or 0), str(kind), int(count or 0)) for day, kind, count in rows]

    async def sign_ins_since(self, at: float) -> tuple[int, int]:
        """Count by time."""
        row = await self._connection.row(
            "SELECT COUNT(*), COUNT(CASE WHEN address = '' THEN 1 END) FROM events"
            " WHERE at >= ?1 AND kind IN ('signed_in', 'sign_in_refused')",
            at,
        )
        tried, unknown = row or (0, 0)
        return int(tried or 0), int(unknown or 0)

    async def reasons_since(self, kind: EventKind, at: float) -> dict[str, int]:
        """Count by time and reason."""
        rows = await self._connection.rows(
            "SELECT reason, COUNT(*) FROM events WHERE at >= ?1 AND kind = ?2 GROUP BY reason", at, kind
        )
        return {str(reason): int(count or 0) for reason, count in rows}

    async def settings_seen(self) -> dict[str, str]:
        """Select all."""
        rows = await self._connection.rows("SELECT name, digest FROM settings_seen")
        return {str(name): str(digest) for name, digest in rows}

    async def see_settings(self, digests: dict[str, str]) -> None:
        """Insert or replace each."""
        for name, digest in digests.items():
            await self._connection.row(
                "INSERT INTO settings_seen (name, digest) VALUES (?1, ?2)"
                " ON CONFLICT (name) DO UPDATE SET digest = excluded.digest",
                name,
                digest,
            )

    async def forget_before(self, at: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM events WHERE at < ?1", at)

    async def forget_user(self, user_id: str) -> None:
        """Delete by user."""
        await self._connection.row("DELETE FROM events WHERE user_id = ?1", user_id)


def event_of(row: Row) -> Event:
    """An event, of the row that has `EVENT_COLUMNS`."""
    return msgspec.convert(dict(zip(EVENT_COLUMNS.split(", "), row, strict=True)), Event)
