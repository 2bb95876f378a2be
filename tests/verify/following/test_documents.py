"""What is fetched and when, and what a document that came changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.revocation_reader import OFFER, SNAPSHOT, STATUS_LIST, URI, URL, Reader, principal
from tests.support.scripted_issuer import LIST, NOW

from gatepass.jose import JoseError
from gatepass.jose.errors import BadClaimError
from gatepass.tokens.revocation_event import Position, Revoked
from gatepass.tokens.status_list import Bits
from gatepass.verify.following.document import TTL_SECONDS
from gatepass.verify.issuer import Offer

if TYPE_CHECKING:
    from collections.abc import Callable

# ── coming up ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_it_asks_for_one_thing_after_the_other(reader: Reader) -> None:
    """Metadata, then the snapshot and the list that a token names, then the stream from the snapshot's place on."""
    documents, stream, token = reader.documents, reader.stream, principal(5)
    reader.issuer.event_id = 7
    assert (documents.missing(token, reader.now), reader.wants(), reader.feed()) == (URL, [], "starting")
    documents.learn_offer(OFFER)
    assert documents.missing(token, reader.now) == SNAPSHOT.url
    assert (reader.wants(), stream.due(reader.now), reader.feed()) == ([SNAPSHOT], None, "starting")
    reader.take_snapshot()
    assert documents.missing(token, reader.now) == URI
    assert (reader.wants(), reader.position) == ([STATUS_LIST], Position("e1", 7))
    reader.take_list()
    assert documents.missing(token, reader.now) is None
    assert (reader.wants(), reader.feed()) == ([], "list only")
    reader.connect()
    assert (reader.feed(), stream.due(reader.now)) == ("live", None)
    health = reader.health
    assert health.known_within == 5
    assert (health.epoch, health.event_id, health.lists, health.proved_seconds_ago) == ("e1", 7, 1, 0)


def test_an_issuer_that_offers_nothing() -> None:
    """Tokens without a status are good, nothing is fetched, and the state says so."""
    for stale in ("serve", "refuse"):
        reader = Reader(stale=stale)
        reader.documents.learn_offer(Offer())
        assert reader.documents.missing(principal(), reader.now) is None
        assert (reader.verdict(principal()), reader.feed(), reader.known.is_idle) == ("good", "off", True)


def test_an_issuer_that_offers_nothing_and_has_lists() -> None:
    """A token that names one is checked against it, by its `ttl`; the list need not name issuer, times or epoch."""
    reader = Reader(stale="refuse")
    reader.documents.learn_offer(Offer())
    assert reader.documents.missing(principal(5), reader.now) == URI
    assert not reader.known.is_idle
    bits = Bits.of([6])
    reader.issuer.bits[LIST] = bits
    reader.take_list(reader.issuer.status_list(iss=None, exp=None, ttl=None, epoch=None, event_id=0))
    assert (reader.verdict(principal(5)), reader.verdict(principal(6))) == ("good", "revoked")
    reader.advance(TTL_SECONDS)
    assert reader.wants() == [STATUS_LIST]
    reader.advance(60)
    assert reader.verdict(principal(5)) == "revocation_stale"


def test_the_mode_list_never_listens() -> None:
    """`revocation="list"` takes lists and snapshot every `ttl`, and nothing else."""
    reader = Reader(mode="list")
    reader.documents.learn_offer(OFFER)
    reader.documents.missing(principal(5), reader.now)
    reader.take_snapshot()
    reader.take_list()
    assert (reader.stream.due(reader.now), reader.wants(), reader.feed()) == (None, [], "list only")
    reader.advance(30)
    assert reader.wants() == [SNAPSHOT, STATUS_LIST]
    reader.issuer.bits[LIST] = Bits.of([5])
    reader.issuer.event_id, reader.issuer.jtis = 1, {"tok_2": int(NOW) + 900}
    reader.take_list()
    reader.take_snapshot()
    assert (reader.verdict(principal(5)), reader.verdict(principal(jti="tok_2"))) == ("revoked", "revoked")
    assert reader.position == Position("e1", 1)
    reader.issuer.bits[LIST] = Bits()
    reader.take_list()
    assert reader.verdict(principal(5)) == "good"  # a bit may be 0 again


def test_an_offer_that_changes(live: Reader) -> None:
    """What the metadata says later counts: the feed may be switched off, and on."""
    assert live.documents.learn_offer(OFFER) is False
    assert live.documents.learn_offer(Offer()) is True
    assert live.feed() == "off"
    assert live.documents.learn_offer(OFFER) is True
    assert (live.wants(), live.feed()) == ([SNAPSHOT], "starting")


# ── what is revoked ───────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_snapshot_takes_nothing_back(live: Reader) -> None:
    """What was pushed stays revoked when a snapshot comes that does not know it yet."""
    live.issuer.revoke(jti="tok_2")
    live.hear_last()
    live.advance(1)
    live.take_snapshot(live.issuer.snapshot(jtis={}))
    assert live.verdict(principal(jti="tok_2")) == "revoked"
    assert live.position == Position("e1", 1)


def test_a_list_from_before_an_event_takes_its_bits_back_neither_then_nor_after_a_new_start(live: Reader) -> None:
    """A cache may answer with one, and a relay may forge `resync`: what was revoked stays so, until a list knows it."""
    old = live.issuer.status_list()
    live.issuer.revoke(1)
    live.hear_last()
    for _ in range(2):
        live.stream.hear_resync()
        live.close()
        live.take_snapshot()
        live.take_list(old)
        assert live.verdict(principal(1)) == "revoked"
    live.issuer.bits[LIST] = Bits()
    live.advance(1)
    live.take_list()
    assert live.verdict(principal(1)) == "good"


# ── what is older ─────────────────────────────────────────────────────────────────────────────────────────────────────


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
    reader.documents.learn_offer(OFFER)
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


# ── staleness ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_a_list_that_does_not_come() -> None:
    """A failed fetch is waited for no longer; the stale rule decides, and the fetch is tried again."""
    for stale, verdict in (("serve", "good"), ("refuse", "revocation_stale")):
        reader = Reader(stale=stale)  # type: ignore[arg-type]
        reader.documents.learn_offer(OFFER)
        reader.take_snapshot()
        assert reader.documents.missing(principal(5), reader.now) == URI
        reader.documents.fail(STATUS_LIST, reader.now)
        assert reader.documents.missing(principal(5), reader.now) is None
        assert (reader.verdict(principal(5)), reader.wants()) == (verdict, [])
        reader.advance(1.5)
        assert reader.wants() == [STATUS_LIST]


def test_a_snapshot_that_does_not_come(reader: Reader) -> None:
    """The same, and there is no stream without it."""
    reader.documents.learn_offer(OFFER)
    reader.documents.fail(SNAPSHOT, reader.now)
    assert reader.documents.missing(principal(), reader.now) is None
    assert (reader.wants(), reader.stream.due(reader.now), reader.feed()) == ([], None, "stale")
    reader.set_clock(-3600)
    reader.advance(1.5)
    assert reader.wants() == [SNAPSHOT]


# ── what is refused ───────────────────────────────────────────────────────────────────────────────────────────────────


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
