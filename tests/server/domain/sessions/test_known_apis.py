"""What a process remembers of the APIs."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

from gatepass.server.domain.sessions.api import Api
from gatepass.server.domain.sessions.known_apis import KnownApis

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.ports import Database


class Store:
    """A store that counts how often it is asked."""

    def __init__(self) -> None:
        self.reads = 0

    async def read(self, _unit: object) -> Sequence[Api]:
        """Give another API each time."""
        self.reads += 1
        return [Api(audience=f"api-{self.reads}", name="", scopes=(), is_public=False, created_at=0)]


def test_they_are_read_once_until_the_store_has_changed() -> None:
    """Requests in between are checked against what is known; what others change is known as soon as it is heard of."""

    async def work() -> None:
        store = Store()
        apis = KnownApis(cast("Database", cast("Any", store)))
        assert [(await apis.all())[0].audience for _ in range(3)] == ["api-1"] * 3
        apis.forget()
        assert (await apis.all())[0].audience == "api-2"

    asyncio.run(work())
