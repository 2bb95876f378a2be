"""Background jobs: they end when they are told to."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from gatepass.server.module import Job


def test_a_lost_cancellation_ends_a_job_all_the_same() -> None:
    """A library swallows it while it closes a connection: the server stops, and does not wait for ever."""

    async def run() -> None:
        begun = asyncio.Event()

        async def swallow() -> None:
            begun.set()
            with suppress(asyncio.CancelledError):
                await asyncio.Event().wait()

        job = asyncio.create_task(Job(every=0, run=swallow).repeat())
        await begun.wait()
        job.cancel()
        async with asyncio.timeout(5):
            await job

    asyncio.run(run())
