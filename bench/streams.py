"""A thousand readers of the revocation stream on one server: its memory, `/refresh` beside them, and an event to all.

The server is on core 0; the readers, in one process, are on core 1.
"""

from __future__ import annotations

import asyncio
import os
import resource
import statistics
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx

from _load import PERSON, check_tools, gatepass

if TYPE_CHECKING:
    from _load import Running

READERS = 1_000
WATCHED_SECONDS = 20.0
REFRESHES = 1_000


async def read(url: str, heard: list[float], ready: asyncio.Semaphore) -> None:
    """Follow the stream, and note when a revocation is heard."""
    where = urlsplit(url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    writer.write(b"GET /revocations HTTP/1.1\r\nHost: localhost\r\n\r\n")
    try:
        while line := await reader.readline():
            if b"event: hello" in line:
                ready.release()
            elif b"event: revoked" in line:
                heard.append(time.perf_counter())
    finally:
        writer.close()


async def refresh_p99(api: httpx.AsyncClient, token: str) -> float:
    """Refresh one after the other; the 99th percentile in milliseconds."""
    took: list[float] = []
    for _ in range(REFRESHES):
        begin = time.perf_counter()
        await api.post("/refresh", json={"refresh_token": token})
        took.append((time.perf_counter() - begin) * 1000)
    return statistics.quantiles(took, n=100)[98]


def cpu_seconds(pid: int) -> float:
    """The CPU that a process has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def share_of_a_core(server: Running) -> float:
    """How busy the server is when nothing happens but heartbeats, in percent."""
    begin = cpu_seconds(server.pid)
    await asyncio.sleep(WATCHED_SECONDS)
    return (cpu_seconds(server.pid) - begin) / WATCHED_SECONDS * 100


async def measure(server: Running) -> None:
    """Measure without readers, with them, and an event to all of them."""
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as api:
        await api.post("/signup", json=PERSON)
        pair = (await api.post("/login", json=PERSON)).json()
        other = (await api.post("/login", json=PERSON)).json()
        alone, before = await refresh_p99(api, pair["refresh_token"]), server.rss_mb()
        idle = await share_of_a_core(server)
        heard: list[float] = []
        ready = asyncio.Semaphore(0)
        readers = [asyncio.create_task(read(server.url, heard, ready)) for _ in range(READERS)]
        for _ in range(READERS):
            await ready.acquire()
        beside, after = await refresh_p99(api, pair["refresh_token"]), server.rss_mb()
        busy = await share_of_a_core(server)
        begin = time.perf_counter()
        await api.post("/logout", json={"refresh_token": other["refresh_token"]})
        while len(heard) < READERS:  # noqa: ASYNC110 - the readers have better to do than to count each other
            await asyncio.sleep(0.01)
        for reader in readers:
            reader.cancel()
        await asyncio.gather(*readers, return_exceptions=True)
    print(f"\n{READERS:,} readers: {after - before:.0f} MB more ({before:.0f} -> {after:.0f} MB)")
    print(f"heartbeats: {idle:.1f} % of a core without readers, {busy:.1f} % with them")
    print(f"POST /refresh, one at a time: p99 {alone:.1f} ms alone, {beside:.1f} ms beside them")
    print(
        f"an event to all of them: first {(heard[0] - begin) * 1000:.0f} ms, last {(heard[-1] - begin) * 1000:.0f} ms"
    )


def run(server: Running) -> None:
    """Measure from core 1."""
    os.sched_setaffinity(0, {1})
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192), hard))
    asyncio.run(measure(server))


def main() -> None:
    """Run the server on core 0 and the readers on core 1."""
    check_tools()
    with tempfile.TemporaryDirectory() as folder, gatepass(Path(folder)) as server:
        run(server)


if __name__ == "__main__":
    main()
