"""The APIs as each process remembers them: every authorization request is checked against all of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.api import Api

_KNOWN_SECONDS = 1.0


class KnownApis:
    """The APIs, cached for a second at most, and until `forget` is called because the store has changed."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._known: tuple[Sequence[Api], float] = ((), 0.0)

    async def all(self) -> Sequence[Api]:
        """Every API, by audience."""
        apis, until = self._known
        now = asyncio.get_running_loop().time()
        if until <= now:
            apis = await self._database.read(_all)
            self._known = apis, now + _KNOWN_SECONDS
        return apis

    def forget(self) -> None:
        """Clear the cache."""
        self._known = (), 0.0


async def _all(tx: Transaction) -> list[Api]:
    return await tx.apis.all()
