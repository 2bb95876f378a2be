"""`gatepass testing feed`: our own follower passes it, and one that is broken does not."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.broken_followers import BROKEN

from gatepass.jose import JoseError
from gatepass.testing.feed import stage
from gatepass.testing.feed.scenarios import SCENARIOS
from gatepass.testing.feed.sections import PageSection
from gatepass.testing.feed.serving import serving
from gatepass.verify import Verifier, follow, http_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from tests.support.broken_followers import BrokenFollower

    from gatepass.testing.feed.scenario import Scenario
    from gatepass.testing.feed.trial import FeedTrials

NOW = 1_800_000_000.0

LISTS = 60
"""A thousand take seconds to sign; `gatepass testing feed` has them."""


UNPROVEN = {"a-greeting-behind"}
"""Scenarios that no broken follower of ours fails: this one only wants that a follower recovers."""


PATIENCE = (0.3, 1.0, 4.0)
"""How long a broken follower is waited for in real time: on a busy machine it may not have come to its mistake yet."""

OTHERS = ("broke", "opened no stream", "though nothing revoked it")
"""Complaints of the script itself, or of a follower that has not begun: they prove nothing."""


class SteppedClocks:
    """Two clocks that stand still until the issuer moves them."""

    def __init__(self) -> None:
        self.wall, self.running = NOW, 1000.0

    def advance(self, step: dict[str, float]) -> None:
        """Move them."""
        self.wall += step["wall"]
        self.running += step["running"]


@contextmanager
def played(scenarios: Sequence[Scenario]) -> Iterator[tuple[FeedTrials, asyncio.AbstractEventLoop]]:
    """Serve scenarios in a thread of their own."""
    started: list[tuple[FeedTrials, asyncio.AbstractEventLoop]] = []
    is_up = threading.Event()
    stop = threading.Event()

    async def serve() -> None:
        async with serving(scenarios, size=LISTS) as trials:
            started.append((trials, asyncio.get_running_loop()))
            is_up.set()
            await asyncio.to_thread(stop.wait)

    thread = threading.Thread(target=asyncio.run, args=(serve(),))
    thread.start()
    assert is_up.wait(10)
    try:
        yield started[0]
    finally:
        stop.set()
        thread.join()


def play(trials: FeedTrials, loop: asyncio.AbstractEventLoop, one: dict[str, Any]) -> None:
    """Be the harness of one scenario, as docs/protocol/testing.md shows it, without its HTTP."""
    clocks = SteppedClocks()
    said: dict[str, Any] = {"clock": clocks.wall}
    with Verifier(
        issuer=one["issuer"],
        audience=one["audience"],
        stale=one["stale"],
        stale_after=one["stale_after"],
        clock=lambda: clocks.wall,
    ) as verifier:
        vars(vars(verifier)["_follower"])["_running"] = lambda: clocks.running
        while "passed" not in (
            step := asyncio.run_coroutine_threadsafe(trials.next_step(one["name"], said), loop).result(60)
        ):
            said = {}
            if "advance" in step:
                clocks.advance(step["advance"])
            elif "token" in step:
                said = verdict(verifier, step["token"])


def verdict(verifier: Verifier, token: str) -> dict[str, Any]:
    """Say what becomes of a token."""
    try:
        verifier.verify(token)
    except JoseError as error:
        return {"accepted": False, "code": error.code, "live": verifier.health().feed == "live"}
    return {"accepted": True, "live": verifier.health().feed == "live"}


def complaints(scenarios: Sequence[Scenario]) -> dict[str, str]:
    """What is said of our follower in each scenario that it does not pass."""
    with played(scenarios) as (trials, loop), ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda one: play(trials, loop, one), trials.listed()["scenarios"]))
        told = trials.report()["scenarios"]
    return {each["scenario"]: each["complaint"] or each["state"] for each in told if each["state"] != "passed"}


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real time is short: the follower looks at its clocks often, and waits little; and TLS is set up once."""
    monkeypatch.setattr(follow, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(follow, "FIRST_SECONDS", 0.3)
    monkeypatch.setattr(http_client, "FETCH_SECONDS", 1.0)
    monkeypatch.setattr(httpx, "create_ssl_context", cache(httpx.create_ssl_context))


def test_our_own_follower_passes_every_scenario() -> None:
    """With clocks that the scripts set, over real HTTP; all at the same time."""
    assert complaints(SCENARIOS) == {}


@pytest.mark.parametrize("follower", BROKEN, ids=lambda follower: follower.breaks.__name__)
def test_a_follower_without_a_rule_is_found_out(follower: BrokenFollower, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each scenario of the rule complains of it, and in no other way than by a complaint."""
    monkeypatch.setattr(stage, "_REACTION_SECONDS", 0.025)
    follower.breaks(monkeypatch)
    found: dict[str, str] = {}
    for patience in PATIENCE:
        monkeypatch.setattr(stage, "_patience", lambda _, patience=patience: patience)
        left = [each for each in SCENARIOS if each.name in set(follower.found_by) - found.keys()]
        told = complaints(left) if left else {}
        found |= {name: what for name, what in told.items() if not any(other in what for other in OTHERS)}
    assert found.keys() == set(follower.found_by)


def test_every_section_that_is_named_is_on_the_page() -> None:
    """A complaint leads to the sentence that it is about."""
    page = (Path(__file__).parents[2] / "docs/protocol/revocation.md").read_text()
    headings = {line.lstrip("#").strip() for line in page.splitlines() if line.startswith("##")}
    assert {str(section) for section in PageSection} <= headings


def test_the_page_counts_the_scenarios() -> None:
    """How many there are, and how many have shown that they can fail."""
    page = (Path(__file__).parents[2] / "docs/protocol/testing.md").read_text()
    assert f"Its {len(SCENARIOS)} scenarios" in page
    assert f"{len(SCENARIOS) - len(UNPROVEN)} of the {len(SCENARIOS)} scenarios" in page


def test_every_scenario_can_fail_but_those_that_are_named() -> None:
    """A scenario that finds nobody out tells nothing."""
    proven = {name for follower in BROKEN for name in follower.found_by}
    assert {each.name for each in SCENARIOS} - proven == UNPROVEN
