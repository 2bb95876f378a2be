"""Webhooks in the store: what is queued, for whom, and by which of two nodes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.accounts.ownership import erase
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.webhooks.queue import hand_over
from gatepass.server.domain.webhooks.webhook import Webhook

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.webhooks.queue import WebhookDelivery

HOOK = Webhook(id="whk_1", url="https://x.test/", events=("user.deleted", "user.disabled"), secret=b"sealed")


async def _add(tx: Transaction) -> None:
    await tx.webhooks.add(HOOK)


async def _happen(tx: Transaction) -> None:
    await record(tx, "account_created", "usr_ann")
    await record(tx, "account_disabled", "usr_ann", actor="usr_bob")
    await record(tx, "account_disabled", "usr_bob")
    await record(tx, "key_added")


async def _hand_over(tx: Transaction) -> None:
    await hand_over(tx, 100)


async def _has_news(tx: Transaction) -> bool:
    return await tx.webhooks.has_news()


async def _queued(tx: Transaction) -> list[WebhookDelivery]:
    return (await tx.webhook_deliveries.of_webhook(HOOK.id, 50))[::-1]


async def _claim(tx: Transaction) -> list[WebhookDelivery]:
    return await tx.webhook_deliveries.claim_of(HOOK.id, now=tx.now, until=tx.now + 60, limit=20)


def test_nothing_is_kept_for_webhooks_that_are_not_there(database: Database) -> None:
    """An event is only marked while there is a webhook, so that one that is added hears of nothing from before."""

    async def run() -> None:
        await database.transaction(_happen)
        assert not await database.read(_has_news)
        await database.transaction(_add)
        await database.transaction(_hand_over)
        assert await database.read(_queued) == []

    asyncio.run(run())


def test_two_nodes_queue_and_claim_each_event_once(database: Database) -> None:
    """Both look at the same events: each is queued once, in order and numbered, and claimed once."""

    async def run() -> None:
        await database.transaction(_add)
        await database.transaction(_happen)
        await asyncio.gather(*(database.transaction(_hand_over) for _ in range(4)))
        queued = await database.read(_queued)
        assert [(each.event, each.user_id, each.sequence) for each in queued] == [
            ("user.disabled", "usr_ann", 1),
            ("user.disabled", "usr_bob", 2),
        ]
        claimed = await asyncio.gather(*(database.transaction(_claim) for _ in range(4)))
        assert sorted(each.sequence for batch in claimed for each in batch) == [1, 2]

    asyncio.run(run())


def test_receivers_with_something_due_are_found_one_by_one(database: Database) -> None:
    """Each once, however much waits for it; not whoever has nothing due, and in a claim nothing of another's."""

    async def fill(tx: Transaction) -> None:
        for name in ("whk_1", "whk_2", "whk_3"):
            await tx.webhooks.add(msgspec.structs.replace(HOOK, id=name))
        await _happen(tx)
        await hand_over(tx, 100)
        for delivery in await tx.webhook_deliveries.of_webhook("whk_2", 50):
            await tx.webhook_deliveries.end(delivery.id, "delivered", "")

    async def run() -> None:
        await database.transaction(fill)
        assert await database.read(lambda tx: tx.webhook_deliveries.due_receivers(tx.now)) == ["whk_1", "whk_3"]
        assert {each.webhook_id for each in await database.transaction(_claim)} == {"whk_1"}
        assert await database.read(lambda tx: tx.webhook_deliveries.due_receivers(tx.now)) == ["whk_3"]

    asyncio.run(run())


def test_a_person_who_is_removed_is_in_no_delivery(database: Database) -> None:
    """Deliveries about them are gone, their name as an actor too; that they are gone is still told."""

    async def run() -> None:
        async def erase_bob(tx: Transaction) -> None:
            await erase(tx, "usr_bob")

        await database.transaction(_add)
        await database.transaction(_happen)
        await database.transaction(_hand_over)
        await database.transaction(erase_bob)
        assert [(each.event, each.user_id, each.actor) for each in await database.read(_queued)] == [
            ("user.disabled", "usr_ann", ""),
            ("user.deleted", "usr_bob", ""),
        ]

    asyncio.run(run())
