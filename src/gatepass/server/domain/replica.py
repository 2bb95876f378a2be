"""This process's copy of what the store holds, such as keys and revocations, kept up with what others change."""

from __future__ import annotations

import time
from math import inf
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatepass.server.domain.ports import Database
    from gatepass.server.domain.revocation.known import KnownRevocations

_OUTDATED_SECONDS = 5.0
"""How long the store may be out of sight before this process says that it knows too little."""


class Replica:
    """Takes over what any process or node has changed, step by step, and knows how old the copy is."""

    def __init__(self, database: Database, known: KnownRevocations) -> None:
        self._database = database
        self._known = known
        self._steps: list[Callable[[], Awaitable[object]]] = []
        self._behind_since: float | None = None

    def add_step(self, step: Callable[[], Awaitable[object]]) -> None:
        """Do this too when the store has changed, after what was added before."""
        self._steps.append(step)

    async def catch_up(self) -> None:
        """Read what is new."""
        for step in self._steps:
            await step()

    async def follow(self) -> None:
        """Wait for the next change and take it over. Raises as the database does, and stays behind until repeated."""
        if self._behind_since is None:
            await self._database.changed()
            self._behind_since = time.monotonic()  # until what follows has gone well
        await self.catch_up()
        self._behind_since = None

    def is_up_to_date(self) -> bool:
        """Whether the copy is that of some seconds ago at most."""
        known_since = min(self._known.as_of, self._behind_since or inf)
        return time.monotonic() - known_since < _OUTDATED_SECONDS
