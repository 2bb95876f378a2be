"""What is known ages by both clocks."""

from __future__ import annotations

import pytest
from tests.support.revocation_reader import Reader, principal


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


def test_a_suspended_machine_counts() -> None:
    """CLOCK_BOOTTIME goes on while nothing runs; with the wall clock set back at the same time it alone tells."""
    reader = Reader(stale="refuse")
    reader.start()
    reader.advance(300)
    reader.set_clock(-300)
    assert reader.verdict(principal(5)) == "revocation_stale"
