"""Many owners with eight tabs each, over days: what the checker proves of four messages, tried with hundreds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.refresh.model import DELAY
from tests.refresh.servers import FIRST, ModelServer
from tests.refresh.simulator import Losses, Simulation

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.refresh.servers import Server, SqliteServer

REFRESHES = 20_000
"""A million in the soak."""
SQLITE_REFRESHES = 1_000
"""Ten thousand in the soak: each is synced to the disk."""

AWAY = 2 * DELAY
"""A store that is away for this long comes back to a network on which nothing is left from before."""


def simulate(
    server: Server, report: Callable[[str], None], refreshes: int, *, delay: float = DELAY, losses: Losses | None = None
) -> Simulation:
    """Run and report."""
    simulation = Simulation(server, owners=50, delay=delay, losses=losses)
    simulation.run(refreshes)
    figures = [f"{count:,} {name}" for name, count in sorted(simulation.counts.items())]
    report(", ".join(figures) + (f"; the store went back {simulation.losses:,} times" if losses else ""))
    return simulation


@pytest.mark.soak
@pytest.mark.parametrize("delay", [0, 1, DELAY])
def test_no_owner_is_logged_out_within_the_bound(effort: int, delay: float, report: Callable[[str], None]) -> None:
    """Lost answers, tabs at once, answers that overtake, sleep and crashes: nobody is logged out."""
    run = simulate(ModelServer(), report, REFRESHES * effort, delay=delay)
    assert run.counts["stolen"] == run.counts["ended"] == 0
    assert run.counts["advanced"] > 0
    assert run.counts["reissued"] > 0


@pytest.mark.soak
@pytest.mark.parametrize("delay", [30, 60])
def test_beyond_the_bound_owners_may_be_logged_out(effort: int, delay: float, report: Callable[[str], None]) -> None:
    """Messages that take up to 30 or 60 s: false logouts happen, and the simulator sees them. Clients must time out."""
    run = simulate(ModelServer(), report, REFRESHES * effort, delay=delay)
    assert run.counts["stolen"] > 0


@pytest.mark.soak
@pytest.mark.parametrize("forgets", [5, 600, 86_400])
def test_a_store_that_goes_back_logs_nobody_out(effort: int, forgets: float, report: Callable[[str], None]) -> None:
    """It forgets seconds, minutes or a day, is away for half a minute or more, and every owner goes on."""
    losses = Losses(every=600 + forgets, forgets=forgets, away=AWAY)
    run = simulate(ModelServer(), report, REFRESHES * effort, losses=losses)
    assert run.counts["stolen"] == run.counts["ended"] == 0
    assert run.losses > 0
    assert run.counts["store_went_back"] > 0


@pytest.mark.soak
@pytest.mark.parametrize("forgets", [5, 30, 600])
def test_a_failover_within_two_seconds_logs_hardly_anybody_out(
    effort: int, forgets: float, report: Callable[[str], None]
) -> None:
    """Messages are on their way all the while: less than one false logout in 100,000 refreshes and 2,000 failovers.

    What remains is the last test of this file.
    """
    losses = Losses(every=600, forgets=forgets, away=1)
    run = simulate(ModelServer(), report, REFRESHES * effort, losses=losses)
    assert run.counts["stolen"] <= REFRESHES * effort / 100_000
    assert run.counts["store_went_back"] > 0


@pytest.mark.soak
def test_the_real_database(store: SqliteServer, effort: int, report: Callable[[str], None]) -> None:
    """The same owners on SQLite, through two writers that are stopped, put back to a copy, and started again."""
    losses = Losses(every=300, forgets=300, away=AWAY)
    run = simulate(store, report, SQLITE_REFRESHES * min(effort, 10), losses=losses)
    assert run.counts["stolen"] == run.counts["ended"] == 0
    assert run.losses > 0
    assert run.counts["store_went_back"] > 0


def test_messages_that_are_on_their_way_when_writes_are_lost(store: SqliteServer) -> None:
    """A failover within a second: the last move is lost, and the tabs' serials from before and after it both arrive."""
    for server in (ModelServer(), store):
        server.open(1, 0)
        server.present(1, FIRST, 60)
        server.keep()
        server.present(1, FIRST + 1, 120)
        server.go_back()
        verdict, current = server.present(1, FIRST + 2, 121)
        assert verdict == "store_went_back"
        assert server.present(1, FIRST + 1, 122) == ("same", current)
        assert server.present(1, FIRST, 123) == ("same", current)
        assert server.present(1, current, 183) == ("advanced", current + 1)
        assert server.present(1, FIRST + 1, 184)[0] == "stolen"
    assert store.events(1) == ["store_went_back", "refresh_token_reused"]


def test_an_answer_that_moved_nothing_and_is_lost_at_a_failover(store: SqliteServer) -> None:
    """What remains: the store forgets that it gave the current serial once more, and takes a straggler for late.

    Only a store that comes back while the answer is still under way does it; docs/security/refresh.md says what to do.
    """
    for server in (ModelServer(), store):
        server.open(1, 0)
        assert server.present(1, FIRST, 60) == ("advanced", FIRST + 1)  # the answer is lost
        server.keep()
        assert server.present(1, FIRST, 89) == ("same", FIRST + 1)  # saved at 92
        server.go_back()
        assert server.present(1, FIRST, 91)[0] == "reissued"
        assert server.present(1, FIRST + 1, 93)[0] == "stolen"
