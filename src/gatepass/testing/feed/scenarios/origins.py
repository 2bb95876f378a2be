"""Documents elsewhere: at another origin than the issuer's, nothing is asked for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.testing.feed.scenario import Scenarios
from gatepass.testing.feed.sections import PageSection

if TYPE_CHECKING:
    from gatepass.testing.feed.stage import Stage

SCENARIOS = Scenarios()


@SCENARIOS.add(stale="refuse", stale_after=20)
async def a_list_at_another_origin(stage: Stage) -> None:
    """A token names a list at another origin, which would say that it is good."""
    await stage.begin(stage.token("good", 1))
    elsewhere = {"status_list": {"idx": 1, "uri": f"{stage.elsewhere}/status/1"}}
    token = stage.token("of a list elsewhere", status=elsewhere)
    await stage.keeps(
        token, 2, accepted=False, though="though its list must not be fetched", section=PageSection.DISCOVERY
    )


@SCENARIOS.add(stale_after=10)
async def an_offer_of_another_origin(stage: Stage) -> None:
    """The metadata names a stream and a snapshot at another origin."""
    stage.feed.extra = {
        "revocations_uri": f"{stage.elsewhere}/stream",
        "revocations_snapshot_uri": f"{stage.elsewhere}/snapshot",
    }
    await stage.begin(stage.token("good", 1), listens=False)
    await stage.pass_time(2)


async def _redirects(stage: Stage, kind: str, path: str, where: str) -> None:
    await stage.accepts(stage.token("first"), within=5, though="nothing revoked it")
    stage.answer(kind, status=302, location=f"{where}/{path}")
    bad = stage.token("of a list that redirects", 1)
    await stage.keeps(bad, 2, accepted=False, though="having followed a redirect", section=PageSection.DISCOVERY)
    stage.answer_truly()
    await stage.accepts(bad, within=4, though="the list is there now", section=PageSection.FAILURE)


@SCENARIOS.add(stale="refuse", stale_after=20)
async def a_redirect_elsewhere(stage: Stage) -> None:
    """The list redirects to another origin."""
    await _redirects(stage, "list", "status/1", stage.elsewhere)


@SCENARIOS.add(stale="refuse", stale_after=20)
async def a_redirect_of_the_snapshot(stage: Stage) -> None:
    """The snapshot redirects to another address of the same origin, which has a good one."""
    stage.answer("snapshot", status=307, location=f"{stage.feed.url}/copy")
    stage.answer("copy", stage.feed.snapshot())
    token = stage.token("good", 1)
    await stage.keeps(token, 2, accepted=False, though="having followed a redirect", section=PageSection.DISCOVERY)
    stage.answer_truly()
    await stage.begin(token)
