"""The SQL of sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.sessions.session import MOST_SHOWN, Session, SessionInUse
from gatepass.server.store.connection import words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.sessions.session import EndReason
    from gatepass.server.store.connection import Connection, Row, Value

_COLUMNS = "id, user_id, auth_time, acr, amr, address, user_agent, expires_at, kind, client_id, known_as, approved_in"


class SqlSessions:
    """`gatepass.server.domain.sessions.session.Sessions`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, session: Session) -> None:
        """Insert."""
        await self._connection.row(
            f"INSERT INTO sessions ({_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
            session.id,
            session.user_id,
            session.auth_time,
            session.acr,
            " ".join(session.amr),
            session.address,
            session.user_agent,
            session.expires_at,
            session.kind,
            session.client_id,
            session.known_as,
            session.approved_in,
        )

    async def is_live(self, session_id: str, user_id: str, now: float) -> bool:
        """Look at the one row."""
        row = await self._connection.row(
            "SELECT 1 FROM sessions WHERE id = ?1 AND user_id = ?2 AND ended_at IS NULL AND expires_at > ?3",
            session_id,
            user_id,
            now,
        )
        return row is not None

    async def live(self, session_id: str, now: float) -> Session | None:
        """Find by primary key."""
        row = await self._connection.row(
            f"SELECT {_COLUMNS} FROM sessions WHERE id = ?1 AND ended_at IS NULL AND expires_at > ?2", session_id, now
        )
        return _session(row) if row else None

    async def all_of(self, user_id: str) -> list[Session]:
        """Select by user."""
        rows = await self._connection.rows(
            f"SELECT {_COLUMNS} FROM sessions WHERE user_id = ?1 ORDER BY auth_time, id", user_id
        )
        return list(map(_session, rows))

    async def remove_all_of(self, user_id: str) -> None:
        """Delete by user."""
        await self._connection.row("DELETE FROM sessions WHERE user_id = ?1", user_id)

    async def live_of(self, user_id: str, *, now: float, idle_seconds: float) -> list[SessionInUse]:
        """Join with the grants, whose last refresh tells when the session was last used."""
        columns = ", ".join(f"sessions.{name}" for name in _COLUMNS.split(", "))
        rows = await self._connection.rows(
            f"SELECT {columns}, (SELECT name FROM clients WHERE clients.id = sessions.client_id),"
            " MAX(grants.answered_at) AS last_seen"
            " FROM sessions JOIN grants ON session_id = sessions.id"
            " WHERE sessions.user_id = ?1 AND sessions.ended_at IS NULL AND sessions.expires_at > ?2"
            " AND sessions.kind <> 'assertion' AND grants.ended_at IS NULL AND grants.answered_at > ?3"
            f" GROUP BY {columns} ORDER BY last_seen DESC LIMIT ?4",
            user_id,
            now,
            now - idle_seconds,
            MOST_SHOWN,
        )
        return [_in_use(row) for row in rows]

    async def end(self, session_id: str, user_id: str, *, reason: EndReason, now: float) -> bool:
        """Update the row."""
        row = await self._connection.row(
            "UPDATE sessions SET ended_at = ?3, end_reason = ?4"
            " WHERE id = ?1 AND user_id = ?2 AND ended_at IS NULL AND expires_at > ?3 RETURNING id",
            session_id,
            user_id,
            now,
            reason,
        )
        return row is not None

    async def prove_again(self, session_id: str, *, acr: str, amr: tuple[str, ...], now: float) -> bool:
        """Update the row."""
        row = await self._connection.row(
            "UPDATE sessions SET auth_time = ?2, acr = ?3, amr = ?4"
            " WHERE id = ?1 AND ended_at IS NULL AND expires_at > ?2 RETURNING id",
            session_id,
            now,
            acr,
            " ".join(amr),
        )
        return row is not None

    async def go_on_from(self, session_id: str, known_as: str) -> None:
        """Update by primary key."""
        await self._connection.row("UPDATE sessions SET known_as = ?2 WHERE id = ?1", session_id, known_as)

    async def forget_expired(self, before: float, most: int) -> int:
        """Delete the grants, which refer to the sessions, and then these.

        Another node may have deleted the same rows meanwhile; the oldest are then others, whose grants still exist.
        """
        oldest = "SELECT id FROM sessions WHERE expires_at < ?1 ORDER BY expires_at, id LIMIT ?2"
        await self._connection.rows(f"DELETE FROM grants WHERE session_id IN ({oldest})", before, most)
        gone = await self._connection.rows(
            f"DELETE FROM sessions WHERE id IN ({oldest})"
            " AND NOT EXISTS (SELECT 1 FROM grants WHERE session_id = sessions.id) RETURNING 1",
            before,
            most,
        )
        return len(gone)

    async def end_all(self, *, reason: EndReason, now: float) -> int:
        """Update every active row."""
        ended = await self._connection.rows(
            "UPDATE sessions SET ended_at = ?1, end_reason = ?2 WHERE ended_at IS NULL AND expires_at > ?1 RETURNING 1",
            now,
            reason,
        )
        return len(ended)

    async def end_all_of(self, user_id: str, *, reason: EndReason, now: float, keep: str = "") -> int:
        """Update the rows."""
        ended = await self._connection.rows(
            "UPDATE sessions SET ended_at = ?2, end_reason = ?3"
            " WHERE user_id = ?1 AND ended_at IS NULL AND expires_at > ?2 AND id <> ?4 RETURNING id",
            user_id,
            now,
            reason,
            keep,
        )
        return len(ended)

    async def end_all_of_client(self, client_id: str, *, reason: EndReason, now: float) -> None:
        """Update the rows."""
        await self._connection.row(
            "UPDATE sessions SET ended_at = ?2, end_reason = ?3"
            " WHERE client_id = ?1 AND ended_at IS NULL AND expires_at > ?2",
            client_id,
            now,
            reason,
        )

    async def end_of_client(self, user_id: str, client_id: str, *, reason: EndReason, now: float) -> None:
        """Update the rows."""
        await self._connection.row(
            "UPDATE sessions SET ended_at = ?3, end_reason = ?4"
            " WHERE user_id = ?1 AND client_id = ?2 AND ended_at IS NULL AND expires_at > ?3",
            user_id,
            client_id,
            now,
            reason,
        )


def _in_use(row: Row) -> SessionInUse:
    *session, client_name, last_seen = row
    return SessionInUse(session=_session(session), last_seen=float(last_seen or 0), client_name=str(client_name or ""))


def _session(row: Sequence[Value]) -> Session:
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return msgspec.convert(fields | {"amr": words(fields["amr"])}, Session)
