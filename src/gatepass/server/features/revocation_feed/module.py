"""Publishing revocations: status lists, a snapshot and a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.features.revocation_feed.feed import RevocationFeed
from gatepass.server.module import Job, Module
from gatepass.tokens import heartbeat

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.web.metrics import Gauges


def module(core: Core) -> Module:
    """The feed, which follows the log of revocations."""
    feed, issuer = RevocationFeed(core), core.settings.issuer_url

    async def forget(tx: Transaction) -> None:
        await tx.revocations.forget_expired(tx.now)

    def gauges() -> Gauges:
        return {"gatepass_stream_readers": ("Open streams of revocation events.", len(feed.readers))}

    return Module(
        routes=feed.routes(),
        start=feed.start,
        catch_up=feed.catch_up,
        jobs=(Job(every=heartbeat.INTERVAL_SECONDS, run=feed.beat),),
        expiry=(forget,),
        drain=feed.readers.close,
        gauges=gauges,
        metadata={
            "revocations_uri": f"{issuer}/revocations",
            "revocations_snapshot_uri": f"{issuer}/revocations/snapshot",
        },
    )
