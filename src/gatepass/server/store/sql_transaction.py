"""One transaction's stores over one connection, the same for every database."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.store.events import SqlEvents
from gatepass.server.store.grants import SqlGrants
from gatepass.server.store.keys import SqlKeys
from gatepass.server.store.passwords import SqlPasswords
from gatepass.server.store.sessions import SqlSessions
from gatepass.server.store.users import SqlUsers

if TYPE_CHECKING:
    from gatepass.server.clock import Clock
    from gatepass.server.store.connection import Connection


class SqlTransaction:
    """`gatepass.server.transaction.Transaction`."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self._clock = clock
        self.users = SqlUsers(connection)
        self.passwords = SqlPasswords(connection)
        self.sessions = SqlSessions(connection)
        self.grants = SqlGrants(connection)
        self.keys = SqlKeys(connection)
        self.events = SqlEvents(connection)

    @property
    def now(self) -> float:
        """The database's clock."""
        return self._clock()
