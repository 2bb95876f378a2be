"""This process's copy of stored data, such as keys and revocations, kept current with changes by others."""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatepass.server.domain.ports import Database
    from gatepass.server.domain.revocation.known import KnownRevocations

_OUTDATED_SECONDS = 5.0
"""How long the store may be unreachable before this process reports that its copy is outdated."""


class Replica:
    """Follows changes by any process or node, and knows the age of its copy."""

    def __init__(self, database: Database, known: KnownRevocations) -> None:
        self._database = database
        self._known = known
        self._steps: list[Callable[[], Awaitable[object]]] = []
        self._behind_since: float | None = None

    def add_step(self, step: Callable[[], Awaitable[object]]) -> None:
        """Add a step to run, after the others, when the store has changed."""
        self._steps.append(step)

    async def catch_up(self) -> None:
        """Read the changes."""
        for step in self._steps:
            await step()

    async def follow(self) -> None:
        """Wait for the next change and apply it. Raises as the database does, and stays behind until repeated."""
        if self._behind_since is None:
            await self._database.changed()
            self._behind_since = time.monotonic()  # until the steps below have succeeded
        await self.catch_up()
        self._behind_since = None

    def is_up_to_date(self) -> bool:
        """Whether the copy is at most a few seconds old."""
        known_since = min(self._known.as_of, self._behind_since or inf)
        return time.monotonic() - known_since < _OUTDATED_SECONDS
