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
from gatepass.tokens import heartbeat, revocation_event, revocation_snapshot, status_list
from gatepass.tokens.access_token import MAX_CLOCK_LEAD
from gatepass.tokens.heartbeat import SILENCE_SECONDS
from gatepass.tokens.revocation_event import Position
from gatepass.verify.clocks import LONG_AGO, NO_PROOF, Proof, Trouble, younger
from gatepass.verify.errors import RevocationStaleError, RevokedError
from gatepass.verify.issuer import is_same_origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from gatepass.jose import KeySet
    from gatepass.verify.clocks import Moment
    from gatepass.verify.issuer import Offer
    from gatepass.verify.principal import Principal

Mode: TypeAlias = Literal["feed", "list"]
Stale: TypeAlias = Literal["serve", "refuse"]
State: TypeAlias = Literal["off", "starting", "live", "stale", "list only"]

DOUBT_SECONDS = 3.0
"""A stream that has been silent for so long, one heartbeat and a half, may be dead: another is opened beside it."""

LIVE_SECONDS = 8.0
"""How old the last proof may be for revocations to be called live: several heartbeats, and clocks that differ."""

TTL_SECONDS = 30
"""How long a document is fresh that does not say."""

MIN_TTL_SECONDS = 5
MAX_TTL_SECONDS = 3600
"""What a list's `ttl` may make of it."""

RENEWAL_SECONDS = 600
"""While the stream is live, documents are fetched only this often: bits that are 0 again come with them."""

MAX_LISTS = 1024
"""Lists that are held at once: 134 MB, for a billion grants. Of more, those are held that were used last."""

BURST = 1024
LISTS_PER_SECOND = 100
"""Unknown lists that tokens may have fetched at once, and afterwards each second; only the issuer signs tokens."""

MISSING_SECONDS = 30
"""How long a list is not asked for again when the issuer has said that it does not exist."""

USED_SECONDS = 60
"""A list that no token has named for so long is not in use."""

