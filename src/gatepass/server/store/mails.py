"""The SQL of the mail queue."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.mail.queue import QueuedMail
from gatepass.server.store.sql_queue import SqlQueue

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection


class SqlMails(SqlQueue[QueuedMail]):
    """`gatepass.server.domain.mail.queue.MailQueue`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "mails", QueuedMail)

    async def add(self, mail_id: str, sealed: bytes, *, user_id: str, now: float) -> None:
        """Insert."""
        await self._connection.row(
            "INSERT INTO mails (id, sealed, user_id, tries, created_at, due_at) VALUES (?1, ?2, ?3, 0, ?4, ?4)",
            mail_id,
            sealed,
            user_id,
            now,
        )

    async def latest(self, limit: int) -> list[QueuedMail]:
        """Select by primary key, whose order is that of time."""
        rows = await self._connection.rows(f"SELECT {self._columns} FROM mails ORDER BY id DESC LIMIT ?1", limit)
        return list(map(self._waiting, rows))

    async def forget_before(self, created_at: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM mails WHERE created_at < ?1", created_at)

    async def forget_user(self, user_id: str) -> None:
        """Delete by user."""
        await self._connection.row("DELETE FROM mails WHERE user_id = ?1", user_id)
