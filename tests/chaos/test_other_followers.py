"""What an API behind guard, and one in Node.js, answer while the network, the issuer or they themselves are broken.

The conditions of `test_freshness.py`, and its bounds. Both followers refuse what they cannot judge (503), so that a
revoked token is never taken once nothing is known any more.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from tests.chaos.test_freshness import API, AWAY, Site, _by_way_of, told
from tests.support.node import node
from tests.support.proxy import Proxy
from tests.support.wait import eventually
from tests.verify.test_javascript_api import SCRIPT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.postgres import Postgres

SOAK = os.environ.get("SOAK") == "1"
STALE_SECONDS = 60.0
"""The age of the last proof at which both refuse, as they do by default."""

GOOD, DEAD, UNKNOWN = 200, 401, 503


class Follower:
    """A process that judges tokens by HTTP."""

    def __init__(self, process: subprocess.Popen[str], api: httpx.Client) -> None:
        self.process = process
        self._api = api

    def judges(self, token: str) -> int:
        """The status that a request with the token gets."""
        return self._api.get("/me", headers={"authorization": f"Bearer {token}"}).status_code


@contextmanager
def _running(arguments: list[str | Path], *, on_stderr: bool = False) -> Iterator[Follower]:
    process = subprocess.Popen(
        arguments, stderr=subprocess.PIPE if on_stderr else None, stdout=subprocess.PIPE, text=True
    )
    try:
        said = process.stderr if on_stderr else process.stdout
        assert said is not None
        url = next(line for line in said if "http://127.0.0.1" in line)
        with httpx.Client(base_url="http" + url.rpartition("http")[2].strip(' "}\n'), timeout=30) as api:
            yield Follower(process, api)
    finally:
        process.kill()
        process.communicate()


def followers_of(site: Site, stack: ExitStack) -> dict[str, Follower]:
    """One of each kind, which have seen the issuer."""
    guard: list[str | Path] = [
        Path(sys.executable).with_name("gatepass"),
        "guard",
        "--issuer",
        site.proxy.url,
        "--audience",
        API,
    ]
    found = {
        "guard": stack.enter_context(_running([*guard, "--port", "0"], on_stderr=True)),
        "Node.js": stack.enter_context(_running([node(), SCRIPT, site.proxy.url, API])),
    }
    token = site.sign_in()
    for follower in found.values():
        eventually(lambda follower=follower: follower.judges(token) == GOOD)  # type: ignore[misc]
    site.log_out(token)
    for follower in found.values():  # by then its stream is open
        eventually(lambda follower=follower: follower.judges(token) == DEAD)  # type: ignore[misc]
    return found


@pytest.fixture
def stack() -> Iterator[ExitStack]:
    """What a test has begun, to be ended."""
    with ExitStack() as stack:
        yield stack


def seconds_until(followers: dict[str, Follower], token: str, status: int) -> dict[str, float]:
    """How long each takes until it answers so; the status before may only be that of what it knew."""
    began = time.monotonic()

    def wait(follower: Follower) -> float:
        while follower.judges(token) != status:
            assert time.monotonic() - began < 2 * STALE_SECONDS, "it did not come true"
            time.sleep(0.01)
        return time.monotonic() - began

    with ThreadPoolExecutor(len(followers)) as threads:
        return dict(zip(followers, threads.map(wait, followers.values()), strict=True))


class Figures:
    """What was measured of each."""

    def __init__(self) -> None:
        self.took: dict[str, list[float]] = {}

    def add(self, took: dict[str, float]) -> None:
        """One round more."""
        for name, seconds in took.items():
            self.took.setdefault(name, []).append(seconds)

    def tell(self, record_property: Callable[[str, object], None], name: str, *, most: float) -> None:
        """Show them, and hold them to a bound."""
        for follower, took in self.took.items():
            told(record_property, f"{name}, {follower}", took)
        assert {name: max(took) for name, took in self.took.items() if max(took) >= most} == {}


def test_a_stream_that_is_frozen(
    tmp_path: Path, stack: ExitStack, effort: int, record_property: Callable[[str, object], None]
) -> None:
    """Half-open, without a reset, while new connections work: five seconds at most."""
    site, figures = Site(tmp_path, stack), Figures()
    followers = followers_of(site, stack)
    for _ in range(1 if effort == 1 else 20):
        token = site.sign_in()
        assert {follower.judges(token) for follower in followers.values()} == {GOOD}
        site.proxy.freeze()
        site.log_out(token)
        figures.add(seconds_until(followers, token, DEAD))
        site.proxy.reset()
        time.sleep(1 if effort > 1 else 0)  # the next round begins with streams that are open
    figures.tell(record_property, "half-open stream", most=5)


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="a minute and more: make soak")
def test_a_network_that_is_frozen_altogether(
    tmp_path: Path, stack: ExitStack, record_property: Callable[[str, object], None]
) -> None:
    """When nothing has come for a minute nothing is let in; when it thaws, all is well at once."""
    site, refusing, thawing = Site(tmp_path, stack), Figures(), Figures()
    followers = followers_of(site, stack)
    token = site.sign_in()
    assert {follower.judges(token) for follower in followers.values()} == {GOOD}
    site.proxy.freeze(new=True)
    site.log_out(token)
    refusing.add(seconds_until(followers, token, UNKNOWN))
    site.proxy.thaw()
    thawing.add(seconds_until(followers, token, DEAD))
    refusing.tell(record_property, "refuses in a frozen network", most=STALE_SECONDS + 5)
    thawing.tell(record_property, "known after the thaw", most=5)


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="a restart takes seconds: make soak")
@pytest.mark.parametrize("how", AWAY)
def test_an_issuer_that_restarts(
    tmp_path: Path, stack: ExitStack, how: str, record_property: Callable[[str, object], None]
) -> None:
    """Two seconds after it is ready again, what is revoked from then on is known."""
    site, figures = Site(tmp_path, stack), Figures()
    followers = followers_of(site, stack)
    for _ in range(20):
        token = site.sign_in()
        assert {follower.judges(token) for follower in followers.values()} == {GOOD}
        site.process.send_signal(AWAY[how])
        site.process.wait(30)
        site.start()
        eventually(lambda: httpx.get(f"{site.direct}/ready").status_code == GOOD)
        site.log_out(token)
        figures.add(seconds_until(followers, token, DEAD))
    figures.tell(record_property, f"restart, {how}", most=2)


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="a minute and more: make soak")
def test_a_node_that_has_lost_its_database(
    tmp_path: Path, stack: ExitStack, postgres18: Postgres, record_property: Callable[[str, object], None]
) -> None:
    """A node that answers and knows nothing new proves nothing: after a minute nothing is let in."""
    refusing, back = Figures(), Figures()
    database = urlsplit(postgres18.new_database())
    way = stack.enter_context(Proxy(database.port))
    site = Site(tmp_path, stack, "--database", _by_way_of(way, database))
    other = Site(tmp_path, stack, "--database", database.geturl(), issuer=site.proxy.url)
    followers = followers_of(site, stack)
    token = site.sign_in(other.direct)
    assert {follower.judges(token) for follower in followers.values()} == {GOOD}
    way.freeze(new=True)
    other.log_out(token)
    refusing.add(seconds_until(followers, token, UNKNOWN))
    way.thaw()
    back.add(seconds_until(followers, token, DEAD))
    refusing.tell(record_property, "refuses at a node without its database", most=STALE_SECONDS + 5)
    back.tell(record_property, "known after the database is back", most=5)


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="a minute and more: make soak")
@pytest.mark.parametrize("seconds", [6, 18, 88])
def test_a_process_that_was_frozen(
    tmp_path: Path, stack: ExitStack, seconds: int, record_property: Callable[[str, object], None]
) -> None:
    """Stopped while somebody logs out: the first call after the thaw does not let them in."""
    site, figures = Site(tmp_path, stack), Figures()
    followers = followers_of(site, stack)
    token = site.sign_in()
    assert {follower.judges(token) for follower in followers.values()} == {GOOD}
    for follower in followers.values():
        follower.process.send_signal(signal.SIGSTOP)
    site.log_out(token)
    time.sleep(seconds)  # this is what is claimed: time passes while nothing runs
    for follower in followers.values():
        follower.process.send_signal(signal.SIGCONT)
    assert GOOD not in {follower.judges(token) for follower in followers.values()}
    figures.add(seconds_until(followers, token, DEAD))
    figures.tell(record_property, f"after a freeze of {seconds} s", most=2)
