"""The state machine behind a verifier's knowledge of what is revoked, without any I/O."""

from __future__ import annotations

import json
import random
from typing import TYPE_CHECKING, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.scripted_issuer import LIST, NOW, Clock, Revoking

from gatepass.jose import JoseError, Key, KeySet
from gatepass.jose.errors import BadClaimError
from gatepass.tokens.revocation_event import Position, Revoked
from gatepass.tokens.status_list import SIZE, Bits, StatusReference
from gatepass.verify.clocks import Moment, Trouble
from gatepass.verify.errors import RevocationStaleError, RevokedError
from gatepass.verify.following import documents as module
from gatepass.verify.following.documents import Document, Line, LostError, Revocations, Want
from gatepass.verify.issuer import Offer
from gatepass.verify.principal import Principal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from gatepass.verify.following.documents import Health

URL = "https://auth.example.com"
URI = URL + LIST
OFFER = Offer(URL + "/revocations", URL + "/revocations/snapshot")
SNAPSHOT = Want(URL + "/revocations/snapshot", is_list=False)
STATUS_LIST = Want(URI, is_list=True)


class Issuer(Revoking):
    """The other side: makes the documents and messages, and serves nobody."""

    def __init__(self) -> None:
        super().__init__(Clock())
        self.url = URL
        self.keys = [Key.generate("ES256"), Key.generate("ES256")]

    @property
    def published(self) -> KeySet:
        """The JWKS."""
        return KeySet(key.public() for key in self.keys)


