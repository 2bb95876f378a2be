"""What revoking a token by its name costs the server as names pile up: CPU for each call, and for the ticks between.

The first thousand of 50,000 beside the last thousand, while a reader listens and fetches the snapshot every five
seconds. The server is on core 0, everything else on core 1.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import httpx

from _load import check_tools, gatepass
from streams import cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Sequence

    from _load import Running

COUNT, BATCH = 50_000, 1_000
AT_ONCE = 16
SNAPSHOT_SECONDS = 5.0


async def listen(url: str) -> None:
    """Follow the stream, and fetch the snapshot now and then."""

    async def stream(client: httpx.AsyncClient) -> None:
        async with client.stream("GET", "/revocations", timeout=None) as answer:
            async for _ in answer.aiter_raw():
                pass

    async with httpx.AsyncClient(base_url=url, timeout=30) as client, asyncio.TaskGroup() as both:
        both.create_task(stream(client))
        while True:
            (await client.get("/revocations/snapshot")).raise_for_status()
            await asyncio.sleep(SNAPSHOT_SECONDS)


async def post_all(client: httpx.AsyncClient, path: str, forms: Sequence[dict[str, str]]) -> list[httpx.Response]:
    """Send forms, some at once; the answers in order."""
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(form: dict[str, str]) -> httpx.Response:
        async with gate:
            answer = await client.post(path, data=form)
            answer.raise_for_status()
            return answer

    return await asyncio.gather(*(one(form) for form in forms))


async def measure(server: Running, credentials: tuple[str, str]) -> None:
    """Revoke one batch after the other, and say what each cost."""
    costs: list[float] = []
    reader = asyncio.create_task(listen(server.url))
    async with httpx.AsyncClient(base_url=server.url, auth=credentials, timeout=60) as client:
        for _ in range(COUNT // BATCH):
            answers = await post_all(client, "/oauth/token", [{"grant_type": "client_credentials"}] * BATCH)
            tokens = [{"token": answer.json()["access_token"]} for answer in answers]
            begin = cpu_seconds(server.pid)
            await post_all(client, "/oauth/revoke", tokens)
            costs.append((cpu_seconds(server.pid) - begin) / BATCH * 1_000)
    reader.cancel()
    await asyncio.gather(reader, return_exceptions=True)
    few = 3  # batches at each end, since CPU time comes in steps of 10 ms
    first, last = sum(costs[:few]) / few, sum(costs[-few:]) / few
    print(f"\nPOST /oauth/revoke, ms of CPU for each: {first:.2f} at first, {last:.2f} at the {COUNT:,}th")
    print(f"ratio {last / first:.2f}")


def main() -> None:
    """Run the server on core 0 and the clients on core 1."""
    check_tools()
    with tempfile.TemporaryDirectory() as folder, gatepass(Path(folder)) as server:
        os.sched_setaffinity(0, {1})
        asyncio.run(measure(server, server.register()))


if __name__ == "__main__":
    main()
