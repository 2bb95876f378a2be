"""The snapshot and the status lists: fetched when they are asked for, and kept until they may have changed."""

from __future__ import annotations

import asyncio
import hashlib
import time
from math import inf
from typing import TYPE_CHECKING

from gatepass.jose.errors import JoseError
from gatepass.tokens import revocation_snapshot, status_list
from gatepass.verify.following.document import MAX_TTL_SECONDS, MIN_TTL_SECONDS, TTL_SECONDS, Document
from gatepass.verify.following.documents import ReadList, Want
from gatepass.verify.following.status_lists import LISTS_PER_SECOND, MAX_LISTS
from gatepass.verify.issuer import FetchError, is_same_origin

if TYPE_CHECKING:
    from gatepass.tokens.revocation_event import RevocationEvent
    from gatepass.verify.follow import Follower
    from gatepass.verify.following.documents import ReadSnapshot

_UPSTREAM_SECONDS = 4.5
"""How long upstreams may take in all: a follower waits for 5 seconds."""

_AGAIN_SECONDS = 1.0
"""How soon a document is fetched again at the earliest when there was no newer one."""


class RelayedDocument(Document):
    """A document as the issuer has signed it.

    Attributes:
        body: It.
        media_type: What it is.
        etag: A digest of it (RFC 9110 §8.8.3).
        ttl: Seconds for which followers use it.
        changed_at: The last event that has changed it.
        tried_at: When it was last tried in vain to fetch a newer one, by the clock that only runs.
    """

    __slots__ = ("body", "changed_at", "etag", "media_type", "tried_at", "ttl")

    def __init__(self, url: str) -> None:
        super().__init__(url)
        self.body, self.etag, self.media_type = b"", b"", ""
        self.ttl = TTL_SECONDS
        self.changed_at = -1
        self.tried_at = -inf


class RelayedDocuments:
    """What is kept, at most as many lists as a follower holds."""

    def __init__(self, follower: Follower) -> None:
        """Start with nothing.

        Args:
            follower: What fetches and judges.
        """
        self._follower = follower
        self._known = follower.revocations.known
        self._kept: dict[str, RelayedDocument] = {}
        self._flights: dict[str, asyncio.Task[None]] = {}
        self._second, self._new = 0, 0

    async def get(self, url: str) -> RelayedDocument | None:
        """The document that the issuer has at a URL; None if there is none, or none can be had now."""
        document = self._kept.get(url)
        if document is None:
            is_possible = is_same_origin(url, self._known.issuer)
            if not is_possible or (url not in self._flights and not self._may_look_for_another()):
                return None
        if document is None or self._is_outdated(document):
            await self._fetched(url)
        elif len(self._kept) > 1:  # the one that was used last is the last to go
            self._kept[url] = self._kept.pop(url)
        return self._kept.get(url)

    # ── what comes ──

    def keep(self, want: Want, token: str, read: ReadList | ReadSnapshot) -> None:
        """Keep a document that was fetched.

        Raises:
            BadClaimError: It is older than what is kept.
        """
        document, claims = self._kept.get(want.url) or RelayedDocument(want.url), read.claims
        document.refuse_older(claims.epoch, claims.event_id, claims.iat)
        document.came(
            epoch=claims.epoch, event_id=claims.event_id, iat=claims.iat, kid=read.kid, now=self._follower.now
        )
        document.media_type = revocation_snapshot.MEDIA_TYPE
        if isinstance(read, ReadList):
            document.media_type = status_list.MEDIA_TYPE
            document.ttl = min(max(read.claims.ttl or TTL_SECONDS, MIN_TTL_SECONDS), MAX_TTL_SECONDS)
        document.body = token.encode()
        document.etag = b'"%s"' % hashlib.sha256(document.body).hexdigest()[:32].encode()
        while len(self._kept) > MAX_LISTS:
            del self._kept[next(iter(self._kept))]
        self._kept[want.url] = document

    def changed(self, event: RevocationEvent) -> None:
        """Note what an event has changed: that is fetched again when it is asked for."""
        revoked, number = event.revoked, event.position.event_id
        urls = [url for url, _ in revoked.status]
        snapshot = self._known.snapshot
        if snapshot is not None and (revoked.jtis or revoked.kids):
            urls.append(snapshot.url)
        for url in urls:
            if url in self._kept:
                self._kept[url].changed_at = max(self._kept[url].changed_at, number)

    # ── fetching ──

    def _is_outdated(self, document: RelayedDocument) -> bool:
        """Whether the issuer may have another. Its age counts from when the issuer made it, with any number of relays.

        While the stream tells of each change, half of the `ttl` is left to the follower, and else nearly all.
        """
        known = self._known
        if document.kid in known.names.kids:
            self._kept.pop(document.url)
            return True
        position, snapshot = known.events.position, known.snapshot
        if position is None or document.epoch != position.epoch or document.event_id < document.changed_at:
            return True
        # A list older than the snapshot would not be joined to the stream by those that start from that.
        first = self._kept.get(snapshot.url) if snapshot is not None else None
        if first is not None and document.event_id < first.event_id:
            return True
        now = self._follower.now
        is_told = self._follower.revocations.stream.is_live(now)
        return now.wall - document.iat >= document.ttl / (2 if is_told else 10)

    def _may_look_for_another(self) -> bool:
        """Whether something may be looked for that was never there: strangers ask for what they like."""
        second = int(time.monotonic())
        self._second, self._new = second, (self._new if second == self._second else 0) + 1
        return self._new <= LISTS_PER_SECOND

    async def _fetched(self, url: str) -> None:
        """Fetch a document, once for all who ask meanwhile, and wait for that."""
        flight = self._flights.get(url)
        if flight is None:
            document = self._kept.get(url)
            if document is not None and self._follower.now.run - document.tried_at < _AGAIN_SECONDS:
                return
            flight = self._flights[url] = asyncio.create_task(self._fetch(url))
        await asyncio.shield(flight)

    async def _fetch(self, url: str) -> None:
        """Ask one upstream after the other."""
        upstreams, snapshot = self._follower.revocations.stream.upstreams, self._known.snapshot
        is_list = snapshot is None or url != snapshot.url
        try:
            for tries in range(upstreams.count):
                place = upstreams.url(url, upstreams.place + tries)
                want = Want(url, is_list, place if place != url else None)
                try:
                    async with asyncio.timeout(_UPSTREAM_SECONDS / upstreams.count):
                        token, read = await self._follower.obtain(want)
                    self.keep(want, token, read)
                except (FetchError, JoseError, TimeoutError):
                    continue
                return
        finally:
            del self._flights[url]
            document = self._kept.get(url)
            if document is not None and self._is_outdated(document):
                document.tried_at = self._follower.now.run
