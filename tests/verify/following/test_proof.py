"""What a proof is worth."""

from __future__ import annotations

from tests.support.revocation_reader import Reader, principal


def test_a_proof_that_lies_in_the_future_is_none() -> None:
    """A clock that was set back by two minutes makes what was proved before a proof to come."""
    reader = Reader(stale="refuse")
    reader.start()
    reader.set_clock(-120)
    assert reader.verdict(principal(5)) == "revocation_stale"
    reader.set_clock(120)
    assert reader.verdict(principal(5)) == "good"
