"""Whether a token passes, by what is known."""

from __future__ import annotations

from typing import Literal

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.support.revocation_reader import OFFER, URI, URL, Reader, principal
from tests.support.scripted_issuer import LIST

from gatepass.tokens.status_list import SIZE, Bits, StatusReference
from gatepass.verify.errors import RevocationStaleError


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


def test_a_client_that_has_exchanged_the_token(live: Reader) -> None:
    """Its bit revokes too, whether or not the list of another one is known."""
    exchanged = [
        msgspec.structs.replace(principal(5), actor_statuses=tuple(StatusReference(idx, uri) for idx, uri in actors))
        for actors in ([(7, URI)], [(8, URI), (7, URI)], [(1, f"{URL}/status/99"), (7, URI)])
    ]
    assert [live.verdict(token) for token in exchanged] == ["good"] * 3
    live.issuer.revoke(7)
    live.hear_last()
    assert [live.verdict(token) for token in exchanged] == ["revoked"] * 3
    assert live.verdict(principal(5)) == "good"
    out_of_bounds = msgspec.structs.replace(principal(5), actor_statuses=(StatusReference(SIZE, URI),))
    assert live.verdict(out_of_bounds) == "bad_claim"


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


@pytest.mark.parametrize(("stale", "verdict"), [("serve", "good"), ("refuse", "revocation_stale")])
def test_the_stale_rule(stale: Literal["serve", "refuse"], verdict: str) -> None:
    """Before the first word, and `stale_after` seconds after the last, the rule decides; a heartbeat ends that."""
    reader = Reader(stale=stale)
    assert reader.verdict(principal()) == verdict
    reader.documents.learn_offer(OFFER)
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
        reader.revocations.verdict.judge(principal(), reader.now)
    assert caught.value.retry_after == 5


def test_a_document_proves_no_more_than_its_age() -> None:
    """A list or snapshot that a cache held back for long is fresh until its own `ttl` was over."""
    reader = Reader(stale="refuse", mode="list")
    reader.documents.learn_offer(OFFER)
    made_list, made_snapshot = reader.issuer.status_list(), reader.issuer.snapshot()
    reader.advance(80)
    reader.take_snapshot(made_snapshot)
    reader.take_list(made_list)
    assert reader.verdict(principal(5)) == "good"
    reader.advance(10)
    assert reader.verdict(principal(5)) == "revocation_stale"
