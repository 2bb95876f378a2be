"""What an issuer has revoked, as far as we know, and what to fetch next: decided here, without I/O, clock or lock.

Revoked is a bit of a status list, a token's `jti`, or a key; never a time, and never a token's text. Three documents
say so: the lists, a snapshot of names, and a stream of events that carries on from the snapshot. Whoever loses the
thread begins with the documents again. `follow.py` does the fetching, and holds the lock.
"""

from __future__ import annotations

import random
from collections import deque
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

import msgspec

from gatepass.jose import headers
from gatepass.jose.errors import BadClaimError, InvalidKeyError, IssuedInFutureError
from gatepass.jose.limits import DEFAULT
from gatepass.tokens import revocation_event, revocation_snapshot, status_list
from gatepass.tokens.access_token import MAX_CLOCK_LEAD, MAX_LIFETIME
from gatepass.tokens.revocation_event import Position

from .errors import RevocationStaleError, RevokedError
from .issuer import is_same_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gatepass.jose import KeySet

    from .issuer import Offer
    from .principal import Principal

Mode: TypeAlias = Literal["feed", "list"]
Stale: TypeAlias = Literal["serve", "refuse"]
State: TypeAlias = Literal["off", "starting", "live", "stale", "list only"]

SILENCE_SECONDS = 25.0
"""A stream that says nothing for so long is dead: two heartbeats are missing."""

TTL_SECONDS = 30
"""How long a document is fresh that does not say."""

MIN_TTL_SECONDS = 5
MAX_TTL_SECONDS = 3600
"""What a list's `ttl` may make of it."""

LIVE_SECONDS = 600
"""While the stream is live, documents are fetched only this often: bits that are 0 again come with them."""

UNUSED_SECONDS = MAX_LIFETIME + 300
"""A list that no new token has named for so long gives way to others."""

MAX_LISTS = 256
"""Lists that are held at once: 33 MB, for 268 million grants."""

BURST = 16
"""Unknown lists that tokens may have fetched at once; afterwards one a second."""

MAX_BACKOFF_SECONDS = 30
RECENT_INDEXES = 10_000
PRUNE_SECONDS = 60


class LostError(Exception):
    """The stream does not follow on what we know: begin with the documents again."""


class Want(NamedTuple):
    """A document to fetch.

    Attributes:
        url: Where it is.
        is_list: Whether it is a status list, or else the snapshot.
    """

    url: str
    is_list: bool


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


class Health(msgspec.Struct, frozen=True, kw_only=True):
    """How up to date a verifier is.

    Attributes:
        keys_fresh: Whether the issuer's keys need not be fetched again.
        feed: `"live"`: revocations arrive within a second. `"list only"`: they are fetched each `ttl`. `"stale"`: for
            more than `stale_after` seconds nobody could say what is revoked. `"starting"`: no word yet. `"off"`: they
            are not followed, or the issuer does not publish them; a token that names a status list is checked
            against it all the same, unless `revocation=None`.
        proved_seconds_ago: Seconds since the issuer last proved that we know everything, or None.
        epoch: Which line of events we follow.
        event_id: The last event that we know.
        lists: How many status lists we hold.
        refusals: How many lists, snapshots and events were refused so far: forged, older than ours, or broken.
    """

    keys_fresh: bool
    feed: State
    proved_seconds_ago: float | None = None
    epoch: str | None = None
    event_id: int | None = None
    lists: int = 0
    refusals: int = 0


