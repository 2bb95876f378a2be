"""The SQL of attempts."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.limits.attempts import NEVER, Tried

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection, Row


class SqlAttempts:
    """`gatepass.server.domain.limits.attempts.Attempts`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of(self, subject: str, *, since: float) -> Tried:
        """Find by primary key."""
        return _tried(
            await self._connection.row(
                "SELECT failures, changes, last_at FROM attempts WHERE subject = ?1 AND began_at > ?2", subject, since
            )
        )

    async def hold(self, subject: str, *, since: float, now: float) -> Tried:
        """Write the row unchanged, which locks it on PostgreSQL."""
        row = await self._connection.row(
            "INSERT INTO attempts (subject, failures, changes, last_of, began_at, last_at)"
            " VALUES (?1, 0, 0, '', ?2, ?2) ON CONFLICT (subject) DO UPDATE SET failures = attempts.failures"
            " RETURNING failures, changes, last_at, began_at",
            subject,
            now,
        )
        return _tried(row[:3]) if row is not None and float(row[3] or 0) > since else NEVER

    async def count(self, subject: str, *, at: str, since: float, now: float) -> Tried:
        """Insert, or add to the count."""
        return _tried(
            await self._connection.row(
                "INSERT INTO attempts (subject, failures, changes, last_of, began_at, last_at)"
                " VALUES (?1, 1, 0, ?2, ?3, ?3) ON CONFLICT (subject) DO UPDATE SET"
                " failures = CASE WHEN attempts.began_at > ?4 THEN attempts.failures + 1 ELSE 1 END,"
                " changes = CASE WHEN attempts.began_at <= ?4 THEN 0"
                " WHEN attempts.last_of = excluded.last_of THEN attempts.changes ELSE attempts.changes + 1 END,"
                " began_at = CASE WHEN attempts.began_at > ?4 THEN attempts.began_at ELSE excluded.began_at END,"
                " last_of = excluded.last_of, last_at = excluded.last_at"
                " RETURNING failures, changes, last_at",
                subject,
                at,
                now,
                since,
            )
        )

    async def clear(self, subject: str) -> None:
        """Delete by primary key."""
        await self._connection.row("DELETE FROM attempts WHERE subject = ?1", subject)

    async def forget_before(self, since: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM attempts WHERE began_at <= ?1", since)


def _tried(row: Row | None) -> Tried:
    if row is None:
        return NEVER
    failures, changes, last_at = row
    return Tried(failures=int(failures or 0), changes=int(changes or 0), last_at=float(last_at or 0))
