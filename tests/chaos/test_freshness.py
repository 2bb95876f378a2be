"""What a verifier says of itself, and of a revoked token, while the network or a node between is broken.

Real servers, a proxy that can freeze, drop and reset, and the bounds that `docs/guides/revocation.md` states. Each
story records how long it took; `make soak` runs every one at least 20 times.
"""

from __future__ import annotations

import itertools
import json
import os
import signal
import statistics
import subprocess
import sys
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest
from tests.support.proxy import Proxy
from tests.support.server import gatepass_serve_logging
from tests.support.wait import eventually

from gatepass.jose import JoseError
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from urllib.parse import SplitResult

    from tests.support.postgres import Postgres

API = "https://orders.example.test"
PEOPLE = itertools.count()


class Site:
    """An issuer behind a proxy, which is all that verifiers know of it."""

    def __init__(self, folder: Path, stack: ExitStack, *options: str, issuer: str = "") -> None:
        self.folder, self.stack, self.options = folder, stack, options
        self.proxy = stack.enter_context(Proxy())
        self.issuer = issuer or self.proxy.url
        self.logs = itertools.count()
        self.start()

    def start(self) -> None:
        """Start the server, and lead the proxy to it."""
        self.process, self.direct = self.stack.enter_context(
            gatepass_serve_logging(
                self.folder / f"node{next(self.logs)}.log",
                self.folder,
                *("--issuer", self.issuer, "--audience", API, *self.options),
                GATEPASS_ATTEMPTS_PER_ADDRESS="100000",
                GATEPASS_SIGNUPS_PER_ADDRESS="100000",
            )
        )
        self.proxy.target = urlsplit(self.direct).port

    def verifier(self, **policy: object) -> Verifier:
        """Start to follow."""
        policy = {"issuer": self.proxy.url, "audience": API} | policy
        made = self.stack.enter_context(Verifier(**policy))  # type: ignore[arg-type]
        made.start()
        eventually(lambda: made.health().feed == "live")
        return made

    def sign_in(self, url: str | None = None) -> str:
        """Sign somebody in, past the proxy; the token."""
        person = {"email": f"p{next(PEOPLE)}-{os.getpid()}@example.test", "password": "a password of good length"}
        with httpx.Client(base_url=url or self.direct, timeout=15) as api:
            api.post("/signup", json=person)
            token: str = api.post("/login", json=person).json()["token"]
        return token

    def log_out(self, token: str, url: str | None = None) -> None:
        """Revoke it, past the proxy."""
        done = httpx.post(f"{url or self.direct}/logout", headers={"authorization": f"Bearer {token}"}, timeout=15)
        assert done.status_code == 204

    def is_up_to_date(self) -> bool:
        """What the node's own metrics say."""
        return "gatepass_up_to_date 1.0" in httpx.get(f"{self.direct}/metrics", timeout=15).text


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """One server on SQLite."""
    with ExitStack() as stack:
        yield Site(tmp_path, stack)


def verdict(verifier: Verifier, token: str) -> str:
    """Say what becomes of a token."""
    try:
        verifier.verify(token)
    except JoseError as error:
        return error.code
    return "good"


def seconds_until(holds: Callable[[], bool]) -> float:
    """How long it takes."""
    began = time.monotonic()
    while not holds():
        assert time.monotonic() - began < 30, "it did not come true"
        time.sleep(0.005)
    return time.monotonic() - began


def told(record_property: Callable[[str, object], None], name: str, took: list[float]) -> None:
    """Show the figures."""
    record_property(
        "figures", f"{name}: n {len(took)}, p50 {statistics.median(took) * 1000:.0f} ms, max {max(took) * 1000:.0f} ms"
    )


def test_a_revocation_through_a_healthy_network(
    site: Site, effort: int, record_property: Callable[[str, object], None]
) -> None:
    """It is known within a second."""
    verifier, took = site.verifier(), []
    for _ in range(5 if effort == 1 else 100):
        token = site.sign_in()
        assert verdict(verifier, token) == "good"
        site.log_out(token)
        took.append(seconds_until(lambda token=token: verdict(verifier, token) == "revoked"))  # type: ignore[misc]
    told(record_property, "healthy", took)
    assert max(took) < 1


