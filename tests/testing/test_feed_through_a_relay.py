"""Our follower behind our relay passes the scenarios of `gatepass testing feed`, which lie to the relay."""

from __future__ import annotations

import asyncio
import os
import subprocess
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from functools import cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.node import node
from tests.support.relays import running_relay
from tests.testing.test_feed import SteppedClocks, played, verdict

from gatepass.relay import serving as relaying
from gatepass.testing.feed.scenarios import SCENARIOS
from gatepass.verify import Verifier, follow, http_client
from gatepass.verify.following import upstreams

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from gatepass.testing.feed.scenario import Scenario
    from gatepass.testing.feed.trial import FeedTrials

SOAK = os.environ.get("SOAK") == "1"

OF_TWO = {
    "a-cached-list-after-starting-over",
    "a-list-that-does-not-exist",
    "an-event-of-an-unknown-key",
    "too-many-requests",
    "too-many-streams",
}
"""They count requests or the time between them, and here two followers ask: the relay, and for want of it the other."""

SOME = {
    "a-gap",
    "a-list-behind-the-stream",
    "a-list-with-an-earlier-iat",
    "a-key",
    "a-new-epoch",
    "a-replayed-heartbeat",
    "an-event-by-another-key",
    "an-event-of-another-epoch",
    "an-older-epoch",
    "by-jti",
    "resync",
}
"""Those that are played at each run; the others take a minute."""


@pytest.fixture(autouse=True)
def _in_a_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real time is short: followers look at their clocks often, and wait little."""
    monkeypatch.setattr(follow, "TICK_SECONDS", 0.02)
    monkeypatch.setattr(follow, "FIRST_SECONDS", 0.3)
    monkeypatch.setattr(http_client, "FETCH_SECONDS", 1.0)
    monkeypatch.setattr(httpx, "create_ssl_context", cache(httpx.create_ssl_context))
    monkeypatch.setattr(upstreams, "_CROWD_SECONDS", (0.1, 0.1))
    monkeypatch.setattr(relaying, "_START_POLLS", 50)


def play(trials: FeedTrials, loop: asyncio.AbstractEventLoop, one: dict[str, Any]) -> None:
    """Be the harness of one scenario, with a relay between that has the same clocks."""
    clocks = SteppedClocks()

    def next_step(said: dict[str, Any]) -> dict[str, Any]:
        return asyncio.run_coroutine_threadsafe(trials.next_step(one["name"], said), loop).result(60)

    step = next_step({"clock": clocks.wall})
    times: dict[str, Any] = {"clock": lambda: clocks.wall, "running": lambda: clocks.running}
    with (
        running_relay(one["issuer"], **times) as relay,
        Verifier(
            issuer=one["issuer"],
            audience=one["audience"],
            stale=one["stale"],
            stale_after=one["stale_after"],
            clock=times["clock"],
            relays=[relay],
        ) as verifier,
    ):
        vars(vars(verifier)["_follower"])["_running"] = times["running"]
        while "passed" not in step:
            said: dict[str, Any] = {}
            if "advance" in step:
                clocks.advance(step["advance"])
            elif "token" in step:
                said = verdict(verifier, step["token"])
            step = next_step(said)


def complaints(scenarios: Sequence[Scenario]) -> dict[str, str]:
    """What is said in each scenario that is not passed."""
    with played(scenarios) as (trials, loop), ThreadPoolExecutor(16) as pool:
        list(pool.map(lambda one: play(trials, loop, one), trials.listed()["scenarios"]))
        told = trials.report()["scenarios"]
    return {each["scenario"]: each["complaint"] or each["state"] for each in told if each["state"] != "passed"}


def test_a_follower_behind_a_relay_passes_the_same() -> None:
    """What an issuer or somebody before it does to the relay does no more harm to whoever reads there."""
    played_ones = [each for each in SCENARIOS if each.name in SOME]
    assert len(played_ones) >= 6
    assert complaints(played_ones) == {}


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="a minute: make soak")
def test_a_follower_behind_a_relay_passes_every_scenario() -> None:
    """All of them, but those that count what one follower asks for."""
    assert complaints([each for each in SCENARIOS if each.name not in OF_TWO]) == {}


# ── the follower in JavaScript ──

VERIFIER = Path(__file__).parents[2] / "clients" / "js" / "verify"

HARNESS = """
import { Verifier } from "VERIFIER/index.js";
import { CROWD_SECONDS } from "VERIFIER/lib/following/upstreams.js";

