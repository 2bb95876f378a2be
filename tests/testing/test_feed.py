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
import msgspec
import pytest

from gatepass.jose import JoseError, base64url
from gatepass.testing.feed import stage
from gatepass.testing.feed.scenarios import SCENARIOS
from gatepass.testing.feed.sections import PageSection
from gatepass.testing.feed.serving import serving
from gatepass.tokens import revocation_event
from gatepass.tokens.revocation_event import RevocationEvent
from gatepass.verify import Verifier, follow, http_client, issuer
from gatepass.verify.following import status_lists, stream
from gatepass.verify.following.document import Document
from gatepass.verify.following.events import KnownEvents
from gatepass.verify.following.names import Names

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

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


def _unverified(kind: type[Any]) -> Callable[..., Any]:
    """A check that believes everything that has the shape."""

    def check(token: str, *_: object, **__: object) -> Any:  # noqa: ANN401 - as the kind
        return msgspec.json.decode(base64url.decode(token.split(".")[1]), type=kind)

    return check


BROKEN: tuple[tuple[str, Callable[[pytest.MonkeyPatch], None]], ...] = (
    ("a-list-with-an-earlier-iat", lambda mend: mend.setattr(Document, "refuse_older", lambda *_: None)),
    ("a-key-that-revokes-itself", lambda mend: mend.setattr(stream, "refuse_own_key", lambda *_: None)),
    ("a-list-at-another-origin", lambda mend: mend.setattr(status_lists, "_is_ours", lambda *_: True)),
    ("an-event-by-another-key", lambda mend: mend.setattr(revocation_event, "check", _unverified(RevocationEvent))),
    ("an-event-of-an-unknown-key", lambda mend: mend.setattr(issuer, "SIGNERS_LOOKED_FOR", 1000)),
    ("a-list-behind-the-stream", lambda mend: mend.setattr(KnownEvents, "since", lambda *_: ())),
    ("by-jti", lambda mend: mend.setattr(Names, "add_tokens", lambda *_: None)),
)
"""A scenario, and a follower without the rule that it is about."""


@pytest.mark.parametrize(("name", "breaks"), BROKEN, ids=[name for name, _ in BROKEN])
def test_a_follower_without_a_rule_is_found_out(
    name: str, breaks: Callable[[pytest.MonkeyPatch], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The scenario of the rule complains of it, and in no other way than by a complaint."""
    monkeypatch.setattr(stage, "_PATIENCE_SECONDS", 0.0)
    breaks(monkeypatch)
    found: dict[str, str] = {}
    for _ in range(3):  # on a busy machine the follower may not have fetched yet what it would believe
        found = found or complaints([each for each in SCENARIOS if each.name == name])
    assert found.keys() == {name}
    assert "broke" not in found[name]


def test_every_section_that_is_named_is_on_the_page() -> None:
    """A complaint leads to the sentence that it is about."""
    page = (Path(__file__).parents[2] / "docs/protocol/revocation.md").read_text()
    headings = {line.lstrip("#").strip() for line in page.splitlines() if line.startswith("##")}
    assert {str(section) for section in PageSection} <= headings


def test_the_page_counts_the_scenarios() -> None:
    """How many there are is written where strangers decide whether to use them."""
    page = (Path(__file__).parents[2] / "docs/protocol/testing.md").read_text()
    assert f"Its {len(SCENARIOS)} scenarios" in page
