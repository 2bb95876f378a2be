"""The kill matrix at verifiers of every kind: what an event kills is refused by each of them, and by nothing else.

The followers run on clocks of their own, and follow another server than the one where the event happens.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import cached_property
from statistics import median, quantiles
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.stories.test_kill_matrix import (
    API,
    CLAIMS,
    COMPROMISED,
    EVENTS,
    Held,
    World,
    cheap_commands,
    verifies,
)
from tests.support.guarded import PROXIES, guard, proxy, wsgi_echo
from tests.support.relays import relay_process
from tests.support.server import RunningClock, running_server
from tests.verify.test_javascript_api import apis

from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from tests.stories.test_kill_matrix import (
        Client,
        Event,
    )
    from tests.support.server import RunningServer

__all__ = ["cheap_commands"]  # a fixture

PYTHON, NODE = "`gatepass.verify` in Python", "`clients/js/verify` in Node.js"
RELAYED, RELAYS = "Python through three relays", 3
PROXY_NAMES = {"nginx": "nginx", "caddy": "Caddy", "haproxy": "HAProxy"}
FOLLOWERS = {
    PYTHON: "A `Verifier`.",
    RELAYED: "A `Verifier` that reads the third of three `gatepass relay`, each of which follows the one before.",
    NODE: "Behind its handler for `fetch`.",
    **{f"{PROXY_NAMES[name]} and guard": f"The sample configuration in `deploy/guard/{name}`." for name in PROXIES},
}
OF_A_PERSON, OWN = "user's access token, at a verifier", "client's own token, at a verifier"
JUDGED = frozenset({OF_A_PERSON, OWN})
PROMISED_SECONDS = 1.0
LONGEST_SECONDS = 10.0
"""A machine that is busy with other tests may take longer than what is promised, and than nothing that polls."""


@pytest.fixture(scope="module", params=["sqlite", "postgres18"])
def servers(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Generator[tuple[RunningServer, RunningServer]]:
    """Two servers on one database, whose clocks go; the issuer is the second's URL."""
    data_dir, clock = tmp_path_factory.mktemp("followers"), RunningClock()
    database = "" if request.param == "sqlite" else request.getfixturevalue(request.param).migrated_database()
    common: dict[str, Any] = {
        "audience": (API,),
        "attempts_per_address": 10_000,
        "database": database,
        "claims": CLAIMS,
        "refresh_quiet_seconds": 0,
        "refresh_grace_seconds": 0,
    }
    with (
        running_server(data_dir, clock, **common) as there,
        running_server(data_dir, clock, issuer=there.url, **common) as here,
    ):
        yield here, there


@pytest.fixture(scope="module")
def followers(
    servers: tuple[RunningServer, RunningServer], tmp_path_factory: pytest.TempPathFactory
) -> Generator[dict[str, Callable[[str], bool]]]:
    """Each, as whether it takes a token."""
    _, there = servers
    folder = tmp_path_factory.mktemp("proxies")
    with ExitStack() as stack:
        verifier = stack.enter_context(Verifier(issuer=there.url, audience=API))
        found: dict[str, Callable[[str], bool]] = {PYTHON: lambda token: verifies(verifier, token)}
        relays: list[str] = []
        for _ in range(RELAYS):
            relays += [stack.enter_context(relay_process(there.url, *relays[-1:]))[1]]
        far = stack.enter_context(Verifier(issuer=there.url, audience=API, relays=relays[-1:]))
        assert far.start().feed in ("live", "list only")
        found[RELAYED] = lambda token: verifies(far, token)
        found[NODE] = _asked(stack, stack.enter_context(apis(there.url, audience=API))["plain"])
        echo, judge = stack.enter_context(wsgi_echo()), stack.enter_context(guard(there.url, API))
        for name in PROXIES:
            front = stack.enter_context(proxy(name, folder / name, guard=judge, upstream=echo.port))
            found[f"{PROXY_NAMES[name]} and guard"] = _asked(stack, front)
        yield found


