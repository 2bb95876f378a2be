"""The database's clock, reckoned from measurements: steady between them, right after them, and honest about itself."""

from __future__ import annotations

import pytest
from tests.support.server import SettableClock

from gatepass.server.store.measured_clock import FRESH_SECONDS, LARGEST_DRIFT, MeasuredClock


def measure(clock: MeasuredClock, local: SettableClock, there: float, *, round_trip: float = 0.001) -> None:
    """Ask and be answered: the database reads its clock in the middle."""
    sent = local()
    local.advance(round_trip)
    clock.observe(sent, there, local())


def test_a_clock_that_is_off_is_put_right() -> None:
    """A node 90 s behind or ahead tells the database's time."""
    for offset in (-90, 0, 90):
        local = SettableClock(1_000 + offset)
        clock = MeasuredClock(local)
        measure(clock, local, 1_000)
        assert clock() == pytest.approx(1_000, abs=0.01)
        local.advance(10)
        assert clock() == pytest.approx(1_010, abs=0.01)
        assert clock.is_right


def test_a_jump_is_followed_and_told_of() -> None:
    """The machine's clock jumps by 90 s: right again with the next measurement, and not ready for a while."""
    local = SettableClock(1_000)
    clock = MeasuredClock(local)
    measure(clock, local, 5_000)
    local.advance(90)
    measure(clock, local, 5_001)
    assert clock() == pytest.approx(5_001, abs=0.01)
    assert clock.drift == pytest.approx(89, abs=0.1)
    assert not clock.is_right
    for second in range(2, 20):
        local.advance(1)
        measure(clock, local, 5_000 + second)
    assert clock.is_right


def test_a_small_drift_is_followed_in_silence() -> None:
    """Clocks that run at different speeds: within the bound, and ready all the while."""
    local = SettableClock(0)
    clock = MeasuredClock(local)
    for second in range(100):
        measure(clock, local, 5_000 + second * 1.001)
        local.advance(1)
        assert clock.is_right
    assert clock() == pytest.approx(5_100, abs=0.2)


def test_a_slow_answer_says_little() -> None:
    """An answer that took 8 s may be 4 s off: a better one is believed rather."""
    local = SettableClock(0)
    clock = MeasuredClock(local)
    measure(clock, local, 5_000)
    sent = local()
    local.advance(8)
    clock.observe(sent, 5_000.5, local())  # read soon, and told late
    assert clock() == pytest.approx(5_008, abs=0.1)
    assert clock.is_right


def test_without_measurements_it_is_not_right() -> None:
    """What was measured long ago says nothing of now."""
    local = SettableClock(0)
    clock = MeasuredClock(local)
    measure(clock, local, 5_000)
    local.advance(FRESH_SECONDS + 1)
    assert not clock.is_right
    assert LARGEST_DRIFT == 5
