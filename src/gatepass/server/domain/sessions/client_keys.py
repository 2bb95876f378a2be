"""The public keys of clients that sign: registered by value (`jwks`), or published by the client (`jwks_uri`).

Published keys are fetched when they are first needed, never while a client registers, and again when they are no longer
fresh or a signature names one that is not known. While a client's host is away, the keys known before go on.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import structlog

from gatepass.jose import KeySet
from gatepass.jose.errors import InvalidPolicyError, UnknownKeyError
from gatepass.verify.fetch import follow
from gatepass.verify.issuer import FetchError, IssuerKeys

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from gatepass.server.domain.public_fetch import PublicFetch
    from gatepass.server.domain.sessions.client import Client

    T = TypeVar("T")

log = structlog.get_logger("gatepass")

_MOST_KEPT = 1_000
"""Clients whose published keys are remembered; of more, those asked for last."""


class _Published:
    """The keys at one URL, and the lock that lets one fetch it at a time."""

    def __init__(self, url: str) -> None:
        parts = urlsplit(url)
        self.keys = IssuerKeys(f"{parts.scheme}://{parts.netloc}", jwks_url=url)
        self.lock = asyncio.Lock()


class ClientKeys:
    """Looks up clients' keys."""

    def __init__(self, fetch: PublicFetch) -> None:
        self._fetch = fetch
        self._published: OrderedDict[str, _Published] = OrderedDict()

    async def check(self, client: Client, check: Callable[[KeySet], T], *, now: float) -> T:
        """Check something that a client has signed.

        Args:
            client: The client.
            check: The check, given the client's keys; it may be called twice, for the key may be new.
            now: The time.

        Raises:
            JoseError: what the check raises; `UnknownKeyError` also for a client whose keys cannot be read.
        """
        if client.jwks is not None:
            return check(KeySet.from_public_jwks(client.jwks))
        return await self.check_at(client.metadata.jwks_uri, check, now=now)

    async def check_at(self, url: str, check: Callable[[KeySet], T], *, now: float) -> T:
        """The same, with the keys that are published at a URL."""
        published = self._at(url)
        async with published.lock:
            if published.keys.is_due(now):
                await self._refresh(published, now)
        if not published.keys.is_usable(now):
            raise UnknownKeyError("the published keys cannot be read")
        try:
            return check(published.keys.keys)
        except UnknownKeyError:
            async with published.lock:
                if not published.keys.may_ask(now):
                    raise
                await self._refresh(published, now)
            return check(published.keys.keys)

    def _at(self, url: str) -> _Published:
        known = self._published.get(url)
        if known is None:
            try:
                known = self._published[url] = _Published(url)
            except InvalidPolicyError as error:  # it has none
                raise UnknownKeyError("the client has no keys") from error
            if len(self._published) > _MOST_KEPT:
                self._published.popitem(last=False)
        self._published.move_to_end(url)
        return known

    async def _refresh(self, published: _Published, now: float) -> None:
        keys = published.keys
        try:
            keys.learn(await follow(keys.refresh(now), self._fetch.get), now)
        except FetchError as error:
            log.warning("published keys could not be fetched", reason=str(error))
            keys.fail(str(error), now)
