"""The SQL of the mail queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.mail.queue import QueuedMail

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection, Row

_COLUMNS = "id, sealed, tries, created_at"


class SqlMails:
    """`gatepass.server.domain.mail.queue.MailQueue`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, mail_id: str, sealed: bytes, *, user_id: str, now: float) -> None:
        """Insert."""
        await self._connection.row(
            "INSERT INTO mails (id, sealed, user_id, tries, created_at, due_at) VALUES (?1, ?2, ?3, 0, ?4, ?4)",
            mail_id,
            sealed,
            user_id,
            now,
        )

    async def claim(self, *, now: float, until: float, limit: int) -> list[QueuedMail]:
        """Move their due time; of two nodes the second finds that they are no longer due."""
        rows = await self._connection.rows(
            "UPDATE mails SET due_at = ?2, tries = tries + 1 WHERE due_at <= ?1"
            " AND id IN (SELECT id FROM mails WHERE due_at <= ?1 ORDER BY due_at, id LIMIT ?3)"
            f" RETURNING {_COLUMNS}",
            now,
            until,
            limit,
        )
        return list(map(_waiting, rows))

    async def is_any_due(self, now: float) -> bool:
        """Look for one by time."""
        return await self._connection.row("SELECT 1 FROM mails WHERE due_at <= ?1 LIMIT 1", now) is not None

    async def put_off(self, mail_id: str, due_at: float) -> None:
        """Update by primary key."""
        await self._connection.row("UPDATE mails SET due_at = ?2 WHERE id = ?1", mail_id, due_at)

    async def remove(self, mail_id: str) -> None:
        """Delete by primary key."""
        await self._connection.row("DELETE FROM mails WHERE id = ?1", mail_id)

    async def latest(self, limit: int) -> list[QueuedMail]:
        """Select by primary key, whose order is that of time."""
        rows = await self._connection.rows(f"SELECT {_COLUMNS} FROM mails ORDER BY id DESC LIMIT ?1", limit)
        return list(map(_waiting, rows))

    async def forget_before(self, created_at: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM mails WHERE created_at < ?1", created_at)

    async def forget_user(self, user_id: str) -> None:
        """Delete by user."""
        await self._connection.row("DELETE FROM mails WHERE user_id = ?1", user_id)


def _waiting(row: Row) -> QueuedMail:
    return msgspec.convert(dict(zip(_COLUMNS.split(", "), row, strict=True)), QueuedMail)
