"""One open stream of server-sent events, as the issuer sees it."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import AsyncIterator


class StreamLine:
    """A stream that is open to the follower.

    Attributes:
        is_frozen: Whether it is half-open: what is written is lost, and the connection stays.
        is_open: Whether the follower still listens.
    """

    def __init__(self) -> None:
        self.is_frozen = False
        self.is_open = True
        self._queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    def write(self, octets: bytes) -> None:
        """Send bytes."""
        if not self.is_frozen:
            self._queue.put_nowait(octets)

    def drip(self, octets: bytes) -> None:
        """Send bytes although it is frozen."""
        self._queue.put_nowait(octets)

    def end(self) -> None:
        """End it in an orderly way."""
        self.is_open = False
        self._queue.put_nowait(None)

    async def chunks(self) -> AsyncIterator[bytes]:
        """What is sent, until one side ends it."""
        try:
            while (octets := await self._queue.get()) is not None:
                yield octets
        finally:
            self.is_open = False
