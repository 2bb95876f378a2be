"""Webhooks beside `/refresh`: its 99th percentile at a fixed rate, idle and while a queue of deliveries is drained.

The server has core 0. On core 1 are the clients, and a receiver that takes what it is told.
"""

from __future__ import annotations

import asyncio
import json
import os
import statistics
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
ROUNDS = 6
_AT_ONCE = 20
"""How many one transaction queues: a long one would hold up the refreshes by itself."""


class Percentiles(NamedTuple):
    """What the calls took, in milliseconds."""

    p50: float
    p99: float


class Receiver:
    """Takes everything, and counts it by the second."""

    def __init__(self) -> None:
        self.at: list[float] = []
        self._more = asyncio.Condition()

    async def has(self, count: int) -> None:
        """Wait for so many."""
        async with self._more:
            await self._more.wait_for(lambda: len(self.at) >= count)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request of a connection."""
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
        await reader.readexactly(int(length.partition(b":")[2]))
        self.at.append(time.perf_counter())
        writer.write(b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n")
        await writer.drain()
        writer.close()
        async with self._more:
            self._more.notify_all()


async def queue(folder: str, webhook_id: str) -> None:
    """Queue what is to be delivered beside one round of refreshes: each about another person, as of a busy site."""
    async with open_store(load(flags={"data_dir": folder}), must_exist=True) as (database, _):

        async def unit(tx: Transaction) -> None:
            webhook = await tx.webhooks.by_id(webhook_id)
            assert webhook is not None
            for _ in range(_AT_ONCE):
                await queue_one(tx, webhook, "session.started", user_id=new_id("usr"))

        for _ in range(DELIVERIES * SECONDS // _AT_ONCE):
            await database.transaction(unit)


async def refreshed_at_a_fixed_rate(api: httpx.AsyncClient, body: bytes) -> list[float]:
    """Refresh at its times, whether or not the ones before were answered; milliseconds from when each was due."""
    took: list[float] = []
    begin = time.perf_counter()

    async def one(number: int) -> None:
        due = begin + number / RATE
        await asyncio.sleep(due - time.perf_counter())
        answer = await api.post("/refresh", content=body, headers={"content-type": "application/json"})
        assert answer.status_code == 200
        took.append((time.perf_counter() - due) * 1000)

    await asyncio.gather(*(one(number) for number in range(RATE * SECONDS)))
    return took


async def measure(url: str, folder: str) -> None:
    """Measure alone and beside deliveries in turn, so that a noisy minute of the machine falls on both."""
    receiver = Receiver()
    server = await asyncio.start_server(receiver.serve, "localhost", 0)
    port = server.sockets[0].getsockname()[1]
    async with open_store(load(flags={"data_dir": folder}), must_exist=True) as (database, data_key):
        webhook, _ = await WebhookAdmin(database, data_key).add(f"http://localhost:{port}/", ["session.started"])
    rounds: dict[str, list[Percentiles]] = {"alone": [], "beside deliveries": []}
    rates: list[float] = []
    async with httpx.AsyncClient(base_url=url, timeout=60, limits=httpx.Limits(max_connections=64)) as api:
        await api.post("/signup", json=PERSON)
        token = (await api.post("/login", json=PERSON)).json()["refresh_token"]
        body = json.dumps({"refresh_token": token}).encode()
        for _ in range(ROUNDS):
            rounds["alone"].append(percentiles(await refreshed_at_a_fixed_rate(api, body)))
            receiver.at.clear()
            await queue(folder, webhook.id)
            rounds["beside deliveries"].append(percentiles(await refreshed_at_a_fixed_rate(api, body)))
            rates.append(len(receiver.at) / (receiver.at[-1] - receiver.at[0]))
            await receiver.has(DELIVERIES * SECONDS)
    print("| POST /refresh | p50 | p99 | p99 of each round |\n|---|---:|---:|---|")
    for name, found in rounds.items():
        p50, p99 = (statistics.median(values) for values in zip(*found, strict=True))
        print(f"| {name} | {p50:.1f} ms | {p99:.1f} ms | {' '.join(f'{each.p99:.1f}' for each in found)} |")
    ratios = [beside.p99 / alone.p99 for alone, beside in zip(*rounds.values(), strict=True)]
    print(f"\n{statistics.median(rates):.0f} deliveries a second while they last;", end=" ")
    print(f"p99 beside them to p99 alone, by round: {' '.join(f'{each:.1f}' for each in sorted(ratios))}")


def percentiles(took: list[float]) -> Percentiles:
    """Of one round."""
    ordered = statistics.quantiles(took, n=100)
    return Percentiles(ordered[49], ordered[98])


def main() -> None:
    """Run the server on core 0 and everything else on core 1."""
    check_tools()
    os.sched_setaffinity(0, {1})
    with tempfile.TemporaryDirectory() as folder, gatepass(Path(folder)) as server:
        print(f"\n{RATE} refreshes a second, and {DELIVERIES * SECONDS} deliveries that wait\n")
        asyncio.run(measure(server.url, folder))


if __name__ == "__main__":
    main()
