"""A transmitter: the one party that may send certain notices, its keys, and what its notices have done."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import time
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from gatepass.jose.errors import UnknownKeyError
from gatepass.verify.fetch import KeySource
from gatepass.verify.http_client import FETCH_SECONDS, HttpxFetch
from gatepass.verify.issuer import IssuerKeys

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatepass.bridge.settings import TransmitterSettings
    from gatepass.jose import KeySet

_LOOK_SECONDS = 1.0
"""How long after one look for an unknown key another begins at the earliest; notices wait for it.

A verifier looks once in 30 seconds, and refuses meanwhile. A notice is sent once, or seldom again: made-up `kid`s must
not keep an honest new key from being found. So strangers can cause a fetch a second, and no more.
"""

T = TypeVar("T")


class KeysUnavailableError(Exception):
    """The transmitter's keys cannot be fetched now; the notice may be good."""


class Transmitter:
    """One of the settings' transmitters.

    Attributes:
        settings: What may come from it.
        counts: How many notices had which outcome since the start.
    """

    def __init__(self, settings: TransmitterSettings, *, clock: Callable[[], float], allow_http: bool) -> None:
        """Prepare; nothing is fetched yet.

        Raises:
            BridgeSettingsError: A file of its settings cannot be read.
        """
        self.settings = settings
        self.counts: Counter[str] = Counter()
        self._clock = clock
        self._looked_at = float("-inf")
        self._bearer = settings.bearer_digest() if settings.kind != "ssf-poll" else None
        self._source = KeySource(
            IssuerKeys(settings.signed_by, jwks_url=settings.jwks_uri, allow_http=allow_http, unknown_kid_seconds=0),
            HttpxFetch(),
            clock=clock,
            on_learned=_nothing,
        )

    def has_sent(self, authorization: str | None) -> bool:
        """Whether a request proves to be from it, as far as a bearer token is set (RFC 6750 §2.1)."""
        if self._bearer is None:
            return True
        scheme, _, token = (authorization or "").partition(" ")
        digest = hashlib.sha256(token.strip().encode("utf-8", "surrogateescape")).digest()
        return scheme.lower() == "bearer" and hmac.compare_digest(digest, self._bearer)

    async def checked(self, check: Callable[[KeySet], T]) -> T:
        """Check a notice with its keys, fetching them if they are not there, or lack the notice's key.

        Raises:
            KeysUnavailableError: The key may exist, but cannot be looked for now.
            JoseError: The notice is refused.
        """
        issuer, since = self._source.issuer, self._source.started
        for _ in range(3):
            now = self._clock()
            refusal: UnknownKeyError | None = None
            if issuer.is_usable(now):
                self._source.refresh_if_due(now)
                try:
                    return check(issuer.keys)
                except UnknownKeyError as error:
                    refusal = error
            if refusal is not None:
                if self._has_looked(since):
                    raise refusal
                await self._until_next_look()
            began = self._source.started
            flight = self._source.look_for_unknown(self._clock(), since=since)
            if flight is None:
                if refusal is not None and self._has_looked(since):
                    raise refusal
                break
            if self._source.started > began:
                self._looked_at = time.monotonic()
            await asyncio.wait((asyncio.wrap_future(flight),), timeout=FETCH_SECONDS + 1)
        raise KeysUnavailableError(issuer.failure or f"the keys of {issuer.url} were fetched a moment ago")

    async def _until_next_look(self) -> None:
        """Wait until there may be another look, unless one is under way that is waited for then."""
        await asyncio.sleep(max(0.0, self._looked_at + _LOOK_SECONDS - time.monotonic()))

    def _has_looked(self, since: int) -> bool:
        """Whether keys were fetched since the notice came, and without a failure."""
        return self._source.started > since and self._source.issuer.failure is None


def _nothing() -> None:
    """Nobody waits for the keys but `checked`."""