WINDOW_SECONDS = 1.0
"""For how long `clears` may go by one look at the clocks; the driver looks several times a second."""

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
            more than `stale_after` seconds nobody could say what is revoked, or a list that tokens name cannot be had.
            `"starting"`: no word yet. `"off"`: they are not followed, or the issuer does not publish them; a token
            that names a status list is checked against it all the same, unless `revocation=None`.
        ready: Whether good tokens are accepted: there are keys, and what `stale="refuse"` asks for.
        known_within: The seconds within which a revocation is known at worst as things stand; None if nobody can say.
            It is 5 while live, also when the stream freezes this very moment (a healthy one takes less than 1), and the
            lists' `ttl` while they are fetched.
        proved_seconds_ago: The age of the last proof that we know everything, in seconds, or None.
        epoch: Which line of events we follow.
        event_id: The last event that we know.
        lists: How many status lists we hold.
        lists_missing: How many we do not hold that tokens have named within the last minute.
        refusals: How many lists, snapshots and events were refused so far: forged, older than ours, or broken.
        keys_problem: Why tokens may lack a key: the last fetch failed, or keys that are published cannot be used. None
            if there is no such reason.
    """

    keys_fresh: bool
    feed: State
    ready: bool = False
    known_within: float | None = None
    proved_seconds_ago: float | None = None
    epoch: str | None = None
    event_id: int | None = None
    lists: int = 0
    lists_missing: int = 0
    refusals: int = 0
    keys_problem: str | None = None


class Document:
    """When a document was and is to be fetched.

    Attributes:
        url: Where it is.
        is_known: Whether it was ever there.
        trouble: How long fetching it has failed.
    """

    __slots__ = ("epoch", "event_id", "fetched_at", "iat", "is_known", "kid", "trouble", "url")

    def __init__(self, url: str) -> None:
        self.url = url
        self.is_known = False
        self.trouble = Trouble()
        self.fetched_at = LONG_AGO
        self.epoch: str | None = None
        self.event_id = -1
        self.iat = -1
        self.kid: str | None = None

    @property
    def is_on_its_way(self) -> bool:
        """Whether it may be here in a moment, for the first time."""
        return not self.is_known and not self.trouble

    def is_due(self, now: Moment, seconds: float) -> bool:
        """Tell whether it is time to fetch it, when it is fresh for so long."""
        return self.trouble.is_over(now) if self.trouble else now.since(self.fetched_at) >= seconds

    def refuse_older(self, epoch: str | None, event_id: int, iat: int) -> None:
        """Refuse what says less than we know: within an epoch the later event counts, between epochs the clock.

        Raises:
            BadClaimError: It is older than what we have.
        """
        is_older = (event_id, iat) < (self.event_id, self.iat) if epoch == self.epoch else iat < self.iat
        if is_older:
            raise BadClaimError("it is older than what we have", claim="iat")

    def came(self, *, epoch: str | None, event_id: int, iat: int, kid: str, now: Moment) -> None:
        """Keep that it is here."""
        self.epoch, self.event_id, self.iat, self.kid = epoch, event_id, iat, kid
        self.is_known, self.fetched_at = True, now
        self.trouble.ended()

    def expire(self) -> None:
        """Fetch it again at once."""
        self.fetched_at = LONG_AGO
        self.trouble.hurry()

    def distrust(self) -> None:
        """Let anything replace it: its key was stolen. Until then it is better than nothing."""
        self.event_id = self.iat = -1
        self.expire()


class Copy(Document):
    """Our copy of a status list.

    Attributes:
        octets: The bits.
        ttl: Seconds for which it is fresh.
        proof: What the document itself proves.
        is_joined: Whether the stream keeps it up to date: we know every event since it was made.
        wanted_at: When a token last named it that `clears` did not answer for, by the clock that only runs.
        clears_until: Until when `clears` may go by it, in seconds since 1970.
        is_resting: Whether it waits for the next token before `clears` may go by it; so we learn which are in use.
    """

    __slots__ = ("clears_until", "is_joined", "is_resting", "octets", "proof", "ttl", "wanted_at")

    def __init__(self, url: str, run: float) -> None:
        super().__init__(url)
        self.octets = bytearray()
        self.ttl = TTL_SECONDS
        self.proof = NO_PROOF
        self.is_joined = False
        self.wanted_at = run
        self.clears_until = -inf
        self.is_resting = False


class Line:
    """One connection to the stream.

    Attributes:
        heard_at: When the last whole message came, or when it was opened, by the clock that only runs.
        goal: The event at which the issuer stood when it greeted us; None before that.
    """

    __slots__ = ("goal", "heard_at")

    def __init__(self, run: float) -> None:
        self.heard_at = run
        self.goal: int | None = None


class Revocations:
    """What one issuer has revoked.

    Attributes:
        jtis: Revoked tokens, each with the time at which it ends by itself.
        kids: Keys that are not to be trusted any more; they never are again.
        lists: Status lists by URL.
        clears_from: From when on `clears` may go by what is known, in seconds since 1970.
        clears_until: Until when it may.
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
        self.clears_from, self.clears_until = inf, -inf
        self.refusals = 0
        self._issuer = issuer
        self._mode = mode
        self._stale = stale
        self._stale_after = stale_after
        self._jitter = jitter
        self._offer: Offer | None = None
        self._snapshot: Document | None = None
        self._awaited: dict[str, Copy] = {}
        self._out_of_reach: dict[str, float] = {}
        self._is_out = False
        self._allowance, self._allowed_at = float(BURST), -inf
        self._position: Position | None = None
        self._recent: deque[tuple[int, str, tuple[int, ...]]] = deque()
        self._recent_size = 0
        self._recent_from = 0
        self._line: Line | None = None
        self._next_line: Line | None = None
        self._stream_trouble = Trouble()
        self._read, self._heard = NO_PROOF, NO_PROOF
        self._issuer_time = -inf
        self._pruned_at = -inf

    # ── tokens ──

    def clears(self, principal: Principal, wall: float) -> bool:
        """Tell, as fast as can be, whether a token is known not to be revoked; if not so, ask `judge`."""
        if not self.clears_from <= wall < self.clears_until or principal.token_id in self.jtis:
            return False
        status = principal.status
        if status is None:
            return True
        copy = self.lists.get(status.uri)
        if copy is None or wall >= copy.clears_until:
            return False
        index = status.idx
        try:
            return not copy.octets[index >> 3] >> (index & 7) & 1
        except IndexError:
            return False

    def look(self, now: Moment, *, is_awake: bool = True) -> None:
        """Look at both clocks, and let `clears` go by what is fresh for a moment; unless we have just slept."""
        self._look_at_names(now, is_awake=is_awake)
        for copy in self.lists.values():
            self._look_at(copy, now)

    def _look_at_names(self, now: Moment, *, is_awake: bool = True) -> None:
        left = min(self._stale_after - self._age_of_names(now), WINDOW_SECONDS)
        if self._offer is not None and self._snapshot is None:
            left = inf if self.is_idle else WINDOW_SECONDS  # there are no names to be up to date with
        if left <= 0 or not is_awake:
            self.clears_from, self.clears_until = inf, -inf
        else:
            self.clears_from = -inf if left == inf else now.wall - _SLEW_SECONDS
            self.clears_until = now.wall + left

    def _look_at(self, copy: Copy, now: Moment) -> None:
        """Let `clears` go by a list while it is fresh, unless we want to know whether it is in use."""
        is_open = not copy.is_resting and self._age_of(copy, now) < self._stale_after
        copy.clears_until = inf if is_open else -inf

    def judge(self, principal: Principal, now: Moment) -> None:
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
            copy.wanted_at, copy.is_resting = now.run, False
            if status.idx >> 3 >= len(copy.octets):
                raise BadClaimError("status names a place that the list does not have", claim="status")
            if copy.octets[status.idx >> 3] >> (status.idx & 7) & 1:
                raise RevokedError("the token's grant has been revoked")
        is_listed = status is None or (copy is not None and self._age_of(copy, now) < self._stale_after)
        if self._stale == "refuse" and not (is_listed and self._are_names_fresh(now)):
            raise RevocationStaleError(f"nobody can say what {self._issuer} has revoked", retry_after=MIN_TTL_SECONDS)

    def _age_of_names(self, now: Moment) -> float:
        """Return how old what we know of tokens and keys is: the snapshot and the stream both say it all."""
        return min(self._read.age(now), self._heard.age(now))

    def _age_of(self, copy: Copy, now: Moment) -> float:
        """Return how old what we know of a list is: by its document, or by the stream if that keeps it up to date."""
        age = copy.proof.age(now)
        return min(age, self._heard.age(now)) if copy.is_joined else age

    def _are_names_fresh(self, now: Moment) -> bool:
        return (self._offer is not None and self._snapshot is None) or self._age_of_names(now) < self._stale_after

    def missing(self, principal: Principal, now: Moment) -> str | None:
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
        copy = self._ask(principal.status.uri, now.run)
        return copy.url if copy is not None and copy.is_on_its_way else None

    def _ask(self, uri: str, run: float) -> Copy | None:
        """Find a list, or have it fetched if it may be: at the issuer's own origin, and not too many at once."""
        copy = self.lists.get(uri) or self._awaited.get(uri)
        if copy is not None:
            copy.wanted_at = run
            return copy
        if not _is_ours(uri, self._issuer) or not self._may_ask(run):
            self._note_out_of_reach(uri, run)
            return None
        self._make_room()
        copy = self._awaited[uri] = Copy(uri, run)
        return copy

    def _may_ask(self, run: float) -> bool:
        """A bucket: tokens that name ever new lists cause a burst, and then so many fetches a second."""
        elapsed = max(0.0, run - self._allowed_at)
        self._allowance = min(float(BURST), self._allowance + elapsed * LISTS_PER_SECOND)
        self._allowed_at = run
        if self._allowance < 1:
            return False
        self._allowance -= 1
        return True

    def _note_out_of_reach(self, uri: str, run: float) -> None:
        """Keep that a token has named what cannot be had, so that `health` says so."""
        if len(self._out_of_reach) >= _MAX_NOTED:
            del self._out_of_reach[next(iter(self._out_of_reach))]
        self._out_of_reach[uri] = run

    def _make_room(self) -> None:
        """Forget lists when there are too many: those first that could not be had, then those not used for longest."""
        while len(self.lists) + len(self._awaited) >= max(1, MAX_LISTS):
            failing = next((copy for copy in self._awaited.values() if copy.trouble), None)
            copy = failing or min((*self._awaited.values(), *self.lists.values()), key=lambda copy: copy.wanted_at)
            self._awaited.pop(copy.url, None)
            self.lists.pop(copy.url, None)
            self._note_out_of_reach(copy.url, copy.wanted_at)

    def _lists_missing(self, run: float) -> int:
        """Count the lists in use that we do not hold."""
        self._out_of_reach = {
            uri: at for uri, at in self._out_of_reach.items() if run - at < USED_SECONDS and uri not in self.lists
        }
        awaited = [uri for uri, copy in self._awaited.items() if run - copy.wanted_at < USED_SECONDS]
        return len(self._out_of_reach.keys() | awaited)

    # ── what to fetch ──

    @property
    def is_idle(self) -> bool:
        """Whether there is nothing to follow: the issuer offers nothing, and no token names a list."""
        return self._offer is not None and self._snapshot is None and not self._awaited and not self.lists

    @property
    def has_settled(self) -> bool:
        """Whether the first attempts have ended, well or not: there is nothing more to wait for at the start."""
        if self._offer is None or (self._snapshot is not None and self._snapshot.is_on_its_way):
            return False
        return not self._feeds or self._position is None or self._line is not None or bool(self._stream_trouble)

    def is_live(self, now: Moment) -> bool:
        """Whether the stream has brought us up to date, speaks, and has proved that lately."""
        line, position = self._line, self._position
        if line is None or line.goal is None or position is None or position.event_id < line.goal:
            return False
        return now.run - line.heard_at < SILENCE_SECONDS and self._heard.age(now) < LIVE_SECONDS

    def learn_offer(self, offer: Offer) -> bool:
        """Take the issuer's word on where its revocations are, and tell whether it is news."""
        if offer == self._offer:
            return False
        self._offer = offer
        # Without a snapshot there is nothing to carry on from, and no names are revoked as far as anybody can tell.
        self._snapshot = Document(offer.snapshot_url) if offer.snapshot_url is not None else None
        self._read = self._heard = NO_PROOF
        return True

    def due(self, now: Moment) -> Iterator[Want]:
        """Say which documents to fetch now: one at a time while the issuer answers none."""
        for want in self._due(now):
            yield want
            if self._is_out:
                return

    def _due(self, now: Moment) -> Iterator[Want]:
        is_live = self.is_live(now)
        if self._snapshot is not None and self._snapshot.is_due(
            now, RENEWAL_SECONDS if is_live else self._polled_seconds(TTL_SECONDS)
        ):
            yield Want(self._snapshot.url, is_list=False)
        for copy in (*self._awaited.values(), *self.lists.values()):
            if copy.is_due(now, self._fresh_seconds(copy, is_live=is_live)):
                yield Want(copy.url, is_list=True)

    def stream_due(self, now: Moment) -> str | None:
        """Say where to listen, if it is time to begin; the position goes with it.

        A line that is silent is not given up for that at once: another is opened beside it.
        """
        if not self._feeds or self._offer is None or self._position is None or self._next_line is not None:
            return None
        if self._line is not None and now.run - self._line.heard_at < DOUBT_SECONDS:
            return None
        return self._offer.stream_url if self._stream_trouble.is_over(now) else None

    @property
    def position(self) -> Position | None:
        """The last event that we know."""
        return self._position

    @property
    def _feeds(self) -> bool:
        return self._mode == "feed" and self._offer is not None and self._offer.stream_url is not None

    def _fresh_seconds(self, copy: Copy, *, is_live: bool) -> float:
        if not is_live:
            return self._polled_seconds(copy.ttl)
        return RENEWAL_SECONDS if copy.is_joined else MIN_TTL_SECONDS

    def _polled_seconds(self, ttl: float) -> float:
        """How long to go by a document while no stream says more.

        Only a part of its `ttl`: with the fetch itself, a revocation is known within that. Where a stream should say
        more, documents have to come often enough to keep within `stale_after`.
        """
        seconds = ttl * (0.6 + 0.2 * self._jitter())
        return min(seconds, max(MIN_TTL_SECONDS, self._stale_after / 4)) if self._feeds else seconds

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

    def learn_list(self, read: ReadList, now: Moment) -> None:
        """Keep a status list.

        Raises:
            JoseError: It is older than ours, or was signed by a key that was refused in between.
        """
        claims, octets, kid = read
        self._refuse_signer(kid)
        copy = self.lists.get(claims.sub) or self._awaited.pop(claims.sub, None) or Copy(claims.sub, now.run)
        copy.refuse_older(claims.epoch, claims.event_id, claims.iat)
        was_joined, same_epoch = copy.is_joined, copy.epoch == claims.epoch
        copy.came(epoch=claims.epoch, event_id=claims.event_id, iat=claims.iat, kid=kid, now=now)
        self._is_out = False
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
        copy.proof = self._proved_by(claims.iat, copy.ttl, now)
        self.lists[claims.sub] = copy
        self._issuer_time = max(self._issuer_time, claims.iat)
        self._look_at(copy, now)
        if self._snapshot is None:
            self._read = younger(self._read, copy.proof, now)

    def _proved_by(self, iat: float, ttl: float, now: Moment) -> Proof:
        """What a document proves: where no stream says more, it counts for its `ttl`, however long a cache held it."""
        as_of = iat if self._feeds else min(now.wall, iat + ttl)
        return Proof(as_of, now.run - max(0.0, now.wall - as_of))

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

    def learn_snapshot(self, read: ReadSnapshot, now: Moment) -> None:
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
        self._is_out = False
        self._issuer_time = max(self._issuer_time, claims.iat)
        self._prune(now)
        self.jtis.update(claims.jtis)
        self._refuse_keys(claims.kids)
        position = Position(claims.epoch, claims.event_id)
        if self._position is None or self._position.epoch != claims.epoch:
            self._stand_at(position)
        elif not self._feeds:
            self._position = position
        # While we listen, the stream proves more; and what was skipped by moving ahead would be missing in the lists.
        self._read = younger(self._read, self._proved_by(claims.iat, TTL_SECONDS, now), now)
        self.look(now)

    def fail(self, want: Want, now: Moment, *, is_missing: bool = False) -> None:
        """Keep that a document could not be fetched, or was refused, and try again a little later.

        Args:
            want: The document.
            now: The time.
            is_missing: Whether the issuer has answered that there is none: then much later, unless there once was.
        """
        found = self.lists.get(want.url) or self._awaited.get(want.url) if want.is_list else self._snapshot
        self._is_out = not is_missing
        if found is not None:
            at_least = MISSING_SECONDS if is_missing and not found.is_known else 0
            found.trouble.failed(now, self._jitter(), at_least=at_least)

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

    def opened(self, now: Moment) -> Line:
        """Keep that we open a line; it is the one that counts once it has greeted us."""
        self._next_line = Line(now.run)
        return self._next_line

    def is_given_up(self, line: Line, now: Moment) -> bool:
        """Tell whether to hang up: it has been silent for too long, or another has taken its place."""
        return line not in (self._line, self._next_line) or now.run - line.heard_at >= SILENCE_SECONDS

    def closed(self, line: Line, now: Moment, *, retry_after: float = 0) -> None:
        """Keep that a line has ended, and open another a little later.

        Args:
            line: The line.
            now: The time.
            retry_after: The seconds that the issuer asks us to wait.
        """
        if line is self._line:
            self._line = None
        elif line is self._next_line:
            self._next_line = None
        else:
            return  # another had taken its place
        self._stream_trouble.failed(now, self._jitter(), at_least=min(retry_after, _LONGEST_RETRY_AFTER))

    def hear_hello(self, line: Line, data: str, now: Moment) -> None:
        """Learn where the issuer stands. Nobody signed it: it only tells how far we have to catch up.

        Raises:
            LostError: It stands in another epoch, or behind us.
        """
        line.heard_at = now.run
        at = _greeting(data)
        if at is None or self._position is None or at.epoch != self._position.epoch:
            raise self._lose("the stream is of another epoch")
        if at.event_id < self._position.event_id:
            raise LostError("it is behind another") if self._line not in (None, line) else self._lose("it is behind us")
        line.goal = at.event_id
        self._line, self._next_line = line, None

    def hear_comment(self, line: Line, now: Moment) -> None:
        """Keep that the line is open; that proves nothing."""
        line.heard_at = now.run

    def read_heartbeat(self, token: str, keys: KeySet, now: float) -> heartbeat.Heartbeat:
        """Check a heartbeat; it changes nothing.

        Raises:
            JoseError: It is refused.
        """
        self._signer(token)
        return heartbeat.check(token, keys, issuer=self._issuer, now=now)

    def hear_heartbeat(self, beat: heartbeat.Heartbeat, now: Moment) -> None:
        """Take it as proof that there was nothing, as of its time, that we do not know.

        Raises:
            LostError: There is something: events are missing, or it is of another epoch.
        """
        position = self._position
        if position is None:
            return  # we have begun anew
        if beat.epoch != position.epoch or beat.head > position.event_id:
            raise self._lose("events are missing")
        if beat.head < position.event_id:
            return  # its node knows less than we do, and so proves nothing
        self._issuer_time = max(self._issuer_time, beat.iat)
        self._heard = younger(self._heard, Proof(beat.as_of, now.run - max(0.0, beat.iat - beat.as_of)), now)
        if self.is_live(now):
            self._stream_trouble.ended()
        if now.run - self._pruned_at >= PRUNE_SECONDS:
            self._prune(now)
        self.look(now)

    def read_event(self, token: str, keys: KeySet, now: float) -> revocation_event.RevocationEvent:
        """Check an event message; it changes nothing.

        Raises:
            JoseError: It is refused.
        """
        kid = self._signer(token)
        event = revocation_event.check(token, keys, issuer=self._issuer, now=now)
        _refuse_own(kid, event.revoked.kids)  # whoever stole a key could say so too, or say it of ours
        for _, indexes in event.revoked.status:
            if indexes and not 0 <= min(indexes) <= max(indexes) < status_list.SIZE:
                raise BadClaimError("an index is out of bounds", claim="events")
        return event

    def hear_event(self, line: Line, event: revocation_event.RevocationEvent, now: Moment) -> None:
        """Do what an event message says, whatever our clock says: it is its place in the line that counts.

        Raises:
            LostError: There is a gap before it, or it is of another epoch.
            JoseError: It has no position.
        """
        line.heard_at = now.run
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

    def _prune(self, now: Moment) -> None:
        """Forget tokens that have ended by themselves, by our clock and the issuer's, whatever a verifier's leeway is.

        By both: a clock of ours that runs ahead for a while must not make us forget what is revoked.
        """
        self._pruned_at = now.run
        ended = min(now.wall, self._issuer_time) - _MAX_LEEWAY
        if self.jtis:
            self.jtis = {jti: exp for jti, exp in self.jtis.items() if exp > ended}
        for copy in self.lists.values():
            copy.is_resting = True

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
        self._line = self._next_line = None
        self._stream_trouble.ended()
        self._read = self._heard = NO_PROOF
        self.clears_from, self.clears_until = inf, -inf
        for document in (self._snapshot, *self.lists.values()):
            if document is not None:
                document.is_known = False
                document.trouble.ended()
                document.expire()
        for copy in self.lists.values():
            copy.proof = NO_PROOF

    def health(self, now: Moment, *, keys_fresh: bool, keys_usable: bool) -> Health:
        """Say how we are."""
        position, age, missing = (
            self._position or Position("", 0),
            self._age_of_names(now),
            self._lists_missing(now.run),
        )
        state = self._state(now, missing)
        return Health(
            keys_fresh=keys_fresh,
            feed=state,
            known_within=self._known_within(state),
            ready=keys_usable and (self._stale == "serve" or self._are_names_fresh(now)),
            proved_seconds_ago=None if age == inf else max(0.0, age),
            epoch=position.epoch or None,
            event_id=position.event_id if position.epoch else None,
            lists=len(self.lists),
            lists_missing=missing,
            refusals=self.refusals,
        )

    def _known_within(self, state: State) -> float | None:
        if state == "live":
            return SILENCE_SECONDS
        return max((copy.ttl for copy in self.lists.values()), default=TTL_SECONDS) if state == "list only" else None

    def _state(self, now: Moment, missing: int) -> State:
        if self._offer is None:
            return "starting"
        if self._snapshot is None:
            return "off"
        if self._snapshot.is_on_its_way:
            return "starting"
        if not self._are_names_fresh(now):
            return "stale"
        if missing:
            return (
                "starting"
                if all(copy.is_on_its_way for copy in self._awaited.values()) and not (self._out_of_reach)
                else "stale"
            )
        return "live" if self.is_live(now) else "list only"


_MAX_LEEWAY = 300

_SLEW_SECONDS = 0.05
"""How far a clock may be moved back for `clears` to go on: no more than what is always moved."""

_MAX_NOTED = 1024

_LONGEST_RETRY_AFTER = 30.0


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