class Document:
    """When a document was and is to be fetched.

    Attributes:
        url: Where it is.
        is_known: Whether it was ever there.
        failures: How often fetching it has failed since.
    """

    __slots__ = ("epoch", "event_id", "failures", "fetched_at", "iat", "is_known", "kid", "retry_at", "url")

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_known = False
        self.failures = 0
        self.fetched_at = -inf
        self.retry_at = -inf
        self.epoch: str | None = None
        self.event_id = -1
        self.iat = -1
        self.kid: str | None = None

    @property
    def is_on_its_way(self) -> bool:
        """Whether it may be here in a moment, for the first time."""
        return not self.is_known and not self.failures

    def is_due(self, now: float, seconds: float) -> bool:
        """Tell whether it is time to fetch it, when it is fresh for so long."""
        if self.failures:
            # A longer wait than any back-off: the clock was set back.
            return not 0 < self.retry_at - now <= MAX_BACKOFF_SECONDS
        return not 0 <= now - self.fetched_at < seconds

    def refuse_older(self, epoch: str | None, event_id: int, iat: int) -> None:
        """Refuse what says less than we know: within an epoch the later event counts, between epochs the clock.

        Raises:
            BadClaimError: It is older than what we have.
        """
        is_older = (event_id, iat) < (self.event_id, self.iat) if epoch == self.epoch else iat < self.iat
        if is_older:
            raise BadClaimError("it is older than what we have", claim="iat")

    def came(self, *, epoch: str | None, event_id: int, iat: int, kid: str, now: float) -> None:
        """Keep that it is here."""
        self.epoch, self.event_id, self.iat, self.kid = epoch, event_id, iat, kid
        self.is_known, self.failures, self.fetched_at = True, 0, now

    def fail(self, now: float, jitter: float) -> None:
        """Keep that fetching it failed: wait, twice as long each time."""
        self.failures += 1
        self.retry_at = now + backoff_seconds(self.failures, jitter)

    def expire(self) -> None:
        """Fetch it again at once."""
        self.fetched_at = self.retry_at = -inf

    def distrust(self) -> None:
        """Let anything replace it: its key was stolen. Until then it is better than nothing."""
        self.event_id = self.iat = -1
        self.expire()


class Copy(Document):
    """Our copy of a status list.

    Attributes:
        octets: The bits.
        ttl: Seconds for which it is fresh.
        fresh_until: Until when it may be called up to date, in seconds since 1970.
        is_joined: Whether the stream keeps it up to date: we know every event since it was made.
        wanted_at: When a token last named it that was not remembered.
    """

    __slots__ = ("fresh_until", "is_joined", "octets", "ttl", "wanted_at")

    def __init__(self, url: str, now: float) -> None:
        super().__init__(url)
        self.octets = bytearray()
        self.ttl = TTL_SECONDS
        self.fresh_until = -inf
        self.is_joined = False
        self.wanted_at = now


