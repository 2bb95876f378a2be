"""Who may follow the stream: so many readers in total and from one address, and places that only clients get.

Anybody may read what is revoked, and a stream is held for as long as it is read. So strangers can fill no more than
their share, and an API that proves to be a registered client (HTTP Basic, RFC 6749 §2.3.1) finds a place beside them.
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
"""The part of `stream_seconds` after which the first streams end: those that began together do not end together."""
_RETRY_SECONDS = (5, 15)
"""When whoever found no place may ask again, drawn anew for each."""


class Places:
    """The streams of a process: half of its connections at most, some of them kept for registered clients."""

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

    async def take(self, request: Request) -> StreamPlace:
        """Take a place for a reader.

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
        except Unavailable:  # whoever cannot be looked up just now is served like anybody
            return self._take(network)
        return self._take(None)

    def _take(self, network: str | None) -> StreamPlace:
        """Take one for a client, or for anybody from a network; from one that is not known as well."""
        if self._taken >= self._most:  # others may have come while the client was looked up
            raise _too_many_streams()
        if network is not None:
            if self._by_anybody >= self._for_anybody or (network and self._by_address[network] >= self._for_an_address):
                raise _too_many_streams()
            self._by_anybody += 1
            self._by_address[network] += 1
        self._taken += 1
        seconds = self._seconds * random.uniform(_SHORTEST_LIFE, 1)  # noqa: S311 - they only have to end apart
        return StreamPlace(self, network, seconds)

    def give_back(self, network: str | None) -> None:
        """Let another reader have the place."""
        self._taken -= 1
        if network is not None:
            self._by_anybody -= 1
            self._by_address[network] -= 1
            if not self._by_address[network]:
                del self._by_address[network]


class StreamPlace:
    """A reader's place, to be held and then given back, once."""

    def __init__(self, places: Places, network: str | None, seconds: float) -> None:
        self._places = places
        self._network = network
        self._seconds = seconds

    @contextmanager
    def held(self, end: Callable[[], None]) -> Generator[None]:
        """Hold it; `end` is called when its time is over. Then the reader comes again, if there is a place."""
        timer = asyncio.get_running_loop().call_later(self._seconds, end)
        try:
            yield
        finally:
            timer.cancel()
            self.give_back()

    def give_back(self) -> None:
        """Give it back."""
        self._places.give_back(self._network)


def _too_many_streams() -> Unavailable:
    return Unavailable(
        "too_many_streams",
        "All streams are taken; lists and snapshot are served as ever.",
        retry_after=random.randint(*_RETRY_SECONDS),  # noqa: S311 - they only have to come apart
    )
