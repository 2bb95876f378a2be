"""No false logout as long as no message takes more than a quarter of the quiet time or half of the grace.

That is exact: a little more is too much. With the settings as they come, 60 s and 30 s, that is 15 s each way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.conftest import SOAK
from tests.refresh.checker import Checker
from tests.refresh.model import DELAY, PACE
from tests.refresh.servers import FIRST, ModelServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.refresh.servers import Server, SqliteServer


def checker(tick: float, delay: float, at_once: int) -> Checker:
    """A checker of the settings as they come, with a tick and a delay in seconds."""
    return Checker(int(PACE.quiet / tick), int(PACE.grace / tick), int(delay / tick), at_once)


@pytest.mark.soak
@pytest.mark.parametrize(
    ("tick", "at_once"), [(5, 4), (5, 6), (2.5, 4), (1, 2)] if SOAK else [(15, 6), (7.5, 4), (5, 4), (3, 3)]
)
def test_no_interleaving_within_the_bound_logs_an_owner_out(
    tick: float, at_once: int, report: Callable[[str], None]
) -> None:
    """Every order of sending, arriving, writing and losing, over any length of time: nobody is taken for a thief."""
    states, road = checker(tick, DELAY, at_once).walk()
    report(f"{states:,} states")
    assert road == []


@pytest.mark.parametrize("tick", [15, 7.5, 5, 3])
def test_one_tick_more_than_the_bound_is_too_much(tick: float) -> None:
    """The checker can see a false logout, and finds one at the next delay there is: 30, 22.5, 20 and 18 s."""
    _, road = checker(tick, DELAY + tick, at_once=3).walk()
    assert road[-1] == "stolen"


@pytest.mark.parametrize("slow", [0.01, -0.01])
def test_the_grace_is_twice_the_delay(store: SqliteServer, slow: float) -> None:
    """The road to a false logout over the grace, a hundredth of a second beyond the bound, on the real database.

    A tab sends the spent serial just before the current one is saved; it arrives when the grace is over.
    """
    for server in _both(store):
        delay = DELAY + slow
        server.open(1, 0)
        assert server.present(1, FIRST, 60) == ("advanced", FIRST + 1)
        saved = 60 + delay
        verdict, _ = server.present(1, FIRST, saved + delay)
        assert verdict == ("reissued" if slow > 0 else "same")
        verdict, _ = server.present(1, FIRST + 1, saved + delay)
        assert verdict == ("stolen" if slow > 0 else "same")


@pytest.mark.parametrize("slow", [0.01, -0.01])
def test_the_quiet_time_is_four_times_the_delay(store: SqliteServer, slow: float) -> None:
    """The road to a false logout over the quiet time, a hundredth of a second beyond the bound, on the real database.

    An answer with the old serial is saved over the new one, which is by then on its way once more; its answer in turn
    is saved after a tab has sent the old one.
    """
    for server in _both(store):
        delay = DELAY + slow
        server.open(1, 0)
        assert server.present(1, FIRST, 59.995) == ("same", FIRST)
        assert server.present(1, FIRST, 60) == ("advanced", FIRST + 1)
        old_saved = 59.995 + delay
        assert server.present(1, FIRST + 1, old_saved + delay) == ("same", FIRST + 1)
        new_saved = old_saved + 2 * delay
        verdict, _ = server.present(1, FIRST + 1, max(new_saved, 120) if slow > 0 else new_saved)
        assert verdict == ("advanced" if slow > 0 else "same")
        verdict, _ = server.present(1, FIRST, new_saved + delay)
        assert verdict == ("stolen" if slow > 0 else "same")


def _both(store: SqliteServer) -> tuple[Server, Server]:
    return ModelServer(), store
