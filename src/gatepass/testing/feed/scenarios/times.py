"""Clocks that are set."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.testing.feed.scenario import Scenarios
from gatepass.testing.feed.sections import PageSection

if TYPE_CHECKING:
    from gatepass.testing.feed.stage import Stage

SCENARIOS = Scenarios()
_HOUR = 3600.0
_EVENT = "its event was sent"


async def _is_stepped(stage: Stage, seconds: float) -> None:
    """Set the clock, and set it right again: events count meanwhile, and nothing is taken back."""
    good, bad, named = stage.token("good", 1), stage.token("bad", 2), stage.token("named")
    await stage.begin(good, bad, named)
    await stage.set_wall_clock(seconds)
    await stage.pass_time(1)
    stage.revoke(stage.by_index(2))
    stage.revoke_ids(named)
    await stage.refuses(bad, within=4, after=_EVENT, section=PageSection.CLOCKS)
    await stage.refuses(named, within=4, after=_EVENT, section=PageSection.CLOCKS)
    await stage.accepts(good, though="nothing revoked it", section=PageSection.CLOCKS)
    await stage.set_wall_clock(-seconds)
    await stage.pass_time(4)
    await stage.refuses(bad, within=0, after="it was revoked", section=PageSection.CLOCKS)
    await stage.refuses(named, within=0, after="it was revoked", section=PageSection.CLOCKS)
    await stage.accepts(good, though="nothing revoked it", section=PageSection.CLOCKS)


@SCENARIOS.add(needs_clock=True)
async def a_clock_set_forward(stage: Stage) -> None:
    """The follower's wall clock is set forward by an hour, and back."""
    await _is_stepped(stage, _HOUR)


@SCENARIOS.add(needs_clock=True)
async def a_clock_set_back(stage: Stage) -> None:
    """The follower's wall clock is set back by an hour, and forward."""
    await _is_stepped(stage, -_HOUR)


@SCENARIOS.add(stale="refuse", stale_after=10, needs_clock=True)
async def a_clock_set_back_makes_nothing_young(stage: Stage) -> None:
    """The issuer falls silent, and the wall clock is set back: what is known ages by the clock that only runs."""
    good = stage.token("good", 1)
    await stage.begin(good)
    stage.beats = False
    for kind in ("snapshot", "list", "stream"):
        stage.answer(kind, status=503)
    stage.hang_up()
    await stage.pass_time(5)
    await stage.set_wall_clock(-_HOUR)
    await stage.refuses(
        good, within=10, after="the last proof, by the clock that only runs", section=PageSection.CLOCKS
    )
