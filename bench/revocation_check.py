"""What following revocations costs an API: per verification, per list, and in the event loop beside it.

The verifier reads from a loopback issuer of the tests; a list has 1,048,576 indexes, 1 % of them set at random.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import sys
import time
import timeit
import tracemalloc
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from tests.support.scripted_issuer import LIST, NOW, Clock, ScriptedIssuer, answer
from tests.support.wait import eventually

from gatepass.jose import KeySet
from gatepass.tokens.status_list import SIZE, Bits
from gatepass.verify import JoseError, Verifier
from gatepass.verify.clocks import Moment
from gatepass.verify.follow import Follower
from gatepass.verify.following.revocations import Revocations

ROUNDS = 15
CALLS = 20_000
EVENTS = 300


def nanoseconds(verifier: Verifier, token: str) -> float:
    """Time a remembered token."""
    verifier.verify(token)
    return min(timeit.repeat(lambda: verifier.verify(token), number=CALLS, repeat=ROUNDS)) / CALLS * 1e9


def memory(issuer: ScriptedIssuer, clock: Clock) -> tuple[float, float]:
    """Kilobytes that one list takes, and the milliseconds to read one again."""
    token, keys = issuer.status_list(), KeySet(key.public() for key in issuer.keys)
    revocations = Revocations(issuer.url, mode="list", stale="serve", stale_after=60)
    documents, url = revocations.documents, issuer.url + LIST
    # What is made once is made before anything is measured.
    documents.learn_list(documents.read_list(url, token, keys, clock()), Moment(clock(), 0))
    revocations.known.lists.held.clear()
    tracemalloc.start()
    documents.learn_list(documents.read_list(url, token, keys, clock()), Moment(clock(), 0))
    taken, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    took = min(timeit.repeat(lambda: documents.read_list(url, token, keys, clock()), number=1, repeat=ROUNDS))
    return taken / 1000, took * 1e3


def push(verifier: Verifier, issuer: ScriptedIssuer) -> list[float]:
    """Milliseconds from revoking to the first refusal, event by event."""
    took: list[float] = []
    for number in range(EVENTS):
        token = issuer.token(jti=f"p{number}", status=issuer.at(2 * number))
        assert _passes(verifier, token)
        began = time.perf_counter()
        issuer.revoke(2 * number)
        while _passes(verifier, token):
            time.sleep(0.0001)
        took.append((time.perf_counter() - began) * 1e3)
    return sorted(took)


def _passes(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except JoseError:
        return False
    return True


def beside(lists: int) -> list[float]:
    """Read lists from an issuer in another process, beside a loop of ours."""
    reading, writing = os.pipe()
    child = os.fork()  # before any thread of ours exists
    if child == 0:
        with ScriptedIssuer() as issuer:
            issuer.bits[LIST] = crowded()
            rendered = issuer.status_list(ttl=5, exp=2 * int(NOW)).encode()
            issuer.scripts[LIST] = lambda connection: answer(connection, rendered)
            token = issuer.token(status=issuer.at(1), exp=2 * int(NOW))
            os.write(writing, f"{issuer.url} {token}".encode())
            time.sleep(3600)
    try:
        url, token = os.read(reading, 10_000).decode().split()
        clock = Clock()
        with Verifier(issuer=url, audience="my-api", clock=clock, revocation="list") as verifier:
            verifier.verify(token)
            return asyncio.run(stalls(verifier, clock, lists))
    finally:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)


async def stalls(verifier: Verifier, clock: Clock, lists: int) -> list[float]:
    """Milliseconds that a loop was late, turn by turn, while lists are read in the thread."""
    late: list[float] = []
    follower = verifier._follower  # noqa: SLF001 - to know when a list has been read
    assert isinstance(follower, Follower)
    copy = next(iter(follower.revocations.known.lists.held.values()))
    for _ in range(lists):
        octets = copy.octets
        clock.advance(6)
        while copy.octets is octets:
            late.append(await turn())
    return sorted(late)


async def alone(turns: int) -> list[float]:
    """The same without anything beside it: what this machine does to any loop."""
    return sorted([await turn() for _ in range(turns)])


async def turn() -> float:
    """Milliseconds that a loop is late by."""
    began = time.perf_counter()
    await asyncio.sleep(0.001)
    return (time.perf_counter() - began) * 1e3 - 1


def crowded() -> Bits:
    """A list with 1 % of its bits set."""
    chosen = random.Random(7).sample(range(SIZE), SIZE // 100)  # noqa: S311 - the same list every time
    return Bits.of(index for index in chosen if index >= 2 * EVENTS)


def main() -> None:
    """Print every figure."""
    late = beside(100)
    idle = asyncio.run(alone(len(late)))
    clock = Clock()
    with ScriptedIssuer(clock=clock, revokes=True) as issuer:
        issuer.bits[LIST] = crowded()
        token = issuer.token(status=issuer.at(1))
        with Verifier(issuer=issuer.url, audience="my-api", clock=clock, revocation=None) as verifier:
            off = nanoseconds(verifier, token)
        with Verifier(issuer=issuer.url, audience="my-api", clock=clock) as verifier:
            verifier.verify(token)
            eventually(lambda: verifier.health().feed == "live")
            on = nanoseconds(verifier, token)
            took = push(verifier, issuer)
        kilobytes, milliseconds = memory(issuer, clock)
    print(f"a remembered token: {off:.0f} ns without, {on:.0f} ns with revocation, {on - off:.0f} ns for the check")
    print(f"revoked to refused by push: {took[len(took) // 2]:.2f} ms median, {took[len(took) * 99 // 100]:.2f} ms p99")
    print(f"a list: {kilobytes:.0f} KB in memory, {milliseconds:.2f} ms to read it")
    for what, found in (("beside 100 lists", late), ("alone", idle)):
        p999, median = found[len(found) * 999 // 1000], found[len(found) // 2]
        print(
            f"an event loop {what} is late by {found[-1]:.1f} ms at most, {p999:.1f} ms p99.9, {median:.2f} ms median"
        )


if __name__ == "__main__":
    main()