class Revocations:
    """What one issuer has revoked.

    Attributes:
        jtis: Revoked tokens, each with the time at which it ends by itself.
        kids: Keys that are not to be trusted any more; they never are again.
        lists: Status lists by URL.
        fresh_until: Until when `jtis` and `kids` may be called up to date, in seconds since 1970.
        refusals: How many documents and events were refused.
    """

    def __init__(
        self,
        issuer: str,
        *,
        mode: Mode,
        stale: Stale,
        stale_after: float,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        """Know nothing yet.

        Args:
            issuer: Whose revocations.
            mode: `"feed"`: stream, snapshot and lists. `"list"`: snapshot and lists.
            stale: What to do with tokens when we are not up to date.
            stale_after: Seconds after which the last proof is worth nothing.
            jitter: A number between 0 and 1, so that not everybody comes at once.
        """
        self.jtis: dict[str, float] = {}
        self.kids: frozenset[str] = frozenset()
        self.lists: dict[str, Copy] = {}
        self.fresh_until = -inf
        self.refusals = 0
        self._issuer = issuer
        self._mode = mode
        self._stale = stale
        self._stale_after = stale_after
        self._jitter = jitter
        self._offer: Offer | None = None
        self._snapshot: Document | None = None
        self._awaited: dict[str, Copy] = {}
        self._allowance, self._allowed_at = float(BURST), -inf
        self._position: Position | None = None
        self._recent: deque[tuple[int, str, tuple[int, ...]]] = deque()
        self._recent_size = 0
        self._recent_from = 0
        self._is_streaming = False
        self._goal: int | None = None
        self._stream_failures = 0
        self._stream_at = -inf
        self._proved_at: float | None = None
        self._pruned_at = -inf

    # ── tokens ──

    def clears(self, principal: Principal, now: float) -> bool:
        """Tell, as fast as can be, whether a token is known not to be revoked; if not so, ask `judge`."""
        if now >= self.fresh_until or principal.token_id in self.jtis:
            return False
        status = principal.status
        if status is None:
            return True
        copy = self.lists.get(status.uri)
        if copy is None or now >= copy.fresh_until:
            return False
        index = status.idx
        try:
            return not copy.octets[index >> 3] >> (index & 7) & 1
        except IndexError:
            return False

    def judge(self, principal: Principal, now: float) -> None:
        """Return if a token passes, by what we know now.

        Raises:
            RevokedError: It has been revoked.
            BadClaimError: It names a place that its list does not have.
            RevocationStaleError: We are not up to date, and `stale` is `"refuse"`.
        """
        if principal.token_id in self.jtis:
            raise RevokedError("the token has been revoked")
        status = principal.status
        copy = None if status is None else self.lists.get(status.uri)
        if status is not None and copy is not None:
            if status.idx >> 3 >= len(copy.octets):
                raise BadClaimError("status names a place that the list does not have", claim="status")
            if copy.octets[status.idx >> 3] >> (status.idx & 7) & 1:
                raise RevokedError("the token's grant has been revoked")
        is_fresh = now < self.fresh_until and (status is None or (copy is not None and now < copy.fresh_until))
        if self._stale == "refuse" and not is_fresh:
            raise RevocationStaleError(f"nobody can say what {self._issuer} has revoked", retry_after=MIN_TTL_SECONDS)

    def missing(self, principal: Principal, now: float) -> str | None:
        """Ask for what a token cannot be judged without.

        Returns:
            The URL of what may be here in a moment; None when there is nothing to wait for.
        """
        if self._offer is None:
            return self._issuer
        if self._snapshot is not None and self._snapshot.is_on_its_way:
            return self._snapshot.url
        if principal.status is None:
            return None
        copy = self._ask(principal.status.uri, now)
        return copy.url if copy is not None and copy.is_on_its_way else None

    def _ask(self, uri: str, now: float) -> Copy | None:
        """Find a list, or have it fetched if it may be: at the issuer's own origin, and not too many at once."""
        copy = self.lists.get(uri) or self._awaited.get(uri)
        if copy is not None:
            copy.wanted_at = now
            return copy
        if not _is_ours(uri, self._issuer) or not self._has_room(now) or not self._may_ask(now):
            return None
        copy = self._awaited[uri] = Copy(uri, now)
        return copy

    def _may_ask(self, now: float) -> bool:
        """A bucket: tokens that name ever new lists cause a burst, and then one fetch a second."""
        elapsed = max(0.0, now - self._allowed_at)
        self._allowance, self._allowed_at = min(float(BURST), self._allowance + elapsed), now
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _has_room(self, now: float) -> bool:
        """Forget a list that does not exist, or else one that is not used, when there are too many."""
        if len(self.lists) + len(self._awaited) < MAX_LISTS:
            return True
        for held in (self._awaited, self.lists):
            for uri, copy in held.items():
                if (not copy.is_known and copy.failures) or now - copy.wanted_at > UNUSED_SECONDS:
                    del held[uri]
                    return True
        return False

    # ── what to fetch ──

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to follow: the issuer offers nothing, and no token names a list."""
        return self._offer is not None and self._snapshot is None and not self._awaited and not self.lists

    @property
    def is_live(self) -> bool:
        """Whether the stream has brought us up to date, and goes on."""
        return self._is_streaming and self._position is not None and self._has_caught_up(self._position)

    def learn_offer(self, offer: Offer) -> bool:
        """Take the issuer's word on where its revocations are, and tell whether it is news."""
        if offer == self._offer:
            return False
        self._offer = offer
        # Without a snapshot there is nothing to carry on from, and no names are revoked as far as anybody can tell.
        self._snapshot = Document(offer.snapshot_url) if offer.snapshot_url is not None else None
        self.fresh_until = inf if self._snapshot is None else -inf
        return True

    def due(self, now: float) -> Iterator[Want]:
        """Say which documents to fetch now."""
        if self._snapshot is not None and self._snapshot.is_due(
            now, LIVE_SECONDS if self.is_live else TTL_SECONDS * self._spread()
        ):
            yield Want(self._snapshot.url, is_list=False)
        for copy in (*self._awaited.values(), *self.lists.values()):
            if copy.is_due(now, self._fresh_seconds(copy)):
                yield Want(copy.url, is_list=True)

    def stream_due(self, now: float) -> str | None:
        """Say where to listen, if it is time to begin; the position goes with it."""
        if not self._feeds or self._offer is None or self._position is None or self._is_streaming:
            return None
        return self._offer.stream_url if not 0 < self._stream_at - now <= MAX_BACKOFF_SECONDS else None

    @property
    def position(self) -> Position | None:
        """The last event that we know."""
        return self._position

    @property
    def _feeds(self) -> bool:
        return self._mode == "feed" and self._offer is not None and self._offer.stream_url is not None

    def _fresh_seconds(self, copy: Copy) -> float:
        if not self.is_live:
            return copy.ttl * self._spread()
        return LIVE_SECONDS if copy.is_joined else MIN_TTL_SECONDS

    def _spread(self) -> float:
        """What part of a `ttl` passes before the next fetch: with the fetch itself, a revocation is known within it."""
        return 0.6 + 0.2 * self._jitter()

    # ── documents ──

    def read_list(self, uri: str, token: str, keys: KeySet, now: float) -> ReadList:
        """Check a status list; this takes milliseconds, and changes nothing.

        Raises:
            JoseError: It is refused.
        """
        kid = self._signer(token)
        claims = status_list.check(token, keys, issuer=self._issuer, uri=uri, now=now)
        _refuse_future(claims.iat, now)
        return ReadList(claims, claims.unpack().octets, kid)

    def learn_list(self, read: ReadList, now: float) -> None:
        """Keep a status list.

        Raises:
            JoseError: It is older than ours, or was signed by a key that was refused in between.
        """
        claims, octets, kid = read
        self._refuse_signer(kid)
        copy = self.lists.get(claims.sub) or self._awaited.pop(claims.sub, None) or Copy(claims.sub, now)
        copy.refuse_older(claims.epoch, claims.event_id, claims.iat)
        was_joined, same_epoch = copy.is_joined, copy.epoch == claims.epoch
        copy.came(epoch=claims.epoch, event_id=claims.event_id, iat=claims.iat, kid=kid, now=now)
        copy.ttl = min(max(claims.ttl or TTL_SECONDS, MIN_TTL_SECONDS), MAX_TTL_SECONDS)
        copy.is_joined = self._joins(copy)
        if copy.is_joined:
            for event_id, uri, indexes in self._recent:
                if uri == claims.sub and event_id > claims.event_id:
                    _set(octets, indexes)
        elif was_joined and same_epoch and len(octets) == len(copy.octets):
            # It is older than the events that we remember: what they said of it is in our bits alone.
            union = int.from_bytes(octets, "little") | int.from_bytes(copy.octets, "little")
            octets = bytearray(union.to_bytes(len(octets), "little"))
        copy.octets = octets
        copy.fresh_until = min(now, claims.iat + copy.ttl) + self._stale_after
        if copy.is_joined and self.is_live and self._proved_at is not None:
            copy.fresh_until = max(copy.fresh_until, self._proved_at + self._stale_after)
        self.lists[claims.sub] = copy
        if self._snapshot is None:
            self._proved_at = min(now, claims.iat + copy.ttl)

    def read_snapshot(self, token: str, keys: KeySet, now: float) -> ReadSnapshot:
        """Check a snapshot; it changes nothing.

        Raises:
            JoseError: It is refused.
        """
        kid = self._signer(token)
        claims = revocation_snapshot.check(token, keys, issuer=self._issuer, now=now)
        _refuse_future(claims.iat, now)
        _refuse_own(kid, claims.kids)
        return ReadSnapshot(claims, kid)

    def learn_snapshot(self, read: ReadSnapshot, now: float) -> None:
        """Keep a snapshot. What we know to be revoked stays so, whatever it says.

        Raises:
            JoseError: It is older than ours, or was signed by a key that was refused in between.
        """
        claims, kid = read
        self._refuse_signer(kid)
        snapshot = self._snapshot
        if snapshot is None:
            return
        snapshot.refuse_older(claims.epoch, claims.event_id, claims.iat)
        snapshot.came(epoch=claims.epoch, event_id=claims.event_id, iat=claims.iat, kid=kid, now=now)
        self._prune(now)
        self.jtis.update(claims.jtis)
        self._refuse_keys(claims.kids)
        position = Position(claims.epoch, claims.event_id)
        if self._position is None or self._position.epoch != claims.epoch:
            self._stand_at(position)
        elif not self._feeds:
            self._position = position
        # While we listen, the stream proves more; and what was skipped by moving ahead would be missing in the lists.
        proof = min(now, claims.iat + TTL_SECONDS)
        self._proved_at = proof if self._proved_at is None else max(self._proved_at, proof)
        self.fresh_until = self._proved_at + self._stale_after

    def fail(self, want: Want, now: float) -> None:
        """Keep that a document could not be fetched, or was refused: wait, twice as long each time."""
        found = self.lists.get(want.url) or self._awaited.get(want.url) if want.is_list else self._snapshot
        if found is not None:
            found.fail(now, self._jitter())

    def _stand_at(self, position: Position) -> None:
        """Follow a line of events from here on."""
        is_new_epoch = self._position is not None
        self._position = position
        self._recent.clear()
        self._recent_size, self._recent_from = 0, position.event_id
        for copy in self.lists.values():
            copy.is_joined = self._joins(copy)
            if is_new_epoch:
                copy.expire()

    def _joins(self, copy: Copy) -> bool:
        """Tell whether no event was missed between a list and the stream."""
        at = self._position
        return self._feeds and at is not None and copy.epoch == at.epoch and copy.event_id >= self._recent_from

    # ── the stream ──

    def opened(self) -> None:
        """Keep that we listen."""
        self._is_streaming, self._goal = True, None

    def closed(self, now: float) -> None:
        """Keep that the stream has ended: wait, twice as long each time until it has proved something."""
        self._is_streaming = False
        self._stream_failures += 1
        self._stream_at = now + backoff_seconds(self._stream_failures, self._jitter())

    def hear_hello(self, data: str, now: float) -> None:
        """Learn where the issuer stands. Nobody signed it: it only tells how far we have to catch up.

        Raises:
            LostError: It stands in another epoch, or behind us.
        """
        at = _greeting(data)
        if at is None or self._position is None or at.epoch != self._position.epoch:
            raise self._lose("the stream is of another epoch")
        if at.event_id < self._position.event_id:
            raise self._lose("the stream is behind us")
        self._goal = at.event_id
        self.hear_heartbeat(now)

    def hear_heartbeat(self, now: float) -> None:
        """Take it as proof that there is nothing that we do not know, if we have heard everything so far."""
        if not self.is_live:
            return
        self._stream_failures = 0
        self._proved_at = now
        self.fresh_until = fresh_until = now + self._stale_after
        for copy in self.lists.values():
            if copy.is_joined:
                copy.fresh_until = fresh_until
        if not 0 <= now - self._pruned_at < PRUNE_SECONDS:
            self._prune(now)

    def read_event(self, token: str, keys: KeySet, now: float) -> revocation_event.RevocationEvent:
        """Check an event message; it changes nothing.

        Raises:
            JoseError: It is refused.
        """
        kid = self._signer(token)
        event = revocation_event.check(token, keys, issuer=self._issuer, now=now)
        _refuse_future(event.iat, now)
        _refuse_own(kid, event.revoked.kids)  # whoever stole a key could say so too, or say it of ours
        for _, indexes in event.revoked.status:
            if indexes and not 0 <= min(indexes) <= max(indexes) < status_list.SIZE:
                raise BadClaimError("an index is out of bounds", claim="events")
        return event

    def hear_event(self, event: revocation_event.RevocationEvent, now: float) -> None:
        """Do what an event message says.

        Raises:
            LostError: There is a gap before it, or it is of another epoch.
            JoseError: It has no position.
        """
        at, position, revoked = event.position, self._position, event.revoked
        if position is None or at.epoch != position.epoch or revoked.after > position.event_id:
            raise self._lose("events are missing")
        if at.event_id <= position.event_id:
            return  # we know it, and that it comes again proves nothing
        self.jtis.update(revoked.jtis)
        for uri, indexes in revoked.status:
            copy = self.lists.get(uri)
            if copy is not None:
                _set(copy.octets, indexes)
            self._remember(at.event_id, uri, indexes)
        self._refuse_keys(revoked.kids)
        self._position = at
        self.hear_heartbeat(now)

    def hear_resync(self) -> LostError:
        """Begin with the documents again, as the issuer asks."""
        return self._lose("the issuer does not know our place any more")

    def _lose(self, why: str) -> LostError:
        self._position = None
        if self._snapshot is not None:
            self._snapshot.expire()
        for copy in self.lists.values():
            copy.is_joined = False
            copy.expire()
        return LostError(why)

    def _has_caught_up(self, position: Position) -> bool:
        return self._goal is not None and position.event_id >= self._goal

    def _remember(self, event_id: int, uri: str, indexes: tuple[int, ...]) -> None:
        """Remember bits for lists that come later and were made before; the oldest give way."""
        self._recent.append((event_id, uri, indexes))
        self._recent_size += len(indexes)
        while self._recent_size > RECENT_INDEXES:
            forgotten, _, gone = self._recent.popleft()
            self._recent_size -= len(gone)
            self._recent_from = forgotten

    # ── names ──

    def _refuse_keys(self, kids: Iterable[str]) -> None:
        """Trust keys no more, nor what they signed."""
        new = frozenset(kids) - self.kids
        if not new:
            return
        self.kids |= new
        for document in (self._snapshot, *self.lists.values()):
            if document is not None and document.kid in new:
                document.distrust()

    def _prune(self, now: float) -> None:
        """Forget tokens that have ended by themselves, whatever a verifier's leeway is."""
        self._pruned_at = now
        if self.jtis:
            self.jtis = {jti: exp for jti, exp in self.jtis.items() if exp + _MAX_LEEWAY > now}

    def _signer(self, token: str) -> str:
        """Read which key a document says it was signed with; the signature covers that."""
        kid = headers.read(token.partition(".")[0], DEFAULT).get("kid")
        if not isinstance(kid, str):
            raise InvalidKeyError("the document does not name its key")
        self._refuse_signer(kid)
        return kid

    def _refuse_signer(self, kid: str) -> None:
        if kid in self.kids:
            raise RevokedError("the document's key has been revoked")

    # ── looking ──

    def restart(self) -> None:
        """Begin anew in a process that forked: what is revoked stays so, and everything is asked again."""
        self._is_streaming = False
        self._stream_at = -inf
        if self._snapshot is not None:
            self.fresh_until = -inf
        for document in (self._snapshot, *self.lists.values()):
            if document is not None:
                document.is_known, document.failures = False, 0
                document.expire()
        for copy in self.lists.values():
            copy.fresh_until = -inf

    def health(self, now: float, *, keys_fresh: bool) -> Health:
        """Say how we are."""
        position = self._position or Position("", 0)
        return Health(
            keys_fresh=keys_fresh,
            feed=self._state(now),
            proved_seconds_ago=None if self._proved_at is None else max(0.0, now - self._proved_at),
            epoch=position.epoch or None,
            event_id=position.event_id if position.epoch else None,
            lists=len(self.lists),
            refusals=self.refusals,
        )

    def _state(self, now: float) -> State:
        if self._offer is None:
            return "starting"
        if self._snapshot is None:
            return "off"
        if self._snapshot.is_on_its_way:
            return "starting"
        if now >= self.fresh_until:
            return "stale"
        return "live" if self.is_live else "list only"


_MAX_LEEWAY = 300


def backoff_seconds(failures: int, jitter: float) -> float:
    """Wait up to half a second after the first failure, and twice as long after each that follows."""
    return min(0.5 * 2.0 ** min(failures - 1, 10), MAX_BACKOFF_SECONDS) * jitter


class _Greeting(msgspec.Struct, frozen=True):
    epoch: str
    event_id: int


def _greeting(data: str) -> Position | None:
    try:
        found = msgspec.json.decode(data, type=_Greeting)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    return Position(found.epoch, found.event_id)


def _set(octets: bytearray, indexes: Iterable[int]) -> None:
    size = len(octets)
    for index in indexes:
        if index >> 3 < size:
            octets[index >> 3] |= 1 << (index & 7)


def _refuse_future(iat: float, now: float) -> None:
    """What claims to be of the future would never be replaced by what is true."""
    if iat > now + MAX_CLOCK_LEAD:
        raise IssuedInFutureError("iat is further ahead than clocks may differ", claim="iat")


def _refuse_own(kid: str, kids: Iterable[str]) -> None:
    """A key is revoked by another one."""
    if kid in kids:
        raise BadClaimError("a key cannot revoke itself", claim="events")


@lru_cache(1024)
def _is_ours(uri: str, issuer: str) -> bool:
    return is_same_origin(uri, issuer)
