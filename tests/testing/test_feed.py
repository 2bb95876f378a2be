"""`gatepass testing feed`: our own follower passes it, and one that is broken does not."""

from __future__ import annotations

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import cache
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from gatepass.jose import JoseError
from gatepass.testing.feed.scenarios import SCENARIOS
from gatepass.testing.feed.serving import serving
from gatepass.verify import Verifier, follow, http_client

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gatepass.testing.feed.scenario import Scenario
    from gatepass.testing.feed.trial import FeedTrials

NOW = 1_800_000_000.0

LISTS = 60
"""A thousand take seconds to sign; `gatepass testing feed` has them."""


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
