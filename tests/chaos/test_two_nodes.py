"""Two nodes on one PostgreSQL behind a balancer, under load, and everything that happens to servers.

Clients sign in, refresh as fast as they are answered, and log out. Whatever breaks meanwhile: no answer that they got
is forgotten, nobody is logged out who did not ask for it, nothing that is for once is used twice, and what is revoked
is refused by a verifier within its bound. While the database is away they get clear 503s.
"""

from __future__ import annotations

import itertools
import os
import random
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.balancer import Balancer
from tests.support.postgres import binaries, postgres
from tests.support.server import gatepass_serve_logging
from tests.support.wait import eventually

from gatepass.jose import JoseError, jwt
from gatepass.verify import Verifier

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable, Generator
    from pathlib import Path

    from tests.support.postgres import Postgres

CLIENTS = 8
API = "https://orders.example.test"
REFUSALS = {"store_unavailable", "store_settling", "busy"}
"""What a client may hear while something is broken; it tries again."""
STEPS = ("kill a node", "restart the database", "crash the database", "cut the streams")


class Site:
    """Two nodes as processes, their PostgreSQL, the balancer, and a verifier that follows through the balancer."""

    def __init__(self, folder: Path, store: Postgres, stack: ExitStack) -> None:
        self.folder, self.store, self.stack = folder, store, stack
        self.balancer = stack.enter_context(Balancer())
        self._numbers = itertools.count()
        self.processes: list[subprocess.Popen[str]] = []
        for _ in range(2):
            self.start_node()
        eventually(lambda: len(self.balancer.ready) == 2)
        self.verifier = stack.enter_context(Verifier(issuer=self.balancer.url, audience=API))

    def start_node(self) -> None:
        """Start one more node."""
        process, url = self.stack.enter_context(
            gatepass_serve_logging(
                self.folder / f"node{next(self._numbers)}.log",
                self.folder,
                *("--issuer", self.balancer.url, "--database", self.store.url(), "--audience", API),
                GATEPASS_REFRESH_QUIET_SECONDS="0",
                GATEPASS_ATTEMPTS_PER_ADDRESS="100000",
                GATEPASS_DATABASE_CONNECTIONS="4",
            )
        )
        self.processes.append(process)
        self.balancer.nodes.append(url)

    def kill_a_node(self) -> None:
        """Kill a node outright; a new one takes its place."""
        self.processes.pop(0).kill()
        time.sleep(0.5)
        del self.balancer.nodes[0]
        self.start_node()

    def do(self, step: str) -> None:
        """Break something, and mend it."""
        match step:
            case "kill a node":
                self.kill_a_node()
            case "restart the database" | "crash the database":
                self.store.stop(signal.SIGINT if step.startswith("restart") else signal.SIGQUIT)
                time.sleep(0.5)
                self.store.start()
            case _:
                self.balancer.cut()


class Owner:
    """Somebody with a session, who holds on to every answer, and a client that tries again."""

    def __init__(self, site: Site, number: int) -> None:
        self.site = site
        self.person = {"email": f"p{number}-{os.getpid()}@example.test", "password": "a password of good length"}
        self.refreshes = self.refusals = 0
        self.ended: list[str] = []
        self.wrong: list[str] = []
        self.chance = random.Random(number)  # noqa: S311 - who does what when

    def run(self, done: threading.Event) -> None:
        """Sign in, refresh, and now and then log out and in again."""
        with httpx.Client(base_url=self.site.balancer.url, timeout=15) as api:
            self.call(api, "/signup", self.person, accept=(201, 409))  # 409: the answer to the first try was lost
            pair = self.call(api, "/login", self.person)
            self.site.verifier.verify(pair["token"])  # which follows what is revoked from now on
            while not done.is_set():
                if self.chance.random() < 0.02:
                    self.call(api, "/logout", {"refresh_token": pair["refresh_token"]}, accept=(204, 401))
                    self.ended.append(pair["token"])
                    pair = self.call(api, "/login", self.person)
                else:
                    renewed = self.call(api, "/refresh", {"refresh_token": pair["refresh_token"]})
                    same = jwt.peek(renewed["token"]).claims["sid"] == jwt.peek(pair["token"]).claims["sid"]
                    assert same
                    pair = renewed
                    self.refreshes += 1

    def call(self, api: httpx.Client, path: str, body: dict[str, Any], accept: tuple[int, ...] = (200,)) -> Any:  # noqa: ANN401 - JSON
        """Ask until there is an answer that counts."""
        for _ in range(300):
            try:
                answer = api.post(path, json=body)
            except httpx.TransportError:
                time.sleep(0.05)
                continue
            if answer.status_code in accept:
                return answer.json() if answer.status_code == 200 else None
            code = answer.json()["code"]
            if answer.status_code != 503 or code not in REFUSALS or "retry-after" not in answer.headers:
                self.wrong.append(f"{path}: {answer.status_code} {code}")
                raise AssertionError(self.wrong[-1])
            self.refusals += 1
            time.sleep(0.05)
        raise AssertionError(f"{path}: no answer in all this time")


@pytest.fixture
def site(tmp_path: Path) -> Generator[Site]:
    """Everything running."""
    with ExitStack() as stack:
        store = stack.enter_context(postgres(binaries()["18"]))
        yield Site(tmp_path, store, stack)


@pytest.mark.soak
def test_what_happens_to_servers_happens_to_nobody_else(
    site: Site, effort: int, record_property: Callable[[str, object], None]
) -> None:
    """Each thing breaks once under load (fifty times in random order under `make soak`)."""
    steps = list(STEPS) * (1 if effort == 1 else effort)
    random.Random(7).shuffle(steps)  # noqa: S311 - the same order each time
    done = threading.Event()
    owners = [Owner(site, number) for number in range(CLIENTS)]
    with ThreadPoolExecutor(CLIENTS) as pool:
        running = [pool.submit(owner.run, done) for owner in owners]
        try:
            for step in steps:
                _advance(owners)
                site.do(step)
            eventually(lambda: len(site.balancer.ready) == 2)
            _advance(owners)
        finally:
            done.set()
        for each in running:
            each.result()
    assert not [wrong for owner in owners for wrong in owner.wrong]
    _everything_answered_is_there(site, owners)
    refreshes, refusals = (sum(getattr(owner, name) for owner in owners) for name in ("refreshes", "refusals"))
    record_property("figures", f"{len(steps)} breakdowns, {refreshes:,} refreshes, {refusals:,} refusals with 503")


def _advance(owners: list[Owner]) -> None:
    """Wait until everybody has been answered twice more."""
    for owner, count in [(owner, owner.refreshes) for owner in owners]:
        eventually(lambda owner=owner, count=count: owner.refreshes > count + 1 or bool(owner.wrong))  # type: ignore[misc]


def _everything_answered_is_there(site: Site, owners: list[Owner]) -> None:
    """Status indexes are given out once, events are numbered without a gap, and what was logged out is refused."""
    ((grants, places),) = site.store.run("SELECT COUNT(*), COUNT(DISTINCT (status_list, status_idx)) FROM grants")
    assert grants == places > 0
    ((last, highest),) = site.store.run("SELECT last_id, (SELECT MAX(id) FROM revocations) FROM revocation_head")
    assert (highest or 0) <= last
    eventually(lambda: site.verifier.health().feed == "live")
    for token in [token for owner in owners for token in owner.ended]:
        eventually(lambda token=token: _is_refused(site.verifier, token))  # type: ignore[misc]


def _is_refused(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except JoseError as error:
        return error.code == "revoked"
    return False
