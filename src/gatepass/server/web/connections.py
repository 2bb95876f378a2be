"""Limiting the connections of a process, so that a flood of them leaves file descriptors for everything else.

A process without free file descriptors cannot accept connections, open the database or log. So the limit of open files
is raised as far as possible, and connections get what the rest of the server does not need.
"""

from __future__ import annotations

import resource
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatepass.server.base.settings import Settings
    from gatepass.server.web.edge import EdgeProtocol

log = structlog.get_logger("gatepass")

_OTHER_FILES = 64
"""File descriptors besides connections: the database, pipes, mail, other sites, and connections being accepted."""
_FEWEST = 16
_LOGGED_SECONDS = 60.0


def most_connections(settings: Settings, open_files: int) -> int:
    """How many connections a process accepts: `max_connections`, or what the limit of open files allows."""
    if open_files == resource.RLIM_INFINITY:
        return settings.max_connections
    others = _OTHER_FILES + (settings.database_connections if settings.is_on_postgres else 0)
    return min(settings.max_connections, max(_FEWEST, open_files - others))


class Connections:
    """The connections of a process.

    One more than `most` replaces the connection that has been idle longest. If all are busy, it is refused.

    Args:
        most: how many there may be.
        note_refusal: called for each that is refused.
    """

    def __init__(self, most: int, note_refusal: Callable[[], None]) -> None:
        self.most = most
        self._note_refusal = note_refusal
        self._open = 0
        self._idle: dict[EdgeProtocol, None] = {}
        """The idle connections, the one that has waited longest first."""
        self._logged_at = float("-inf")

    def __len__(self) -> int:
        return self._open

    def opened(self) -> bool:
        """Count a new connection, closing an idle one if needed; return whether there is room for it."""
        self._open += 1
        if self.is_full() and self._idle:
            longest = next(iter(self._idle))
            del self._idle[longest]
            longest.transport.close()
            return True
        return not self.is_full()

    def is_full(self) -> bool:
        """Whether there are too many."""
        return self._open > self.most

    def closed(self, connection: EdgeProtocol) -> None:
        """Count one less."""
        self._open -= 1
        self._idle.pop(connection, None)

    def waits(self, connection: EdgeProtocol) -> None:
        """Mark a connection as idle."""
        self._idle[connection] = None

    def works(self, connection: EdgeProtocol) -> None:
        """Mark a connection as busy: the head of a request has arrived."""
        self._idle.pop(connection, None)

    def refused(self, now: float) -> None:
        """Count a refusal, and log it once a minute."""
        self._note_refusal()
        if now - self._logged_at >= _LOGGED_SECONDS:
            self._logged_at = now
            log.warning("too many connections: more are refused", most=self.most)