def test_a_stream_that_is_frozen(site: Site, effort: int, record_property: Callable[[str, object], None]) -> None:
    """Half-open, without a reset, while new connections work: five seconds at most, and not live all the while."""
    verifier, took, unlive = site.verifier(), [], []
    for _ in range(2 if effort == 1 else 20):
        token = site.sign_in()
        assert verdict(verifier, token) == "good"
        eventually(lambda: verifier.health().feed == "live")
        site.proxy.freeze()
        site.log_out(token)
        began, was_live = time.monotonic(), True
        while verdict(verifier, token) != "revoked":
            if verifier.health().feed != "live":
                was_live = False
            time.sleep(0.005)
        took.append(time.monotonic() - began)
        unlive.append(not was_live)
        eventually(lambda: verifier.health().feed == "live")
        site.proxy.reset()
    told(record_property, "half-open stream", took)
    assert max(took) < 5


def test_a_network_that_is_frozen_altogether(site: Site) -> None:
    """Nothing is called live while nothing comes, and `refuse` refuses; when it thaws, all is well at once."""
    verifier, strict = site.verifier(), site.verifier(stale="refuse", stale_after=6)
    token = site.sign_in()
    assert [verdict(one, token) for one in (verifier, strict)] == ["good", "good"]
    site.proxy.freeze(new=True)
    site.log_out(token)
    assert seconds_until(lambda: verifier.health().feed != "live") < 6
    assert seconds_until(lambda: verdict(strict, token) == "revocation_stale") < 7
    assert not strict.health().ready
    assert verifier.health().ready
    site.proxy.thaw()
    assert seconds_until(lambda: verdict(verifier, token) == "revoked") < 5
    eventually(lambda: verdict(strict, token) == "revoked")


AWAY = {"gracefully": signal.SIGTERM, "killed": signal.SIGKILL}


@pytest.mark.parametrize("how", AWAY)
def test_an_issuer_that_restarts(
    site: Site, how: str, effort: int, record_property: Callable[[str, object], None]
) -> None:
    """Two seconds after it is ready again, what is revoked from then on is known; what was, with the first word."""
    verifier, took = site.verifier(), []
    for _ in range(2 if effort == 1 else 20):
        token = site.sign_in()
        assert verdict(verifier, token) == "good"
        site.process.send_signal(AWAY[how])
        site.process.wait(30)
        site.start()
        eventually(lambda: httpx.get(f"{site.direct}/ready").status_code == 200)
        site.log_out(token)
        took.append(seconds_until(lambda token=token: verdict(verifier, token) == "revoked"))  # type: ignore[misc]
        eventually(lambda: verifier.health().feed == "live")
    told(record_property, f"restart, {how}", took)
    assert max(took) < 2


@pytest.mark.soak
def test_an_issuer_that_was_away_for_long(
    site: Site, effort: int, record_property: Callable[[str, object], None]
) -> None:
    """After more than a minute it takes five seconds at most."""
    if effort == 1:
        pytest.skip("takes more than a minute for each: make soak")
    verifiers, took = [site.verifier() for _ in range(20)], []
    for _ in range(2):
        token = site.sign_in()
        assert {verdict(one, token) for one in verifiers} == {"good"}
        site.process.send_signal(signal.SIGTERM)
        site.process.wait(30)
        time.sleep(75)
        site.start()
        eventually(lambda: httpx.get(f"{site.direct}/ready").status_code == 200)
        site.log_out(token)
        waiting, began = list(verifiers), time.monotonic()
        while waiting:
            known = [one for one in waiting if verdict(one, token) == "revoked"]
            took += [time.monotonic() - began] * len(known)
            waiting = [one for one in waiting if one not in known]
            time.sleep(0.005)
    told(record_property, "away for 75 s", took)
    assert max(took) < 5


def _by_way_of(proxy: Proxy, database: SplitResult) -> str:
    return database._replace(netloc=database.netloc.replace(f":{database.port}", f":{proxy.port}")).geturl()


