"""The stream: its greeting, heartbeats and events, and reconnecting."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.revocation_reader import OFFER, SNAPSHOT, STATUS_LIST, URI, principal
from tests.support.scripted_issuer import NOW

from gatepass.jose import JoseError, Key
from gatepass.jose.errors import BadClaimError
from gatepass.tokens.revocation_event import Position, Revoked
from gatepass.tokens.status_list import SIZE
from gatepass.verify.following.documents import RENEWAL_SECONDS
from gatepass.verify.following.stream import LostError

if TYPE_CHECKING:
    from tests.support.revocation_reader import Reader


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
    assert live.position == Position("e1", 2)
    assert live.health.proved_seconds_ago == 20


def test_a_message_that_overlaps_what_we_know_is_taken(live: Reader) -> None:
    """Several commits may share a message, and a reader may have heard the first of them."""
    live.issuer.revoke(5)
    live.hear_last()
    live.hear(live.issuer.event(Revoked(after=0, status=((URI, (5, 6)),)), 3))
    assert live.position == Position("e1", 3)
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
        lambda live: live.stream.hear_greeting(live.connection, "rubbish", live.now),
        lambda live: live.stream.hear_greeting(live.connection, "[" * 100_000, live.now),
        lambda live: (_ for _ in ()).throw(live.stream.hear_resync()),
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
    assert live.position is None
    assert live.wants() == [SNAPSHOT, STATUS_LIST]
    assert live.documents.missing(principal(5), live.now) is None  # nobody waits for it
    assert live.verdict(principal(1)) == "revoked"
    live.advance(1.5)
    live.take_snapshot()
    live.take_list()
    live.connect()
    assert (live.feed(), live.wants()) == ("live", [])
    assert live.position == Position("e1", live.issuer.event_id)


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
    assert live.position == Position("e1", 2)


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
    live.live_on(RENEWAL_SECONDS)
    assert live.wants() == [SNAPSHOT, STATUS_LIST]


def test_a_stream_that_breaks_is_opened_again_soon(live: Reader) -> None:
    """Within 1.5 seconds while the trouble is a minute old, within 4 seconds after that; a heartbeat ends it."""
    waits = []
    for _ in range(60):
        live.close()
        assert live.stream.due(live.now) is None
        began = live.now.run
        while live.stream.due(live.now) is None:
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
    assert live.stream.due(live.now) is not None


def test_a_silent_stream_is_doubted_before_it_is_given_up(live: Reader) -> None:
    """After 3 seconds another line is opened beside it, after 5 it is dead and nothing is called live."""
    live.advance(2.9)
    assert live.stream.due(live.now) is None
    live.advance(0.1)
    assert live.stream.due(live.now) == OFFER.stream_url
    old, second = live.connection, live.stream.opened(live.now)
    assert live.stream.due(live.now) is None  # one at a time
    assert not live.stream.is_given_up(old, live.now)
    live.advance(2)
    assert live.stream.is_given_up(old, live.now)
    assert live.feed() == "list only"
    live.connection = second
    live.hello()
    live.beat()
    assert live.feed() == "live"
    live.stream.closed(old, live.now)  # its end is none of the new one's
    assert live.feed() == "live"


def test_a_stream_that_speaks_again_is_kept_until_the_other_greets(live: Reader) -> None:
    """The second line takes the first one's place only when it works."""
    live.advance(3)
    second = live.stream.opened(live.now)
    live.beat()
    live.advance(1)
    live.stream.closed(second, live.now)
    assert not live.stream.is_given_up(live.connection, live.now)
    assert live.feed() == "live"


@pytest.mark.parametrize("indexes", [(-1,), (SIZE,), (1, 10**18)])
def test_an_event_with_an_index_out_of_bounds_changes_nothing(live: Reader, indexes: tuple[int, ...]) -> None:
    """It is refused whole."""
    with pytest.raises(BadClaimError):
        live.hear(live.issuer.event(Revoked(after=0, status=((URI, indexes),), jtis={"tok_1": 1}), 1))
    assert live.known.names.jtis == {}
    assert live.position == Position("e1", 0)