CROWD_SECONDS.splice(0, 2, 0.1, 0.1); // real time is short
const [origin, relays] = process.argv.slice(2);
const post = (url, said) => fetch(url, { method: "POST", body: JSON.stringify(said) }).then((answer) => answer.json());

async function judge(verifier, token) {
  try {
    await verifier.verify(token);
    return { accepted: true, live: verifier.health().feed === "live" };
  } catch ({ code }) {
    return { accepted: false, code, live: verifier.health().feed === "live" };
  }
}

async function play({ issuer, audience, stale, stale_after: staleAfter, steps }) {
  let step = await post(steps, {});
  const relay = await fetch(relays, { method: "POST", body: issuer }).then((answer) => answer.text());
  const verifier = new Verifier({ issuer, audience, stale, staleAfter, relays: [relay], log: () => {} });
  while (!("passed" in step)) step = await post(steps, "token" in step ? await judge(verifier, step.token) : {});
  verifier.close();
}

const { scenarios } = await fetch(`${origin}/testing`).then((answer) => answer.json());
const lanes = Array.from({ length: 16 }, async () => {
  for (let next; (next = scenarios.shift()); ) await play(next);
});
await Promise.all(lanes);
"""


@contextmanager
def relays_on_demand() -> Iterator[str]:
    """Where to post the URL of an issuer, to get that of a relay of it: a relay must not come before its scenario."""
    with ExitStack() as running:

        class Starting(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                issuer = self.rfile.read(int(self.headers["content-length"])).decode()
                url = running.enter_context(running_relay(issuer)).encode()
                self.send_response(200)
                self.send_header("content-length", str(len(url)))
                self.end_headers()
                self.wfile.write(url)

            def log_message(self, *_: object) -> None:
                pass

        with ThreadingHTTPServer(("127.0.0.1", 0), Starting) as server:
            thread = Thread(target=server.serve_forever)
            thread.start()
            try:
                yield f"http://127.0.0.1:{server.server_port}/"
            finally:
                server.shutdown()
                thread.join()


def complaints_of_javascript(scenarios: Sequence[Scenario], folder: Path) -> dict[str, str]:
    """What is said of the JavaScript follower behind relays, on real clocks."""
    script = folder / "harness.mjs"
    script.write_text(HARNESS.replace("VERIFIER", str(VERIFIER)))
    with played(scenarios) as (trials, _), relays_on_demand() as relays:
        subprocess.run([node(), script, trials.origin, relays], check=True, timeout=240, capture_output=True)
        told = trials.report()["scenarios"]
    return {each["scenario"]: each["complaint"] or each["state"] for each in told if each["state"] != "passed"}


def test_the_javascript_follower_behind_a_relay(tmp_path: Path) -> None:
    """It passes scenarios that take little real time."""
    names = {"a-gap", "a-new-epoch", "an-event-by-another-key", "by-jti", "resync"}
    assert complaints_of_javascript([each for each in SCENARIOS if each.name in names], tmp_path) == {}


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="a minute: make soak")
def test_the_javascript_follower_behind_a_relay_passes_every_scenario(tmp_path: Path) -> None:
    """All that the machine's clocks can play, but those that count what one follower asks for."""
    able = [each for each in SCENARIOS if each.name not in OF_TWO and not each.needs_clock]
    assert complaints_of_javascript(able, tmp_path) == {}
