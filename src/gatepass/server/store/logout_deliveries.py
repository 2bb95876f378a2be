"""The SQL of logout deliveries."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.sessions.logout_queue import QueuedLogout
from gatepass.server.store.sql_queue import SqlQueue

if TYPE_CHECKING:
    from gatepass.server.domain.sessions.logout_queue import Logout
    from gatepass.server.store.connection import Connection


class SqlLogoutDeliveries(SqlQueue[QueuedLogout]):
    """`gatepass.server.domain.sessions.logout_queue.LogoutQueue`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "logout_deliveries", QueuedLogout, "client_id")

    async def add(self, delivery_id: str, logout: Logout, now: float) -> None:
        """Insert."""
        await self._connection.row(
            "INSERT INTO logout_deliveries (id, client_id, user_id, session_id, tries, created_at, due_at)"
            " VALUES (?1, ?2, ?3, ?4, 0, ?5, ?5)",
            delivery_id,
            logout.client_id,
            logout.user_id,
            logout.session_id,
            now,
        )
