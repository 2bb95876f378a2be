"""Where used DPoP proofs are kept: one contract for every place."""

from __future__ import annotations

import logging
import shutil
import socket
import subprocess
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
import redis
from tests.support.scripted_issuer import Clock
from tests.support.wait import eventually

from gatepass.jose import Key, jwt
from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens import dpop_proof
from gatepass.verify import DPoP, DPoPPolicy, Verifier
from gatepass.verify.dpop import InMemoryReplays
from gatepass.verify.errors import ReplaysUnavailableError
from gatepass.verify.redis import RedisReplays

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from gatepass.verify.dpop import Replays

SERVER = shutil.which("valkey-server") or shutil.which("redis-server")


@pytest.fixture(scope="module")
def redis_port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """Run a server of Valkey or Redis, where the system has one."""
    if SERVER is None:
        pytest.skip("neither valkey-server nor redis-server is installed")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    folder: Path = tmp_path_factory.mktemp("redis")
    command = [SERVER, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        with redis.Redis(port=port) as client:

            def answers() -> bool:
                try:
                    return bool(client.ping())
                except redis.ConnectionError:
                    return False

            eventually(answers)
        yield port
        process.terminate()


@pytest.fixture(params=["memory", "redis"])
def replays(request: pytest.FixtureRequest) -> Iterator[Replays]:
    """Keep proofs in each place."""
    if request.param == "memory":
        yield InMemoryReplays()
        return
    with redis.Redis(port=request.getfixturevalue("redis_port"), socket_timeout=5) as client:
        client.flushall()
        yield RedisReplays(client)


def spend(replays: Replays, name: str, seconds: float = 60) -> bool:
    """Use a name up."""
    outcome = replays.spend(name, seconds)
    return outcome.result(10) if isinstance(outcome, Future) else outcome


def test_a_name_is_new_once(replays: Replays) -> None:
    """The first caller is told so, and nobody after it."""
    assert [spend(replays, name) for name in ("a", "b", "a", "b", "c")] == [True, True, False, False, True]


def test_of_many_at_once_one_is_first(replays: Replays) -> None:
    """Looking and keeping are one step."""
    with ThreadPoolExecutor(16) as pool:
        assert sum(pool.map(lambda _: spend(replays, "raced"), range(64))) == 1


def test_what_is_kept_in_memory_ends() -> None:
    """A name is kept for at least as long as was asked, and for at most twice as long after that."""
    clock = Clock()
    replays = InMemoryReplays(clock=clock)
    assert replays.spend("a", 60)
    clock.advance(59)
    assert replays.spend("b", 60)
    clock.advance(2)
    assert not replays.spend("b", 60)
    clock.advance(58.5)
    assert not replays.spend("b", 60)
    clock.advance(121)
    assert replays.spend("b", 60)
    assert replays.spend("a", 60)
    assert len(replays._young) + len(replays._old) == 2


def test_what_is_kept_in_redis_ends(redis_port: int) -> None:
    """The server forgets by itself, in whole seconds that are rounded up."""
    with redis.Redis(port=redis_port) as client:
        client.flushall()
        assert spend(RedisReplays(client, prefix="p:"), "a", 60.2)
        assert client.keys() == [b"p:a"]
        assert client.ttl("p:a") in (60, 61)


def test_two_processes_share_one_redis(redis_port: int) -> None:
    """A proof that was used at one node is used at the other."""
    key, holder, clock = Key.generate("ES256"), Key.generate("ES256"), Clock()
    with redis.Redis(port=redis_port) as client:
        client.flushall()
        nodes = [
            Verifier(
                issuer="https://auth.example.com",
                audience="my-api",
                keys=key.public(),
                clock=clock,
                dpop=DPoPPolicy(replays=RedisReplays(client)),
            )
            for _ in range(2)
        ]
        dpop = _request(key, holder, clock())
        assert nodes[0].verify(*dpop).subject == "user_1"
        with pytest.raises(dpop_proof.InvalidProofError):
            nodes[1].verify(*dpop)


def _request(key: Key, holder: Key, now: float) -> tuple[str, DPoP]:
    claims = {
        "iss": "https://auth.example.com",
        "sub": "user_1",
        "aud": "my-api",
        "exp": int(now) + 60,
        "iat": int(now),
        "jti": "t",
        "client_id": "c",
        "cnf": {"jkt": holder.thumbprint()},
    }
    token = jwt.sign(claims, key, typ="at+jwt")
    url = "https://api.example.com/"
    return token, DPoP(dpop_proof.make(holder, method="GET", url=url, token=token, now=now), "GET", url)


@pytest.mark.parametrize("way", ["verify", "averify"])
def test_a_redis_that_is_down(way: str, caplog: pytest.LogCaptureFixture) -> None:
    """Proofs that nobody can look up are not accepted: 503, and no word in the logs that nobody asked for."""
    import asyncio  # noqa: PLC0415 - for one of two ways

    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        client = redis.Redis(port=nobody.getsockname()[1], socket_timeout=1)
        key, clock = Key.generate("ES256"), Clock()
        verifier = Verifier(
            issuer="https://auth.example.com",
            audience="my-api",
            keys=key.public(),
            clock=clock,
            dpop=DPoPPolicy(replays=RedisReplays(client)),
        )
        token, dpop = _request(key, Key.generate("ES256"), clock())
        with pytest.raises(ReplaysUnavailableError) as caught:
            verifier.verify(token, dpop) if way == "verify" else asyncio.run(verifier.averify(token, dpop))
    assert "127.0.0.1" not in str(caught.value)
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


@pytest.mark.parametrize("arguments", [{"seconds": 0}, {"seconds": 301}, {"nonce_secret": b"short"}])
def test_a_policy_that_makes_no_sense(arguments: dict[str, float | bytes]) -> None:
    """A mistake shows when the application starts."""
    with pytest.raises(InvalidPolicyError):
        DPoPPolicy(**arguments)  # type: ignore[arg-type]


@pytest.mark.parametrize(("forward", "back"), [(0, -50), (0, -3_600), (3_600, -3_600)])
def test_a_clock_that_is_set_makes_no_used_proof_new(forward: float, back: float) -> None:
    """Set back, or forward and back: a proof that is young again by the wall clock is known all the same."""
    run = Clock(0)
    replays = InMemoryReplays(clock=run)
    assert replays.spend("proof", 61, wall=1_000)
    run.advance(70)
    assert replays.spend("another", 61, wall=1_070 + forward)
    run.advance(70)
    assert not replays.spend("proof", 61, wall=1_140 + forward + back if forward else 1_140 + back)
