"""A login flood beside `/refresh` and the JWKS: their 99th percentile at a fixed rate, idle and flooded, on one core.

Logins are checked at the default cost by one thread at the lowest priority; those that do not fit into the queue are
told when to come back.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx

from _load import PERSON, check_tools, gatepass

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

RATE = 200
SECONDS = 8
FLOODERS = 100


class Found(NamedTuple):
    """What the calls took, in milliseconds."""

    p50: float
    p99: float


async def at_a_fixed_rate(call: Callable[[], Awaitable[None]]) -> Found:
    """Make calls at their times, whether or not the ones before were answered, and time each from when it was due."""
    took: list[float] = []
    begin = time.perf_counter()

    async def one(number: int) -> None:
        due = begin + number / RATE
        await asyncio.sleep(due - time.perf_counter())
        await call()
        took.append((time.perf_counter() - due) * 1000)

    await asyncio.gather(*(one(number) for number in range(RATE * SECONDS)))
    ordered = statistics.quantiles(took, n=100)
    return Found(ordered[49], ordered[98])


async def flood(url: str) -> None:
    """Log in from many connections for as long as it takes, and print the answers by status.

    It is a process of its own at a lower priority: what it does itself must not delay the calls that are timed.
    """
    answers: dict[int, int] = {}
    end = time.monotonic() + SECONDS + 4

    async def one() -> None:
        async with httpx.AsyncClient(base_url=url, timeout=60) as api:
            while time.monotonic() < end:
                answer = await api.post("/login", json=PERSON)
                answers[answer.status_code] = answers.get(answer.status_code, 0) + 1
                if answer.status_code != 200:
                    await asyncio.sleep(int(answer.headers["retry-after"]))

    await asyncio.gather(*(one() for _ in range(FLOODERS)))
    print(json.dumps(answers))


async def measure(url: str) -> None:
    """Measure both calls, first alone and then beside the flood."""
    limits = httpx.Limits(max_connections=64)
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=limits) as api:
        await api.post("/signup", json=PERSON)
        token = (await api.post("/login", json=PERSON)).json()["refresh_token"]
        body = json.dumps({"refresh_token": token}).encode()

        async def refresh() -> None:
            answer = await api.post("/refresh", content=body, headers={"content-type": "application/json"})
            assert answer.status_code == 200

        async def jwks() -> None:
            assert (await api.get("/.well-known/jwks.json")).status_code == 200

        print("| call | idle p50 | idle p99 | flooded p50 | flooded p99 | p99 ratio |")
        print("|---|---:|---:|---:|---:|---:|")
        answers: list[str] = []
        for name, call in [("POST /refresh", refresh), ("GET jwks.json", jwks)]:
            idle = await at_a_fixed_rate(call)
            flooding = await asyncio.create_subprocess_exec(
                "nice", "-n", "10", sys.executable, __file__, url, stdout=asyncio.subprocess.PIPE
            )
            await asyncio.sleep(2)
            flooded = await at_a_fixed_rate(call)
            said, _ = await flooding.communicate()
            answers.append(said.decode().strip())
            ratio = flooded.p99 / idle.p99
            print(
                f"| {name} | {idle.p50:.1f} ms | {idle.p99:.1f} ms "
                f"| {flooded.p50:.1f} ms | {flooded.p99:.1f} ms | {ratio:.1f} |"
            )
        print("\nAnswers to the floods by status:", ", ".join(answers))


def main() -> None:
    """Run the server on core 0 and everything else on core 1."""
    check_tools()
    os.sched_setaffinity(0, {1})
    if sys.argv[1:]:
        asyncio.run(flood(sys.argv[1]))
        return
    with tempfile.TemporaryDirectory() as folder, gatepass(Path(folder)) as server:
        print(f"\n{RATE} calls a second, {FLOODERS} connections logging in\n")
        asyncio.run(measure(server.url))
        peak = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{server.pid}/status").read_text())
        print(f"Memory of the server: {server.rss_mb():.0f} MB, at most {int(peak[1]) / 1024 if peak else 0:.0f} MB")


if __name__ == "__main__":
    main()
