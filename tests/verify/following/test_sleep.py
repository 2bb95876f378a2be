"""A process that did not run for a while."""

from __future__ import annotations

from gatepass.verify.clocks import Moment
from gatepass.verify.following.sleep import AWAKE_SECONDS, SLEEP_SECONDS, Sleep

SLEPT = 1 + SLEEP_SECONDS + 0.1


def test_a_token_waits_after_a_sleep_until_word_has_come() -> None:
    """It waits for as long as the rule says, or until the issuer has spoken; without a sleep it does not wait."""
    sleep = Sleep()
    assert sleep.looked(Moment(1, 1))
    sleep.note(Moment(1 + SLEEP_SECONDS, 1 + SLEEP_SECONDS))
    assert sleep.seconds_to_wait(Moment(1 + SLEEP_SECONDS, 1 + SLEEP_SECONDS)) == 0
    sleep.note(Moment(SLEPT, SLEPT))
    assert sleep.seconds_to_wait(Moment(SLEPT, SLEPT)) == AWAKE_SECONDS
    assert not sleep.looked(Moment(SLEPT, SLEPT))
    sleep.ended()
    assert sleep.looked(Moment(SLEPT, SLEPT))
    assert sleep.seconds_to_wait(Moment(SLEPT, SLEPT)) == 0


def test_nobody_waits_for_longer_than_half_a_second() -> None:
    """An issuer that does not speak after a sleep keeps tokens waiting once."""
    sleep = Sleep()
    sleep.looked(Moment(1, 1))
    sleep.note(Moment(SLEPT, SLEPT))
    later = Moment(SLEPT + AWAKE_SECONDS, SLEPT + AWAKE_SECONDS)
    assert sleep.is_time_to_look(later, 60)
    assert sleep.looked(later)
    assert not sleep.is_time_to_look(later, 60)


def test_a_wall_clock_that_jumps_again_and_again_makes_nobody_wait_each_time() -> None:
    """The first jump could be a sleep; by the clock that only runs, the next one cannot."""
    sleep = Sleep()
    sleep.looked(Moment(1, 1))
    waited = []
    for jumps in range(1, 4):
        now = Moment(1 + jumps * 3600, 5.1 + jumps)
        sleep.note(now)
        waited.append(sleep.seconds_to_wait(now))
        sleep.ended()
        sleep.looked(now)
    assert waited == [AWAKE_SECONDS, 0, 0]
