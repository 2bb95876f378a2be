"""Webhooks beside `/refresh`: its 99th percentile at a fixed rate, idle and while 200 deliveries a second go out.

The server has core 0. On core 1 a receiver takes what it is told, and another process records events, in the same
database, at the rate that is to be delivered.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx

from _load import PERSON, check_tools, gatepass
from gatepass.server.base.ids import new_id
from gatepass.server.base.settings import load
from gatepass.server.domain.webhooks.queue import queue_one
from gatepass.server.features.admin.webhooks import WebhookAdmin
from gatepass.server.store.opening import open_store

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Transaction

RATE = 50
DELIVERIES = 200
SECONDS = 8
_BATCHES = 10
"""How often a second events are recorded."""


class Percentiles(NamedTuple):
    """What the calls took, in milliseconds."""

    p50: float
    p99: float


class Receiver:
    """Takes everything, and counts it by the second."""

    def __init__(self) -> None:
        self.at: list[float] = []

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request of a connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        self.at.append(time.perf_counter())
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()


async def record(folder: str, webhook_id: str) -> None:
    """Queue deliveries at their rate: each about another person, as of a busy site."""
    async with open_store(load(flags={"data_dir": folder}), must_exist=True) as (database, _):

        async def unit(tx: Transaction) -> None:
            webhook = await tx.webhooks.by_id(webhook_id)
            assert webhook is not None
            for _ in range(DELIVERIES // _BATCHES):
                await queue_one(tx, webhook, "session.started", user_id=new_id("usr"))

        begin = time.monotonic()
        for number in range((SECONDS + 2) * _BATCHES):
            await asyncio.sleep(begin + number / _BATCHES - time.monotonic())
            await database.transaction(unit)


async def refreshed_at_a_fixed_rate(api: httpx.AsyncClient, body: bytes) -> Percentiles:
    """Refresh at its times, whether or not the ones before were answered, and time each from when it was due."""
    took: list[float] = []
    begin = time.perf_counter()

    async def one(number: int) -> None:
        due = begin + number / RATE
        await asyncio.sleep(due - time.perf_counter())
        answer = await api.post("/refresh", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 200
        took.append((time.perf_counter() - due) * 1000)

    await asyncio.gather(*(one(number) for number in range(RATE * SECONDS)))
    ordered = statistics.quantiles(took, n=100)
    return Percentiles(ordered[49], ordered[98])


async def measure(url: str, folder: str) -> None:
    """Measure alone, beside the deliveries, and alone again."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "localhost", 0)
    port = server.sockets[0].getsockname()[1]
    async with open_store(load(flags={"data_dir": folder}), must_exist=True) as (database, data_key):
        webhook, _ = await WebhookAdmin(database, data_key).add(f"http://localhost:{port}/", ["session.started"])
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=64)) as api:
        await api.post("/signup", json=PERSON)
        token = (await api.post("/login", json=PERSON)).json()["refresh_token"]
        body = json.dumps({"refresh_token": token}).encode()
        before = await refreshed_at_a_fixed_rate(api, body)
        receiver.at.clear()
        recording = await asyncio.create_subprocess_exec(
            "nice", "-n", "10", sys.executable, __file__, folder, webhook.id
        )
        await asyncio.sleep(1)
        began = time.perf_counter()
        beside = await refreshed_at_a_fixed_rate(api, body)
        ended = time.perf_counter()
        delivered = sum(began <= at < ended for at in receiver.at) / (ended - began)
        await recording.wait()
        after = await refreshed_at_a_fixed_rate(api, body)
    print("| POST /refresh | p50 | p99 |\n|---|---:|---:|")
    rows = (("alone", before), (f"beside {delivered:.0f} deliveries a second", beside), ("alone again", after))
    for name, found in rows:
        print(f"| {name} | {found.p50:.1f} ms | {found.p99:.1f} ms |")
    to_before, to_after = beside.p99 / before.p99, beside.p99 / after.p99
    print(f"\np99 beside deliveries to p99 alone, before and after: {to_before:.1f}, {to_after:.1f}")


def main() -> None:
    """Run the server on core 0 and everything else on core 1."""
    check_tools()
    os.sched_setaffinity(0, {1})
    if sys.argv[1:]:
        asyncio.run(record(*sys.argv[1:]))
        return
    with tempfile.TemporaryDirectory() as folder, gatepass(Path(folder)) as server:
        print(f"\n{RATE} refreshes and {DELIVERIES} deliveries a second\n")
        asyncio.run(measure(server.url, folder))


if __name__ == "__main__":
    main()