def _asked(stack: ExitStack, url: str) -> Callable[[str], bool]:
    """Ask an API or a proxy for a page with a token; whether it is shown."""
    client = stack.enter_context(httpx.Client(base_url=url, timeout=30))

    def takes(token: str) -> bool:
        answer = client.get("/me", headers={"authorization": f"Bearer {token}"})
        assert answer.status_code in (200, 401), answer.text
        return answer.status_code == 200

    return takes


class HeldByFew(Held):
    """What somebody holds: a client only where the event is about one, since to register one takes its time."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.person = world.sign_up()
        with world.here.client() as api:
            self.pair = api.post("/login", json=self.person).json()
            self.cookie_pair = self._cookie_login(api)
            self.links = []

    @cached_property
    def client(self) -> Client:  # type: ignore[override] # made when it is first asked for
        """The client."""
        return self.world.register("--grant", "client_credentials", "--grant", "refresh_token", "--audience", API)

    @cached_property
    def own(self) -> str:  # type: ignore[override] # as above
        """Its own token."""
        with self.world.here.client() as api:
            return self._own_token(api)


def _reuse_at_once(world: World, held: Held) -> None:
    """Present a token again that has been replaced. No time has to pass for it here: the followers' does not."""
    with world.here.client() as api:
        current = held.pair["refresh_token"]
        for _ in range(2):
            current = api.post("/refresh", json={"refresh_token": current}).json()["refresh_token"]
        answer = api.post("/refresh", json={"refresh_token": held.pair["refresh_token"]})
        assert answer.json()["code"] == "refresh_token_reused"


HAPPENINGS = {"refresh token reused": _reuse_at_once}
"""What happens in another way than in the matrix of one verifier."""


def test_what_each_event_kills_at_every_follower(
    servers: tuple[RunningServer, RunningServer],
    followers: dict[str, Callable[[str], bool]],
    capsys: pytest.CaptureFixture[str],
    cheap_commands: None,
    record_property: Callable[[str, object], None],
) -> None:
    """Each follower takes each token before the event, refuses it after one that kills it, and else takes it still."""
    here, there = servers
    delays: dict[str, list[float]] = {name: [] for name in followers}
    with Verifier(issuer=there.url, audience=API) as verifier, ThreadPoolExecutor(len(followers)) as threads:
        world = World(here, there, verifier, capsys)
        for event in EVENTS:
            held = HeldByFew(world)
            tokens = _tokens(held, event)
            for name, takes in followers.items():
                assert all(map(takes, tokens.values())), f"{name} before {event.title}"
            HAPPENINGS.get(event.title, event.happen)(world, held)
            done = time.monotonic()
            dead = [token for artefact, token in tokens.items() if artefact in event.kills]
            waits = {name: threads.submit(_until_dead, takes, dead, done) for name, takes in followers.items()}
            for name, wait in waits.items():
                delays[name] += wait.result()
            for name, takes in followers.items():
                alive = {artefact for artefact, token in tokens.items() if takes(token)}
                assert alive == set(tokens) - event.kills, f"{name} after {event.title}"
    assert median(each for some in delays.values() for each in some) <= PROMISED_SECONDS
    record_property("figures", "; ".join(f"{name}: {_spread(some)}" for name, some in delays.items()))


def _tokens(held: HeldByFew, event: Event) -> dict[str, str]:
    if event.at_client:
        held.held_by_client()
    of_person = {OF_A_PERSON: held.pair["token"]}
    return of_person | ({OWN: held.own} if OWN in event.kills and event is not COMPROMISED else {})


def _until_dead(takes: Callable[[str], bool], tokens: list[str], done: float) -> list[float]:
    """Ask until each is refused; how long that took, in seconds."""
    delays: list[float] = []
    for token in tokens:
        while takes(token):
            assert time.monotonic() - done <= LONGEST_SECONDS
            time.sleep(0.005)
        delays.append(time.monotonic() - done)
    return delays


def _spread(delays: list[float]) -> str:
    of_100 = quantiles(delays, n=100)
    return f"{len(delays)} tokens, p50 {1_000 * of_100[49]:.0f} ms, p99 {1_000 * of_100[98]:.0f} ms"
