"""Limits on stream readers: in total, for each address, and streams reserved for clients.

Revocations are public, and a stream stays open while it is read. Anonymous readers can take only their share, and an
API that authenticates as a registered client (HTTP Basic, RFC 6749 §2.3.1) has reserved streams.
"""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gatepass.server.base.errors import Unavailable
from gatepass.server.domain.limits.attempts import network_of

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from starlette.requests import Request

    from gatepass.server.core import Core

_SHORTEST_LIFE = 0.75
"""The part of `stream_seconds` after which streams start to end, at random, so that they do not all end together."""
_RETRY_SECONDS = (5, 15)
"""When a refused reader may try again, chosen at random for each."""


class StreamSlots:
    """The streams of a process: at most half of its connections, some of them reserved for registered clients."""

    def __init__(self, core: Core) -> None:
        settings = core.settings
        self._most = min(settings.max_streams, core.connections.most // 2)
        self._for_anybody = self._most - min(settings.reserved_streams, self._most // 2)
        self._for_an_address = settings.streams_per_address
        self._seconds = settings.stream_seconds
        self._address = core.address
        self._authenticate = core.client_auth.authenticate
        self._taken = 0
        self._by_anybody = 0
        self._by_address: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._taken

    async def take(self, request: Request) -> StreamSlot:
        """Reserve a stream for a reader.

        Raises:
            Refusal: `invalid_client` for credentials that are wrong.
            Unavailable: `too_many_streams`.
        """
        if self._taken >= self._most:
            raise _too_many_streams()
        network = network_of(self._address.of(request))
        if "authorization" not in request.headers:
            return self._take(network)
        try:
            await self._authenticate(request)
        except Unavailable:  # a client that cannot be looked up now is treated as anonymous
            return self._take(network)
        return self._take(None)

    def _take(self, network: str | None) -> StreamSlot:
        """Reserve a stream for a client, or for an anonymous network."""
        if self._taken >= self._most:  # others may have connected while the client was looked up
            raise _too_many_streams()
        if network is not None:
            if self._by_anybody >= self._for_anybody or (network and self._by_address[network] >= self._for_an_address):
                raise _too_many_streams()
            self._by_anybody += 1
            self._by_address[network] += 1
        self._taken += 1
        seconds = self._seconds * random.uniform(_SHORTEST_LIFE, 1)  # noqa: S311 - they only have to end apart
        return StreamSlot(self, network, seconds)

    def give_back(self, network: str | None) -> None:
        """Free the stream."""
        self._taken -= 1
        if network is not None:
            self._by_anybody -= 1
            self._by_address[network] -= 1
            if not self._by_address[network]:
                del self._by_address[network]


class StreamSlot:
    """A reader's reserved stream, to be held and then freed, once."""

    def __init__(self, slots: StreamSlots, network: str | None, seconds: float) -> None:
        self._slots = slots
        self._network = network
        self._seconds = seconds

    @contextmanager
    def held(self, end: Callable[[], None]) -> Generator[None]:
        """Hold it; `end` is called when its time is over, and the reader reconnects."""
        timer = asyncio.get_running_loop().call_later(self._seconds, end)
        try:
            yield
        finally:
            timer.cancel()
            self.give_back()

    def give_back(self) -> None:
        """Free it."""
        self._slots.give_back(self._network)


def _too_many_streams() -> Unavailable:
    return Unavailable(
        "too_many_streams",
        "All streams are taken: fetch the lists and the snapshot instead.",
        retry_after=random.randint(*_RETRY_SECONDS),  # noqa: S311 - they only have to come apart
    )
