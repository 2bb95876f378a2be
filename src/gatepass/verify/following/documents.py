"""The documents: which to fetch and when, and how they are applied."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gatepass.tokens import revocation_snapshot, status_list
from gatepass.tokens.revocation_event import Position

from .document import MAX_TTL_SECONDS, MIN_TTL_SECONDS, TTL_SECONDS, Document, refuse_future
from .names import refuse_own_key
from .proof import NO_PROOF, FreshnessProof, younger

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from gatepass.jose import KeySet
    from gatepass.verify.clocks import Moment
    from gatepass.verify.issuer import Offer
    from gatepass.verify.principal import Principal

    from .known import Known
    from .status_lists import Copy
    from .stream import Stream
    from .verdict import Verdict

RENEWAL_SECONDS = 600
"""While the stream is live, documents are fetched only this often, to see bits that are 0 again."""

RELAYED_SECONDS = 60
"""A relay fetches what is asked for at least this often, if the issuer is there."""

MISSING_SECONDS = 30
"""How long a list is not fetched again after the issuer has said that it does not exist."""


class Want(NamedTuple):
    """A document to fetch.

    Attributes:
        url: Its name, which is where the issuer has it.
        is_list: Whether it is a status list, or else the snapshot.
        relay: Where a relay has it, if it is to be fetched there.
    """

    url: str
    is_list: bool
    relay: str | None = None

    @property
    def place(self) -> str:
        """Where to fetch it."""
        return self.relay or self.url


class ReadList(NamedTuple):
    """A status list that passed every check.

    Attributes:
        claims: What it says.
        octets: Its bits.
        kid: Which key signed it.
    """

    claims: status_list.StatusList
    octets: bytearray
    kid: str


class ReadSnapshot(NamedTuple):
    """A snapshot that passed every check.

    Attributes:
        claims: What it says.
        kid: Which key signed it.
    """

    claims: revocation_snapshot.Snapshot
    kid: str


class Documents:
    """Updates what is known from documents."""

    def __init__(self, known: Known, verdict: Verdict, stream: Stream, *, jitter: Callable[[], float]) -> None:
        """Set it up.

        Args:
            known: What is known.
            verdict: Who goes by it.
            stream: What keeps documents up to date, so that they are fetched less often.
            jitter: A number between 0 and 1, so that readers do not all come at once.
        """
        self._known = known
        self._verdict = verdict
        self._stream = stream
        self._jitter = jitter
        self._is_issuer_out = False

    # ── what is published ──

    def learn_offer(self, offer: Offer) -> bool:
        """Learn where the issuer publishes its revocations; return whether that has changed."""
        known = self._known
        if offer == known.offer:
            return False
        known.offer = offer
        # Without a snapshot there is no starting point for the stream, and no ids are known to be revoked.
        known.snapshot = Document(offer.snapshot_url) if offer.snapshot_url is not None else None
        known.by_document = known.by_stream = NO_PROOF
        return True

    def missing(self, principal: Principal, now: Moment) -> str | None:
        """Request what is missing to judge a token.

        Returns:
            The URL of what may be here in a moment; None when there is nothing to wait for.
        """
        known = self._known
        if known.offer is None:
            return known.issuer
        if known.snapshot is not None and known.snapshot.is_on_its_way:
            return known.snapshot.url
        asked = [known.lists.ask(status.uri, now.run) for status in known.statuses_of(principal)]
        return next((copy.url for copy in asked if copy is not None and copy.is_on_its_way), None)

    @property
    def has_settled(self) -> bool:
        """Whether the first attempts have ended, well or not: there is nothing more to wait for at the start."""
        known = self._known
        if known.offer is None or (known.snapshot is not None and known.snapshot.is_on_its_way):
            return False
        return self._stream.has_settled

    # ── when to fetch ──

    def due(self, now: Moment) -> Iterator[Want]:
        """The documents to fetch now: one at a time while the issuer does not answer."""
        for want in self._due(now):
            yield want
            if self._is_issuer_out:
                return

    def _due(self, now: Moment) -> Iterator[Want]:
        is_live, known = self._stream.is_live(now), self._known
        if known.snapshot is not None and known.snapshot.is_due(
            now, RENEWAL_SECONDS if is_live else self._polled_seconds(TTL_SECONDS)
        ):
            yield self._want(known.snapshot, is_list=False)
        for copy in (*known.lists.awaited.values(), *known.lists.held.values()):
            if copy.is_due(now, self._fresh_seconds(copy, is_live=is_live)):
                yield self._want(copy, is_list=True)

    def _want(self, document: Document, *, is_list: bool) -> Want:
        """What to fetch: where the stream is, and with each failure at the next place."""
        upstreams = self._stream.upstreams
        place = upstreams.url(document.url, upstreams.place + document.trouble.times)
        return Want(document.url, is_list, place if place != document.url else None)

    def _fresh_seconds(self, copy: Copy, *, is_live: bool) -> float:
        if not is_live:
            return self._polled_seconds(copy.ttl)
        return RENEWAL_SECONDS if copy.is_joined else MIN_TTL_SECONDS

    def _polled_seconds(self, ttl: float) -> float:
        """How long to use a document without a live stream.

        Only a part of its `ttl`, so that a revocation is known within the `ttl` including the fetch. If there should be
        a stream, documents are fetched often enough to stay within `stale_after`.
        """
        seconds = ttl * (0.6 + 0.2 * self._jitter())
        return min(seconds, max(MIN_TTL_SECONDS, self._known.stale_after / 4)) if self._known.feeds else seconds

    def fail(self, want: Want, now: Moment, *, is_missing: bool = False) -> None:
        """Record that a document could not be fetched, or was refused, and try again a little later.

        Args:
            want: The document.
            now: The time.
            is_missing: Whether the issuer has answered that there is none: then much later, unless there once was.
        """
        found = self._known.lists.find(want.url) if want.is_list else self._known.snapshot
        self._is_issuer_out = not is_missing
        if found is not None:
            at_least = MISSING_SECONDS if is_missing and not found.is_known else 0
            found.trouble.failed(now, self._jitter(), at_least=at_least)

    def doubt(self, want: Want, now: Moment) -> None:
        """Ask elsewhere, too, if what a relay has brought is older than what the issuer must have had for it."""
        found = self._known.lists.find(want.url) if want.is_list else self._known.snapshot
        is_expected = self._stream.is_live(now) or not self._known.feeds  # and the issuer is not away itself
        if want.relay is not None and found is not None and is_expected and now.wall - found.iat > RELAYED_SECONDS:
            found.trouble.failed(now, self._jitter())

    def read(self, want: Want, token: str, keys: KeySet, now: float) -> ReadList | ReadSnapshot:
        """Check a document; this may take milliseconds, and changes nothing.

        Raises:
            JoseError: It is refused.
        """
        return self.read_list(want.url, token, keys, now) if want.is_list else self.read_snapshot(token, keys, now)

    def learn(self, read: ReadList | ReadSnapshot, now: Moment) -> None:
        """Apply a document.

        Raises:
            JoseError: It is older than ours, or was signed by a key that was refused in between.
        """
        if isinstance(read, ReadList):
            self.learn_list(read, now)
        else:
            self.learn_snapshot(read, now)

    # ── status lists ──

    def read_list(self, uri: str, token: str, keys: KeySet, now: float) -> ReadList:
        """Check a status list; this takes milliseconds, and changes nothing.

        Raises:
            JoseError: It is refused.
        """
        kid = self._known.checked_signer(token)
        claims = status_list.check(token, keys, issuer=self._known.issuer, uri=uri, now=now)
        refuse_future(claims.iat, now)
        return ReadList(claims, claims.unpack().octets, kid)

    def learn_list(self, read: ReadList, now: Moment) -> None:
        """Apply a status list.

        Raises:
            JoseError: It is older than ours, or was signed by a key that was refused in between.
        """
        known, claims = self._known, read.claims
        known.names.refuse_signer(read.kid)
        copy = known.lists.arrived(claims.sub, now.run)
        copy.refuse_older(claims.epoch, claims.event_id, claims.iat)
        is_behind = copy.knows_more_than(claims.epoch, claims.event_id)
        copy.came(epoch=claims.epoch, event_id=claims.event_id, iat=claims.iat, kid=read.kid, now=now)
        copy.ttl = min(max(claims.ttl or TTL_SECONDS, MIN_TTL_SECONDS), MAX_TTL_SECONDS)
        copy.is_joined = known.joins(copy)
        self._replace_bits(copy, read, is_behind=is_behind)
        copy.proof = self._proved_by(claims.iat, copy.ttl, now)
        known.lists.held[claims.sub] = copy
        self._answered(claims.iat)
        self._verdict.look_at(copy, now)
        if known.snapshot is None:
            known.by_document = younger(known.by_document, copy.proof, now)

    def _replace_bits(self, copy: Copy, read: ReadList, *, is_behind: bool) -> None:
        """Take a list's bits, with those that events have set that it does not know.

        Some of these events may not be remembered any more, or not since we started over: then our own bits are added.
        """
        octets, before = read.octets, copy.octets
        copy.octets = octets
        if copy.is_joined:
            for event_id, indexes in self._known.events.since(copy.event_id, copy.url):
                copy.hear(Position(copy.epoch or "", event_id), indexes)
        elif is_behind and len(octets) == len(before):
            union = int.from_bytes(octets, "little") | int.from_bytes(before, "little")
            copy.octets = bytearray(union.to_bytes(len(octets), "little"))

    # ── the snapshot ──

    def read_snapshot(self, token: str, keys: KeySet, now: float) -> ReadSnapshot:
        """Check a snapshot; it changes nothing.

        Raises:
            JoseError: It is refused.
        """
        kid = self._known.checked_signer(token)
        claims = revocation_snapshot.check(token, keys, issuer=self._known.issuer, now=now)
        refuse_future(claims.iat, now)
        refuse_own_key(kid, claims.kids)
        return ReadSnapshot(claims, kid)

    def learn_snapshot(self, read: ReadSnapshot, now: Moment) -> None:
        """Apply a snapshot. What is known to be revoked stays so, whatever it says.

        Raises:
            JoseError: It is older than ours, or was signed by a key that was refused in between.
        """
        known, claims = self._known, read.claims
        known.names.refuse_signer(read.kid)
        snapshot = known.snapshot
        if snapshot is None:
            return
        snapshot.refuse_older(claims.epoch, claims.event_id, claims.iat)
        snapshot.came(epoch=claims.epoch, event_id=claims.event_id, iat=claims.iat, kid=read.kid, now=now)
        self._answered(claims.iat)
        known.prune(now)
        known.add_names(claims.jtis, claims.issued_before)
        known.refuse_keys(claims.kids)
        self._carry_on_from(Position(claims.epoch, claims.event_id))
        known.by_document = younger(known.by_document, self._proved_by(claims.iat, TTL_SECONDS, now), now)
        self._verdict.look(now)

    def _carry_on_from(self, position: Position) -> None:
        """Follow the events from a snapshot on, unless we already do.

        While we listen, the stream proves more; and what was skipped by moving ahead would be missing in the lists.
        """
        events = self._known.events
        if events.position is None or events.position.epoch != position.epoch:
            self._known.start_at(position)
        elif not self._known.feeds:
            events.position = position

    # ── both ──

    def _answered(self, iat: int) -> None:
        """Record that the issuer answers, and its time."""
        self._is_issuer_out = False
        self._known.issuer_time = max(self._known.issuer_time, iat)

    def _proved_by(self, iat: float, ttl: float, now: Moment) -> FreshnessProof:
        """What a document proves: without a stream, it is valid for its `ttl`, however long a cache held it."""
        as_of = iat if self._known.feeds else min(now.wall, iat + ttl)
        return FreshnessProof(as_of, now.run - max(0.0, now.wall - as_of))
