"""A thousand readers of the stream lose their issuer, and come back: how long until an event reaches them again.

Readers wait as `gatepass.verify` does, each a random while. The server is killed and started again on its port; timed
from its `/ready` to the moment at which a revocation made right then has reached half of them, and all, with the 99th
percentile of `/refresh` meanwhile. The server is on core 0, the readers on core 1.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from _load import PERSON, check_tools, end, listening, pinned
from gatepass.verify.clocks import Moment, running_clock
from gatepass.verify.following.retry import Trouble

if TYPE_CHECKING:
    import subprocess

READERS = int(os.environ.get("READERS", "1000"))
AWAY_SECONDS = (1.0, 10.0, 75.0)


class Reader:
    """Holds a stream open, and comes back when it has lost it."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.is_open = False
        self.heard = 0
        self.attempts = 0
        self._position = b""
        self._trouble = Trouble()

    async def run(self) -> None:
        """Follow for ever."""
        while True:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._follow()
            self.is_open = False
            self._trouble.failed(_now(), random.random())  # noqa: S311 - a spread, no secret
            while not self._trouble.is_over(_now()):  # noqa: ASYNC110 - as the driver looks
                await asyncio.sleep(0.05)

    async def _follow(self) -> None:
        self.attempts += 1
        reader, writer = await asyncio.open_connection("localhost", self.port)
        writer.write(b"GET /revocations?after=%s HTTP/1.1\r\nHost: localhost\r\n\r\n" % self._position)
        try:
            while line := await reader.readline():
                if b"event: hello" in line:
                    self.is_open = True
                    self._trouble.ended()
                elif b"event: revoked" in line:
                    self.heard += 1
                elif line.startswith(b"id: "):
                    self._position = line.removeprefix(b"id: ").strip()
                elif not self._position and b'"epoch"' in line:
                    at = json.loads(line.partition(b"data: ")[2])
                    self._position = f"{at['epoch']}:{at['event_id']}".encode()
        finally:
            writer.close()


def _now() -> Moment:
    return Moment(time.time(), running_clock())


def start(data_dir: Path, port: int) -> subprocess.Popen[str]:
    """Run the server on a port that stays."""
    program = str(Path(sys.executable).with_name("gatepass"))
    settings = {"GATEPASS_STREAMS_PER_ADDRESS": "5000", "GATEPASS_ATTEMPTS_PER_ADDRESS": "100000"}
    command = [program, "serve", "--port", str(port), "--issuer", f"http://localhost:{port}", "--data-dir"]
    return pinned(0, [*command, str(data_dir)], settings)


async def session(api: httpx.AsyncClient) -> dict[str, str]:
    """Sign in."""
    pair: dict[str, str] = (await api.post("/login", json=PERSON)).json()
    return pair


async def once(
    data_dir: Path, port: int, process: subprocess.Popen[str], away: float, readers: list[Reader]
) -> subprocess.Popen[str]:
    """Lose the server for so long, and measure what follows; the new server."""
    url = f"http://localhost:{port}"
    async with httpx.AsyncClient(base_url=url, timeout=60) as api:
        refreshing, ending = await session(api), await session(api)
    process.kill()
    process.communicate()
    await asyncio.sleep(away)
    before = [reader.heard for reader in readers]
    attempts = sum(reader.attempts for reader in readers)
    process = start(data_dir, port)
    await asyncio.to_thread(listening, process)
    ready, took = time.perf_counter(), list[float]()
    async with httpx.AsyncClient(base_url=url, timeout=60) as api:
        await api.post("/logout", json={"refresh_token": ending["refresh_token"]})
        reached: list[float] = []
        while len(reached) < len(readers):
            begin = time.perf_counter()
            await api.post("/refresh", json={"refresh_token": refreshing["refresh_token"]})
            took.append((time.perf_counter() - begin) * 1_000)
            known = sum(reader.heard > was for reader, was in zip(readers, before, strict=True))
            reached += [time.perf_counter() - ready] * (known - len(reached))
    tries = (sum(reader.attempts for reader in readers) - attempts) / len(readers)
    print(
        f"away for {away:g} s: half of the readers know after {statistics.median(reached) * 1_000:.0f} ms, all after"
        f" {reached[-1] * 1_000:.0f} ms; {tries:.1f} attempts each since the start;"
        f" /refresh meanwhile p99 {statistics.quantiles(took, n=100)[98]:.0f} ms"
    )
    return process


async def measure(data_dir: Path) -> None:
    """Lose it for a moment, for some seconds, and for more than a minute."""
    process = start(data_dir, 0)
    port = int(listening(process).rpartition(":")[2])
    end(process)
    process = start(data_dir, port)
    await asyncio.to_thread(listening, process)
    async with httpx.AsyncClient(base_url=f"http://localhost:{port}", timeout=60) as api:
        await api.post("/signup", json=PERSON)
    readers = [Reader(port) for _ in range(READERS)]
    tasks = [asyncio.create_task(reader.run()) for reader in readers]
    for away in AWAY_SECONDS:
        while not all(reader.is_open for reader in readers):  # noqa: ASYNC110 - they need not count each other
            await asyncio.sleep(0.05)
        process = await once(data_dir, port, process, away, readers)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    end(process)


def main() -> None:
    """Run the server on core 0 and the readers on core 1."""
    check_tools()
    os.sched_setaffinity(0, {1})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192), hard))
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(measure(Path(folder)))


if __name__ == "__main__":
    main()