def test_a_node_that_has_lost_its_database(
    tmp_path: Path, postgres18: Postgres, effort: int, record_property: Callable[[str, object], None]
) -> None:
    """It says so within five seconds, its readers within ten, `refuse` after `stale_after`; and nobody reconnects."""
    unlive: list[float] = []
    back: list[float] = []
    with ExitStack() as stack:
        database = urlsplit(postgres18.new_database())
        way = stack.enter_context(Proxy(database.port))
        site = Site(tmp_path, stack, "--database", _by_way_of(way, database))
        other = Site(tmp_path, stack, "--database", database.geturl(), issuer=site.proxy.url)
        verifier, strict = site.verifier(), site.verifier(stale="refuse", stale_after=12)
        streams = 0
        for _ in range(1 if effort == 1 else 20):
            token = site.sign_in(other.direct)
            assert [verdict(one, token) for one in (verifier, strict)] == ["good", "good"]
            connected = site.proxy.connected
            way.freeze(new=True)
            began = time.monotonic()
            other.log_out(token)
            seconds_until(lambda: not site.is_up_to_date())
            assert time.monotonic() - began < 6
            seconds_until(lambda: verifier.health().feed != "live")
            unlive.append(time.monotonic() - began)
            seconds_until(lambda token=token: verdict(strict, token) == "revocation_stale")  # type: ignore[misc]
            assert time.monotonic() - began < 14
            streams = site.proxy.connected - connected
            way.thaw()
            back.append(seconds_until(lambda token=token: verdict(verifier, token) == "revoked"))  # type: ignore[misc]
            eventually(lambda: verifier.health().feed == "live")
            assert verdict(strict, token) == "revoked"
        told(record_property, "not live after the database is lost", unlive)
        told(record_property, "known after it is back", back)
        assert max(unlive) < 10
        assert streams <= 20  # documents, which are polled meanwhile; a reader that came anew would be one in 1.5 s


def test_a_blip_of_the_database_makes_no_reader_reconnect(tmp_path: Path, postgres18: Postgres) -> None:
    """Two seconds without it, and every stream goes on."""
    with ExitStack() as stack:
        database = urlsplit(postgres18.new_database())
        way = stack.enter_context(Proxy(database.port))
        site = Site(tmp_path, stack, "--database", _by_way_of(way, database))
        verifier = site.verifier()
        connected = site.proxy.connected
        way.freeze(new=True)
        time.sleep(2)
        way.thaw()
        token = site.sign_in()
        site.log_out(token)
        eventually(lambda: verdict(verifier, token) == "revoked")
        assert site.proxy.connected - connected <= 1  # the list that the token names


FROZEN = """
import json, sys, time
from gatepass.verify import Verifier
from gatepass.jose import JoseError
issuer, audience, token = sys.argv[1:]
verifier = Verifier(issuer=issuer, audience=audience)
verifier.start()
verifier.verify(token)
while verifier.health().feed != "live":
    time.sleep(0.01)
print("live", flush=True)
sys.stdin.readline()
began = time.monotonic()
try:
    verifier.verify(token)
    code = "good"
except JoseError as error:
    code = error.code
print(json.dumps([code, time.monotonic() - began]), flush=True)
"""


def test_a_process_that_was_frozen(site: Site, effort: int, record_property: Callable[[str, object], None]) -> None:
    """Stopped while somebody logs out, as in a serverless host: the first call after the thaw is refused."""
    took = []
    for seconds in (6,) if effort == 1 else (6, 18, 88):
        token = site.sign_in()
        arguments = [sys.executable, "-c", FROZEN, site.proxy.url, API, token]
        with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdin is not None
            assert process.stdout is not None
            assert process.stdout.readline() == "live\n"
            process.send_signal(signal.SIGSTOP)
            site.log_out(token)
            time.sleep(seconds)  # this is what is claimed: time passes while nothing runs
            process.stdin.write("\n")
            process.stdin.flush()
            process.send_signal(signal.SIGCONT)
            code, waited = json.loads(process.stdout.readline())
        assert code == "revoked"
        took.append(waited)
    told(record_property, "the first call after a freeze", took)
    assert max(took) < 1