class Reader:
    """A `Revocations` and an issuer, with the calls that the driver makes."""

    def __init__(self, *, mode: Literal["feed", "list"] = "feed", stale: Literal["serve", "refuse"] = "serve") -> None:
        self.issuer = Issuer()
        self.clock = self.issuer.clock
        self.known = Revocations(URL, mode=mode, stale=stale, stale_after=60, jitter=lambda: 1.0)
        self.set_by = 0.0
        self.line = Line(0)

    @property
    def now(self) -> Moment:
        """The time, by both clocks."""
        return Moment(self.clock(), self.clock() - self.set_by)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        assert isinstance(self.clock, Clock)
        self.clock.advance(seconds)

    def live_on(self, seconds: float) -> None:
        """Let time pass, and hear a heartbeat every two seconds."""
        for _ in range(int(seconds // 2)):
            self.advance(2)
            self.beat()
        self.advance(seconds % 2)
        self.beat()

    def set_clock(self, seconds: float) -> None:
        """Set the wall clock, while the other one runs on."""
        self.set_by += seconds
        self.advance(seconds)

    def wants(self) -> list[Want]:
        """What is due."""
        return list(self.known.due(self.now))

    def take_list(self, token: str | None = None, path: str = LIST) -> None:
        """Fetch a list."""
        read = self.known.read_list(
            URL + path, token or self.issuer.status_list(path), self.issuer.published, self.now.wall
        )
        self.known.learn_list(read, self.now)

    def take_snapshot(self, token: str | None = None) -> None:
        """Fetch the snapshot."""
        read = self.known.read_snapshot(token or self.issuer.snapshot(), self.issuer.published, self.now.wall)
        self.known.learn_snapshot(read, self.now)

    def hear(self, token: str) -> None:
        """Hear an event message."""
        read = self.known.read_event(token, self.issuer.published, self.now.wall)
        self.known.hear_event(self.line, read, self.now)

    def hear_last(self) -> None:
        """Hear the last event in the issuer's log."""
        self.hear(self.issuer.log[-1][1])

    def hello(self, epoch: str | None = None, event_id: int | None = None) -> None:
        """Hear the greeting."""
        at = {"epoch": epoch or self.issuer.epoch, "event_id": self.issuer.event_id if event_id is None else event_id}
        self.known.hear_hello(self.line, json.dumps(at), self.now)

    def beat(self, token: str | None = None) -> None:
        """Hear a heartbeat."""
        read = self.known.read_heartbeat(token or self.issuer.heartbeat(), self.issuer.published, self.now.wall)
        self.known.hear_comment(self.line, self.now)
        self.known.hear_heartbeat(read, self.now)

    def open(self) -> None:
        """Open a line."""
        self.line = self.known.opened(self.now)

    def close(self) -> None:
        """Lose it."""
        self.known.closed(self.line, self.now)

    def connect(self) -> None:
        """Open the stream."""
        assert self.known.stream_due(self.now) == OFFER.stream_url
        self.open()
        self.hello()
        self.beat()

    def start(self, *, token: Principal | None = None) -> None:
        """Come up, with the list that a token names, and listen."""
        self.known.learn_offer(OFFER)
        self.known.missing(token or principal(5), self.now)
        self.take_snapshot()
        self.take_list()
        self.connect()

    def clears(self, token: Principal) -> bool:
        """Ask the fast way, after a look at the clocks."""
        self.known.look(self.now)
        return self.known.clears(token, self.now.wall)

    def verdict(self, token: Principal) -> str:
        """Judge a token: `clears` may be shorter of words, but never of another mind."""
        clears = self.clears(token)
        try:
            self.known.judge(token, self.now)
        except JoseError as error:
            assert not clears
            return error.code
        return "good"

    def feed(self) -> str:
        """The state, in a word."""
        return self.health.feed

    @property
    def health(self) -> Health:
        """How we are."""
        return self.known.health(self.now, keys_fresh=True, keys_usable=True)


def principal(idx: int | None = None, *, uri: str = URI, jti: str | None = "tok_1") -> Principal:
    """Somebody whose token names a place in a list."""
    return Principal(
        subject="user_1",
        client_id="c",
        session_id=None,
        token_id=jti,
        scopes=frozenset(),
        roles=frozenset(),
        expires_at=NOW + 900,
        auth_time=None,
        acr=None,
        amr=(),
        claims={},
        status=None if idx is None else StatusReference(idx, uri),
    )


@pytest.fixture
def reader() -> Reader:
    """A reader that knows nothing."""
    return Reader()


@pytest.fixture
def live() -> Reader:
    """A reader that is up to date and listens."""
    reader = Reader()
    reader.start()
    return reader


# ── coming up ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_asks_for_one_thing_after_the_other(reader: Reader) -> None:
    """Metadata, then the snapshot and the list that a token names, then the stream from the snapshot's place on."""
    known, token = reader.known, principal(5)
    reader.issuer.event_id = 7
    assert (known.missing(token, reader.now), reader.wants(), reader.feed()) == (URL, [], "starting")
    known.learn_offer(OFFER)
    assert known.missing(token, reader.now) == SNAPSHOT.url
    assert (reader.wants(), known.stream_due(reader.now), reader.feed()) == ([SNAPSHOT], None, "starting")
    reader.take_snapshot()
    assert known.missing(token, reader.now) == URI
    assert (reader.wants(), known.position) == ([STATUS_LIST], Position("e1", 7))
    reader.take_list()
    assert known.missing(token, reader.now) is None
    assert (reader.wants(), reader.feed()) == ([], "list only")
    reader.connect()
    assert (reader.feed(), known.stream_due(reader.now)) == ("live", None)
    health = reader.health
    assert health.known_within == 5
    assert (health.epoch, health.event_id, health.lists, health.proved_seconds_ago) == ("e1", 7, 1, 0)


def test_an_issuer_that_offers_nothing() -> None:
    """Tokens without a status are good, nothing is fetched, and the state says so."""
    for stale in ("serve", "refuse"):
        reader = Reader(stale=stale)
        reader.known.learn_offer(Offer())
        assert reader.known.missing(principal(), reader.now) is None
        assert (reader.verdict(principal()), reader.feed(), reader.known.is_idle) == ("good", "off", True)


def test_an_issuer_that_offers_nothing_and_has_lists() -> None:
    """A token that names one is checked against it, by its `ttl`; the list need not name issuer, times or epoch."""
    reader = Reader(stale="refuse")
    reader.known.learn_offer(Offer())
    assert reader.known.missing(principal(5), reader.now) == URI
    assert not reader.known.is_idle
    bits = Bits.of([6])
    reader.issuer.bits[LIST] = bits
    reader.take_list(reader.issuer.status_list(iss=None, exp=None, ttl=None, epoch=None, event_id=0))
    assert (reader.verdict(principal(5)), reader.verdict(principal(6))) == ("good", "revoked")
    reader.advance(module.TTL_SECONDS)
    assert reader.wants() == [STATUS_LIST]
    reader.advance(60)
    assert reader.verdict(principal(5)) == "revocation_stale"


def test_the_mode_list_never_listens() -> None:
    """`revocation="list"` takes lists and snapshot every `ttl`, and nothing else."""
    reader = Reader(mode="list")
    reader.known.learn_offer(OFFER)
    reader.known.missing(principal(5), reader.now)
    reader.take_snapshot()
    reader.take_list()
    assert (reader.known.stream_due(reader.now), reader.wants(), reader.feed()) == (None, [], "list only")
    reader.advance(30)
    assert reader.wants() == [SNAPSHOT, STATUS_LIST]
    reader.issuer.bits[LIST] = Bits.of([5])
    reader.issuer.event_id, reader.issuer.jtis = 1, {"tok_2": int(NOW) + 900}
    reader.take_list()
    reader.take_snapshot()
    assert (reader.verdict(principal(5)), reader.verdict(principal(jti="tok_2"))) == ("revoked", "revoked")
    assert reader.known.position == Position("e1", 1)
    reader.issuer.bits[LIST] = Bits()
    reader.take_list()
    assert reader.verdict(principal(5)) == "good"  # a bit may be 0 again


def test_an_offer_that_changes(live: Reader) -> None:
    """What the metadata says later counts: the feed may be switched off, and on."""
    assert live.known.learn_offer(OFFER) is False
    assert live.known.learn_offer(Offer()) is True
    assert live.feed() == "off"
    assert live.known.learn_offer(OFFER) is True
    assert (live.wants(), live.feed()) == ([SNAPSHOT], "starting")


# ── what is revoked ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_bit_a_name_or_neither(live: Reader) -> None:
    """Events revoke by index and by `jti`; everybody else's token stays good."""
    for token in (principal(5), principal(6), principal(jti="tok_2"), principal(jti=None)):
        assert live.verdict(token) == "good"
    live.issuer.revoke(5, jti="tok_2")
    live.hear_last()
    assert live.verdict(principal(5)) == "revoked"
    assert live.verdict(principal(6)) == "good"
    assert live.verdict(principal(jti="tok_2")) == "revoked"
    assert live.verdict(principal(jti=None)) == "good"


@pytest.mark.parametrize("idx", [SIZE, SIZE + 7, 10**30])
def test_an_index_out_of_bounds_is_refused(live: Reader, idx: int) -> None:
    """A place that the list does not have is not "not revoked"."""
    assert live.verdict(principal(idx)) == "bad_claim"


def test_a_token_that_is_younger_than_the_list(live: Reader) -> None:
    """Indexes given out since our copy was made are 0 in it: such a token is good."""
    live.advance(20)
    assert live.verdict(principal(SIZE - 1)) == "good"


@given(st.sets(st.integers(0, SIZE - 1), max_size=20), st.sets(st.integers(0, SIZE - 1), max_size=20))
def test_any_indexes(listed: set[int], pushed: set[int]) -> None:
    """Whether a bit came with the list or by an event, it counts, and no other does."""
    reader = Reader()
    reader.issuer.bits[LIST] = Bits.of(listed)
    reader.start()
    reader.issuer.revoke(*pushed)
    reader.hear_last()
    for idx in listed | pushed:
        assert reader.verdict(principal(idx)) == "revoked"
        assert idx ^ 1 in listed | pushed or reader.verdict(principal(idx ^ 1)) == "good"


def test_names_are_forgotten_when_their_tokens_have_ended(live: Reader) -> None:
    """Memory does not grow: a revoked token that has expired, with every leeway, needs no name."""
    live.issuer.revoke(jti="tok_2")
    live.hear_last()
    live.advance(900 + 301)
    live.beat()
    assert live.known.jtis == {}


def test_a_snapshot_takes_nothing_back(live: Reader) -> None:
    """What was pushed stays revoked when a snapshot comes that does not know it yet."""
    live.issuer.revoke(jti="tok_2")
    live.hear_last()
    live.advance(1)
    live.take_snapshot(live.issuer.snapshot(jtis={}))
    assert live.verdict(principal(jti="tok_2")) == "revoked"
    assert live.known.position == Position("e1", 1)


# ── what is older ───────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("changes", "is_taken"),
    [
        ({"event_id": 9}, True),
        ({"event_id": 9, "iat": int(NOW) + 1}, True),
        ({"event_id": 9, "iat": int(NOW) - 1}, False),
        ({"event_id": 8}, False),
        ({"event_id": 8, "iat": int(NOW) + 9}, False),
        ({"event_id": 10, "iat": int(NOW) - 9}, True),
        ({"epoch": "e2", "event_id": 0}, True),
        ({"epoch": "e2", "event_id": 99, "iat": int(NOW) - 1}, False),
    ],
)
def test_an_older_list_or_snapshot_never_replaces_a_newer(changes: dict[str, Any], *, is_taken: bool) -> None:
    """Within an epoch the event counts, then the time; another epoch replaces unless it was made before."""
    reader = Reader(mode="list")
    reader.known.learn_offer(OFFER)
    reader.issuer.event_id = 9
    reader.issuer.bits[LIST] = Bits.of([5])
    reader.take_list()
    reader.take_snapshot()
    reader.issuer.bits[LIST] = Bits()
    if is_taken:
        reader.take_list(reader.issuer.status_list(**changes))
        reader.take_snapshot(reader.issuer.snapshot(**changes))
    else:
        with pytest.raises(BadClaimError, match="older"):
            reader.take_list(reader.issuer.status_list(**changes))
        with pytest.raises(BadClaimError, match="older"):
            reader.take_snapshot(reader.issuer.snapshot(**changes))
    assert reader.verdict(principal(5)) == ("good" if is_taken else "revoked")


def test_a_list_made_before_an_event_and_fetched_after_it(live: Reader) -> None:
    """A cache in between may be half a minute behind: the events since are set again."""
    before = live.issuer.status_list()
    live.issuer.revoke(5)
    live.hear_last()
    live.take_list(before)
    assert live.verdict(principal(5)) == "revoked"
    other = principal(9, uri=URL + "/status/8")
    live.issuer.bits["/status/8"] = Bits()
    before = live.issuer.status_list("/status/8")
    live.issuer.revoke(9, path="/status/8")
    live.hear_last()  # a list that we do not hold
    assert live.known.missing(other, live.now) == other.status.uri if other.status else None
    live.take_list(before, "/status/8")
    assert live.verdict(other) == "revoked"


def test_a_list_from_before_everything_we_remember(live: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """It adds to what we hold, and another is asked for soon, until one is young enough."""
    monkeypatch.setattr(module, "RECENT_INDEXES", 3)
    before = live.issuer.status_list()
    for idx in (1, 2, 3, 4, 5):
        live.issuer.revoke(idx)
        live.hear_last()
    live.take_list(before)
    assert [live.verdict(principal(idx)) for idx in range(7)] == ["good", *["revoked"] * 5, "good"]
    live.live_on(module.MIN_TTL_SECONDS)
    assert live.wants() == [STATUS_LIST]
    live.take_list()
    live.live_on(module.MIN_TTL_SECONDS)
    assert live.wants() == []


# ── the stream ──────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_event_that_comes_again_is_nothing_new(live: Reader) -> None:
    """It changes nothing, and is no proof of anything."""
    live.issuer.revoke(5)
    live.issuer.revoke(6)
    messages = [message for _, message in live.issuer.log]
    for message in messages:
        live.hear(message)
    live.advance(20)
    for message in messages:
        live.hear(message)
    assert live.known.position == Position("e1", 2)
    assert live.health.proved_seconds_ago == 20


def test_a_message_that_overlaps_what_we_know_is_taken(live: Reader) -> None:
    """Several commits may share a message, and a reader may have heard the first of them."""
    live.issuer.revoke(5)
    live.hear_last()
    live.hear(live.issuer.event(Revoked(after=0, status=((URI, (5, 6)),)), 3))
    assert live.known.position == Position("e1", 3)
    assert live.verdict(principal(6)) == "revoked"


def _of_another_epoch(live: Reader) -> None:
    live.hear(live.issuer.event(Revoked(after=0), 1, epoch="e2"))


def _after_a_gap(live: Reader) -> None:
    live.issuer.revoke(5)
    live.issuer.revoke(6)
    live.hear_last()


@pytest.mark.parametrize(
    "happens",
    [
        _of_another_epoch,
        _after_a_gap,
        lambda live: live.hello(epoch="e2"),
        lambda live: live.hello(event_id=-1),
        lambda live: live.known.hear_hello(live.line, "rubbish", live.now),
        lambda live: live.known.hear_hello(live.line, "[" * 100_000, live.now),
        lambda live: (_ for _ in ()).throw(live.known.hear_resync()),
    ],
    ids=["epoch", "gap", "hello epoch", "hello behind", "hello rubbish", "hello deep", "resync"],
)
def test_whoever_loses_the_thread_begins_with_the_documents(live: Reader, happens: Any) -> None:  # noqa: ANN401
    """Snapshot and lists again, at once; meanwhile what we know counts; then the stream from there."""
    live.issuer.revoke(1)
    live.hear_last()
    with pytest.raises(LostError):
        happens(live)
    live.close()
    assert live.known.position is None
    assert live.wants() == [SNAPSHOT, STATUS_LIST]
    assert live.known.missing(principal(5), live.now) is None  # nobody waits for it
    assert live.verdict(principal(1)) == "revoked"
    live.advance(1.5)
    live.take_snapshot()
    live.take_list()
    live.connect()
    assert (live.feed(), live.wants()) == ("live", [])
    assert live.known.position == Position("e1", live.issuer.event_id)


def test_another_epoch_takes_over(live: Reader) -> None:
    """After a restore the issuer counts anew: lists of the new epoch replace ours, and the stream goes on with it."""
    live.issuer.event_id = 500
    live.advance(5)
    live.issuer.epoch, live.issuer.event_id = "e2", 3
    live.close()
    live.advance(1)
    live.open()
    with pytest.raises(LostError):
        live.hello()
    live.close()
    live.advance(1.5)
    live.take_snapshot()
    live.take_list()
    live.connect()
    live.issuer.revoke(5)
    live.hear_last()
    assert (live.verdict(principal(5)), live.feed()) == ("revoked", "live")


def test_nothing_is_proved_until_everything_is_heard(live: Reader) -> None:
    """A heartbeat counts only when we have heard every event that it knows of; an event alone proves nothing."""
    live.close()
    live.advance(30)
    live.issuer.revoke(5)
    live.issuer.revoke(6)
    live.open()
    live.hello()
    assert live.feed() == "list only"
    live.hear(live.issuer.log[0][1])
    assert live.feed() == "list only"
    live.hear(live.issuer.log[1][1])
    assert live.feed() == "list only"
    live.beat()
    assert live.feed() == "live"


def test_an_event_that_was_kept_back_is_missed_at_the_next_heartbeat(live: Reader) -> None:
    """The heartbeat knows of an event that we have not heard: we begin with the documents again."""
    live.issuer.revoke(5)
    with pytest.raises(LostError):
        live.beat()
    assert live.wants() == [SNAPSHOT, STATUS_LIST]
    assert live.feed() == "list only"


def test_a_heartbeat_is_worth_what_its_node_knows(live: Reader) -> None:
    """A node that has lost its store goes on sending heartbeats; they say how old what it knows is, and age with it."""
    lost_at = live.now.wall
    for _ in range(5):
        live.advance(2)
        live.beat(live.issuer.heartbeat(as_of=lost_at))
    assert (live.feed(), live.health.proved_seconds_ago) == ("list only", 10)
    assert SNAPSHOT not in live.wants()  # it is polled now, but not yet due
    for _ in range(26):
        live.advance(2)
        live.beat(live.issuer.heartbeat(as_of=lost_at))
    assert (live.feed(), live.health.known_within) == ("stale", None)
    live.beat()
    assert live.feed() == "live"


@pytest.mark.parametrize(
    "changes", [{"head": 1}, {"head": 1, "iat": NOW + 9, "as_of": NOW + 9}, {"as_of": NOW - 30, "iat": NOW - 30}]
)
def test_an_older_heartbeat_never_takes_a_newer_ones_place(live: Reader, changes: dict[str, Any]) -> None:
    """One that knows fewer events, or was made before, moves nothing back and makes nothing young."""
    live.issuer.revoke(5)
    live.issuer.revoke(6)
    for _, message in live.issuer.log:
        live.hear(message)
    live.beat()
    live.advance(4)
    live.beat(live.issuer.heartbeat(**changes))
    assert live.health.proved_seconds_ago == 4
    assert live.known.position == Position("e1", 2)


def test_a_heartbeat_of_another_epoch_begins_anew(live: Reader) -> None:
    """It is not for a heartbeat to say which epoch counts: the documents do."""
    with pytest.raises(LostError):
        live.beat(live.issuer.heartbeat(epoch="e0"))
    assert live.wants() == [SNAPSHOT, STATUS_LIST]


@pytest.mark.parametrize("forge", ["another key", "another issuer", "an event"])
def test_a_heartbeat_that_is_forged_is_refused(live: Reader, forge: str) -> None:
    """By a key that the issuer does not publish, of another issuer, or of another type."""
    made = {
        "another key": lambda: live.issuer.heartbeat(key=Key.generate("ES256")),
        "another issuer": lambda: live.issuer.heartbeat(iss="https://evil.example"),
        "an event": lambda: live.issuer.event(Revoked(after=0), 1),
    }[forge]()
    live.advance(4)
    with pytest.raises(JoseError):
        live.beat(made)
    assert live.health.proved_seconds_ago == 4


def test_documents_are_fetched_when_the_stream_is_not_there(live: Reader) -> None:
    """While it is live they come every ten minutes; when it breaks, every `ttl` or sooner again."""
    live.live_on(60)
    assert live.wants() == []
    live.close()
    assert live.wants() == [SNAPSHOT, STATUS_LIST]
    assert (live.feed(), live.health.known_within) == ("list only", 30)
    live.advance(1.5)
    live.connect()
    assert live.wants() == []
    live.live_on(module.RENEWAL_SECONDS)
    assert live.wants() == [SNAPSHOT, STATUS_LIST]


def test_a_stream_that_breaks_is_opened_again_soon(live: Reader) -> None:
    """Within 1.5 seconds while the trouble is a minute old, within 4 seconds after that; a heartbeat ends it."""
    waits = []
    for _ in range(60):
        live.close()
        assert live.known.stream_due(live.now) is None
        began = live.now.run
        while live.known.stream_due(live.now) is None:
            live.advance(0.25)
        waits.append(live.now.run - began)
        live.open()
    assert waits[0] == 0.5
    assert set(waits[1:40]) == {1.5}
    assert set(waits[41:]) == {4.0}
    live.hello()
    live.beat()
    live.close()
    live.advance(1.5)
    assert live.known.stream_due(live.now) is not None


def test_readers_do_not_all_come_at_once() -> None:
    """A thousand that lose the same server spread over more than a second."""
    waits = []
    for _ in range(1_000):
        trouble = Trouble()
        trouble.failed(Moment(0, 0), 0)
        trouble.failed(Moment(0, 0), random.random())  # noqa: S311 - a spread, no secret
        waits.append(trouble._wait)
    assert max(waits) - min(waits) > 1.2
    assert max(sum(at <= wait < at + 0.1 for wait in waits) for at in (0.3, 0.6, 0.9, 1.2)) < 150


def test_a_silent_stream_is_doubted_before_it_is_given_up(live: Reader) -> None:
    """After 3 seconds another line is opened beside it, after 5 it is dead and nothing is called live."""
    live.advance(2.9)
    assert live.known.stream_due(live.now) is None
    live.advance(0.1)
    assert live.known.stream_due(live.now) == OFFER.stream_url
    old, second = live.line, live.known.opened(live.now)
    assert live.known.stream_due(live.now) is None  # one at a time
    assert not live.known.is_given_up(old, live.now)
    live.advance(2)
    assert live.known.is_given_up(old, live.now)
    assert live.feed() == "list only"
    live.line = second
    live.hello()
    live.beat()
    assert live.feed() == "live"
    live.known.closed(old, live.now)  # its end is none of the new one's
    assert live.feed() == "live"


def test_a_stream_that_speaks_again_is_kept_until_the_other_greets(live: Reader) -> None:
    """The second line takes the first one's place only when it works."""
    live.advance(3)
    second = live.known.opened(live.now)
    live.beat()
    live.advance(1)
    live.known.closed(second, live.now)
    assert not live.known.is_given_up(live.line, live.now)
    assert live.feed() == "live"


# ── clocks ──────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("step", [-30, -120, -3600, -86_400, 120, 3600])
@pytest.mark.parametrize("back", [0, 1])
def test_a_clock_that_is_set_makes_nothing_young(step: float, back: int) -> None:
    """Set back, forward, or forward and back: nothing is proved for longer than `stale_after` seconds."""
    reader = Reader(stale="refuse")
    reader.start()
    assert reader.verdict(principal(5)) == "good"
    reader.close()
    reader.set_clock(step)
    reader.advance(30)
    if back:
        reader.set_clock(-step)
    reader.advance(30)
    assert not reader.clears(principal(5))
    assert reader.verdict(principal(5)) == "revocation_stale"
    assert reader.feed() == "stale"


def test_a_proof_that_lies_in_the_future_is_none() -> None:
    """A clock that was set back by two minutes makes what was proved before a proof to come."""
    reader = Reader(stale="refuse")
    reader.start()
    reader.set_clock(-120)
    assert reader.verdict(principal(5)) == "revocation_stale"
    reader.set_clock(120)
    assert reader.verdict(principal(5)) == "good"


def test_what_is_revoked_is_heard_whatever_our_clock_says(live: Reader) -> None:
    """An event counts by its place in the line, not by its time: a clock that is an hour late keeps none out."""
    live.set_clock(-3600)
    before = live.now.wall
    live.clock.now += 3600  # type: ignore[attr-defined] # the issuer's clock is right
    live.issuer.revoke(5)
    live.clock.now -= 3600  # type: ignore[attr-defined]
    assert live.now.wall == before
    live.hear_last()
    assert live.verdict(principal(5)) == "revoked"


def test_a_name_is_not_forgotten_by_a_clock_that_ran_ahead(live: Reader) -> None:
    """Forward by a day and back: the revoked token's name is still known."""
    live.issuer.revoke(jti="tok_2")
    live.hear_last()
    made = live.issuer.heartbeat()
    live.set_clock(86_400)
    live.advance(module.PRUNE_SECONDS)
    live.beat(made)
    live.set_clock(-86_400)
    assert live.verdict(principal(jti="tok_2")) == "revoked"


def test_a_document_is_fetched_again_whatever_the_clock_does(live: Reader) -> None:
    """Set back by an hour, and the next fetch comes when it would have come."""
    live.close()
    live.take_snapshot()
    live.take_list()
    live.set_clock(-3600)
    assert live.wants() == []
    live.advance(30)
    assert live.wants() == [SNAPSHOT, STATUS_LIST]


def test_a_suspended_machine_counts() -> None:
    """CLOCK_BOOTTIME goes on while nothing runs; with the wall clock set back at the same time it alone tells."""
    reader = Reader(stale="refuse")
    reader.start()
    reader.advance(300)
    reader.set_clock(-300)
    assert reader.verdict(principal(5)) == "revocation_stale"


# ── staleness ───────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(("stale", "verdict"), [("serve", "good"), ("refuse", "revocation_stale")])
def test_the_stale_rule(stale: Literal["serve", "refuse"], verdict: str) -> None:
    """Before the first word, and `stale_after` seconds after the last, the rule decides; a heartbeat ends that."""
    reader = Reader(stale=stale)
    assert reader.verdict(principal()) == verdict
    reader.known.learn_offer(OFFER)
    assert reader.verdict(principal()) == verdict
    reader.start()
    assert reader.verdict(principal(5)) == "good"
    reader.advance(59.9)
    assert reader.verdict(principal(5)) == "good"
    reader.advance(0.1)
    assert reader.verdict(principal(5)) == reader.verdict(principal()) == verdict
    assert reader.feed() == "stale"
    reader.beat()
    assert (reader.verdict(principal(5)), reader.feed()) == ("good", "live")


def test_a_revoked_token_is_refused_however_stale_we_are(live: Reader) -> None:
    """`serve` serves what is not known to be revoked."""
    live.issuer.revoke(5, jti="tok_2")
    live.hear_last()
    live.advance(10_000)
    assert (live.verdict(principal(5)), live.verdict(principal(jti="tok_2"))) == ("revoked", "revoked")


def test_a_stale_refusal_is_not_the_tokens_fault() -> None:
    """It says when to come again."""
    reader = Reader(stale="refuse")
    with pytest.raises(RevocationStaleError) as caught:
        reader.known.judge(principal(), reader.now)
    assert caught.value.retry_after == 5


def test_a_document_proves_no_more_than_its_age() -> None:
    """A list or snapshot that a cache held back for long is fresh until its own `ttl` was over."""
    reader = Reader(stale="refuse", mode="list")
    reader.known.learn_offer(OFFER)
    made_list, made_snapshot = reader.issuer.status_list(), reader.issuer.snapshot()
    reader.advance(80)
    reader.take_snapshot(made_snapshot)
    reader.take_list(made_list)
    assert reader.verdict(principal(5)) == "good"
    reader.advance(10)
    assert reader.verdict(principal(5)) == "revocation_stale"


def test_a_list_that_does_not_come() -> None:
    """A failed fetch is waited for no longer; the stale rule decides, and the fetch is tried again."""
    for stale, verdict in (("serve", "good"), ("refuse", "revocation_stale")):
        reader = Reader(stale=stale)  # type: ignore[arg-type]
        reader.known.learn_offer(OFFER)
        reader.take_snapshot()
        assert reader.known.missing(principal(5), reader.now) == URI
        reader.known.fail(STATUS_LIST, reader.now)
        assert reader.known.missing(principal(5), reader.now) is None
        assert (reader.verdict(principal(5)), reader.wants()) == (verdict, [])
        reader.advance(1.5)
        assert reader.wants() == [STATUS_LIST]


def test_a_snapshot_that_does_not_come(reader: Reader) -> None:
    """The same, and there is no stream without it."""
    reader.known.learn_offer(OFFER)
    reader.known.fail(SNAPSHOT, reader.now)
    assert reader.known.missing(principal(), reader.now) is None
    assert (reader.wants(), reader.known.stream_due(reader.now), reader.feed()) == ([], None, "stale")
    reader.set_clock(-3600)
    reader.advance(1.5)
    assert reader.wants() == [SNAPSHOT]


# ── lists that tokens name ──────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    "uri",
    [
        "https://evil.example/status/7",
        "http://auth.example.com/status/7",
        "https://auth.example.com:8443/status/7",
        "https://auth.example.com.evil.example/status/7",
        "https://user@auth.example.com/status/7",
        "https://auth.example.com\\@evil.example/status/7",
        "https://auth.example.com/status/7#x",
        "file:///etc/passwd",
        "//auth.example.com/status/7",
        "/status/7",
        "",
        "https://[::1",
    ],
)
def test_a_list_elsewhere_is_never_asked_for(reader: Reader, uri: str) -> None:
    """Only the issuer's own origin is: scheme, host and port. The stale rule decides about the token."""
    reader.known.learn_offer(OFFER)
    reader.take_snapshot()
    assert reader.known.missing(principal(5, uri=uri), reader.now) is None
    assert reader.wants() == []


def test_a_port_may_be_written_out(reader: Reader) -> None:
    """The default port is the same origin."""
    reader.known.learn_offer(Offer())
    assert reader.known.missing(principal(5, uri="https://auth.example.com:443/status/7"), reader.now)


def _names(numbers: Iterable[int]) -> list[Principal]:
    return [principal(5, uri=f"{URL}/status/{number}") for number in numbers]


def test_a_flood_of_unknown_lists_is_a_bounded_number_of_fetches(reader: Reader) -> None:
    """A burst, and then a hundred a second; and no more than there is room for."""
    reader.known.learn_offer(Offer())
    for token in _names(range(3_000)):
        reader.known.missing(token, reader.now)
    assert len(reader.wants()) == module.BURST
    reader.advance(1)
    for token in _names(range(3_000, 6_000)):
        reader.known.missing(token, reader.now)
    assert len(reader.wants()) == module.MAX_LISTS
    assert not {f"{URL}/status/{number}" for number in (0, 50, 99)} & {want.url for want in reader.wants()}


def test_room_is_made_by_forgetting(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Lists that cannot be had go first, then those that no token has named for longest; the others stay."""
    monkeypatch.setattr(module, "MAX_LISTS", 3)
    reader.known.learn_offer(OFFER)
    reader.take_snapshot()
    one, two, three, four, five = _names(range(1, 6))
    for token in (one, two, three):
        assert reader.known.missing(token, reader.now)
        reader.advance(1)
    reader.known.fail(Want(URL + "/status/1", is_list=True), reader.now)
    assert reader.known.missing(four, reader.now)
    for number in (2, 3, 4):
        reader.issuer.bits[f"/status/{number}"] = Bits()
        reader.take_list(path=f"/status/{number}")
    reader.advance(1)
    assert reader.verdict(two) == "good"  # named again
    assert reader.known.missing(five, reader.now)
    assert set(reader.known.lists) == {URL + "/status/2", URL + "/status/4"}


def test_a_list_that_is_not_held_is_no_live_one(live: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the bound is, the list that a token names is fetched; until it is there, health says so."""
    monkeypatch.setattr(module, "MAX_LISTS", 0)
    live.issuer.bits["/status/8"] = Bits.of([9])
    token = principal(9, uri=URL + "/status/8")
    assert live.known.missing(token, live.now) == URL + "/status/8"
    assert (live.feed(), live.health.lists_missing) == ("stale", 2)  # the other had to give way
    live.known.fail(Want(URL + "/status/8", is_list=True), live.now)
    assert live.feed() == "stale"
    live.take_list(path="/status/8")
    assert live.verdict(token) == "revoked"
    live.live_on(module.USED_SECONDS)
    assert (live.feed(), live.health.lists_missing) == ("live", 0)


def test_a_list_elsewhere_shows_in_health(live: Reader) -> None:
    """A token that names a list which is never fetched is judged by the rule, and the state is not `live`."""
    live.known.missing(principal(5, uri="https://elsewhere.example/status/1"), live.now)
    assert (live.feed(), live.health.lists_missing) == ("stale", 1)


# ── keys ────────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_revoked_key_signs_nothing_any_more(live: Reader) -> None:
    """Lists, snapshots and events by it are refused; another key's are taken."""
    stolen, other = live.issuer.keys
    live.issuer.revoke(kid=stolen.kid, key=other)
    live.hear_last()
    assert live.known.kids == {stolen.kid}
    attempts: tuple[Callable[[], None], ...] = (
        lambda: live.take_list(live.issuer.status_list(key=stolen)),
        lambda: live.take_snapshot(live.issuer.snapshot(key=stolen)),
        lambda: live.hear(live.issuer.event(Revoked(after=1), 2, key=stolen)),
    )
    for attempt in attempts:
        with pytest.raises(RevokedError):
            attempt()
    live.take_list(live.issuer.status_list(key=other))
    live.take_snapshot(live.issuer.snapshot(key=other))
    live.hear(live.issuer.event(Revoked(after=1), 2, key=other))


def test_a_document_that_was_read_before_its_key_was_revoked(live: Reader) -> None:
    """What is kept is decided when it is kept."""
    stolen, other = live.issuer.keys
    a_list = live.known.read_list(URI, live.issuer.status_list(), live.issuer.published, live.now.wall)
    snapshot = live.known.read_snapshot(live.issuer.snapshot(), live.issuer.published, live.now.wall)
    live.issuer.revoke(kid=stolen.kid, key=other)
    live.hear_last()
    with pytest.raises(RevokedError):
        live.known.learn_list(a_list, live.now)
    with pytest.raises(RevokedError):
        live.known.learn_snapshot(snapshot, live.now)


def test_a_key_cannot_revoke_itself(live: Reader) -> None:
    """Neither by an event nor by a snapshot: whoever stole it could say anything."""
    key = live.issuer.keys[0]
    assert key.kid is not None
    with pytest.raises(BadClaimError):
        live.hear(live.issuer.event(Revoked(after=0, kids=(key.kid,)), 1, key=key))
    with pytest.raises(BadClaimError):
        live.take_snapshot(live.issuer.snapshot(kids=(key.kid,)))
    assert live.known.kids == frozenset()


def test_what_a_stolen_key_signed_gives_way_to_anything(live: Reader) -> None:
    """A forged list could claim to be the newest of all; once its key is revoked the true one replaces it."""
    stolen, other = live.issuer.keys
    live.take_list(live.issuer.status_list(key=stolen, event_id=10**9, iat=int(live.now.wall) + 59))
    live.issuer.bits[LIST].set([5])
    with pytest.raises(BadClaimError):
        live.take_list(live.issuer.status_list(key=other))
    live.issuer.revoke(kid=stolen.kid, key=other)
    live.hear_last()
    assert STATUS_LIST in live.wants()
    live.take_list(live.issuer.status_list(key=other))
    assert live.verdict(principal(5)) == "revoked"


def test_a_revoked_key_stays_revoked(live: Reader) -> None:
    """Even when a later snapshot does not name it any more, in another epoch too."""
    stolen, other = live.issuer.keys
    live.issuer.revoke(kid=stolen.kid, key=other)
    live.hear_last()
    live.advance(5000)
    live.take_snapshot(live.issuer.snapshot(key=other, epoch="e2", kids=()))
    assert live.known.kids == {stolen.kid}


# ── what is refused ─────────────────────────────────────────────────────────────────────────────────────────────────


def test_what_claims_to_be_of_the_future_is_refused(live: Reader) -> None:
    """It would never be replaced."""
    late = int(live.now.wall) + 61
    attempts: tuple[Callable[[], None], ...] = (
        lambda: live.take_list(live.issuer.status_list(iat=late, exp=late + 9)),
        lambda: live.take_snapshot(live.issuer.snapshot(iat=late, exp=late + 9)),
    )
    for attempt in attempts:
        with pytest.raises(JoseError) as caught:
            attempt()
        assert caught.value.code == "issued_in_future"


@pytest.mark.parametrize("indexes", [(-1,), (SIZE,), (1, 10**18)])
def test_an_event_with_an_index_out_of_bounds_changes_nothing(live: Reader, indexes: tuple[int, ...]) -> None:
    """It is refused whole."""
    with pytest.raises(BadClaimError):
        live.hear(live.issuer.event(Revoked(after=0, status=((URI, indexes),), jtis={"tok_1": 1}), 1))
    assert live.known.jtis == {}
    assert live.known.position == Position("e1", 0)


def test_documents_of_another_issuer_are_refused(live: Reader) -> None:
    """Even by a key that we trust."""
    attempts: tuple[Callable[[], None], ...] = (
        lambda: live.take_list(live.issuer.status_list(iss="https://evil.example")),
        lambda: live.take_snapshot(live.issuer.snapshot(iss="https://evil.example")),
        lambda: live.hear(live.issuer.event(Revoked(after=0), 1, iss="https://evil.example")),
        lambda: live.take_list(live.issuer.status_list(sub=URL + "/status/8")),
    )
    for attempt in attempts:
        with pytest.raises(JoseError) as caught:
            attempt()
        assert caught.value.code in {"wrong_issuer", "bad_claim"}


# ── after a fork ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_process_that_forked_asks_again(live: Reader) -> None:
    """It keeps what it knows, waits for the documents as at the first start, and listens itself."""
    live.issuer.revoke(1)
    live.hear_last()
    live.known.restart()
    assert live.verdict(principal(1)) == "revoked"
    assert not live.clears(principal(5))
    assert live.known.missing(principal(5), live.now) == SNAPSHOT.url
    assert live.wants() == [SNAPSHOT, STATUS_LIST]
    live.take_snapshot()
    assert live.known.missing(principal(5), live.now) == URI
    live.take_list()
    live.connect()
    assert live.verdict(principal(5)) == "good"
    assert live.clears(principal(5))


def test_a_document_knows_when_it_is_due() -> None:
    """Fresh, old by either clock, and failed."""
    document = Document("u")
    assert document.is_due(Moment(0, 0), 30)
    document.came(epoch=None, event_id=0, iat=0, kid="k", now=Moment(100, 100))
    moments = [(100, 100), (129.9, 129.9), (130, 130), (10, 130), (130, 101), (10, 101)]
    assert [document.is_due(Moment(*at), 30) for at in moments] == [False, False, True, True, True, False]
    document.trouble.failed(Moment(130, 130), 1.0)
    moments = [(130, 130), (130.4, 130.4), (130.5, 130.5), (0, 130.5)]
    assert [document.is_due(Moment(*at), 30) for at in moments] == [False, False, True, True]
