"""What an operator does to webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.ports import decide
from gatepass.server.domain.webhooks.names import TEST
from gatepass.server.domain.webhooks.queue import queue_one
from gatepass.server.domain.webhooks.signing import new_secret
from gatepass.server.domain.webhooks.webhook import (
    OVERLAP_SECONDS,
    Webhook,
    check_webhook,
    seal_secret,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.webhooks.queue import WebhookDelivery

MOST_DELIVERIES = 200
"""How many deliveries are shown at once."""


class WebhookAdmin:
    """The operator's calls. A secret is shown once, where it is made."""

    def __init__(self, database: Database, data_key: DataKey) -> None:
        self._database = database
        self._data_key = data_key

    async def add(self, url: str, events: Iterable[str]) -> tuple[Webhook, str]:
        """Add a webhook, and return it with its secret.

        Raises:
            Refusal: as `check_webhook`.
        """
        wanted = tuple(sorted(set(events)))
        check_webhook(url, wanted)
        webhook_id, (key, shown) = new_id("whk"), new_secret()
        secret = seal_secret(self._data_key, key, webhook_id)

        async def unit(tx: Transaction) -> Webhook:
            webhook = Webhook(id=webhook_id, url=url, events=wanted, secret=secret, created_at=tx.now)
            await tx.webhooks.add(webhook)
            return webhook

        return await self._database.transaction(unit), shown

    async def all(self) -> list[Webhook]:
        """Every webhook, oldest first."""

        async def unit(tx: Transaction) -> list[Webhook]:
            return await tx.webhooks.all()

        return await self._database.read(unit)

    async def show(self, webhook_id: str) -> Webhook:
        """One webhook.

        Raises:
            Refusal: `webhook_not_found`.
        """

        async def unit(tx: Transaction) -> Webhook | None:
            return await tx.webhooks.by_id(webhook_id)

        webhook = await self._database.read(unit)
        if webhook is None:
            raise _not_found()
        return webhook

    async def remove(self, webhook_id: str) -> None:
        """Remove a webhook, and all that it was or would be told.

        Raises:
            Refusal: `webhook_not_found`.
        """

        async def unit(tx: Transaction) -> Refusal | None:
            await tx.webhook_deliveries.remove_of_webhook(webhook_id)
            return None if await tx.webhooks.remove(webhook_id) else _not_found()

        await decide(self._database, unit)

    async def rotate_secret(self, webhook_id: str) -> str:
        """Make another secret, and return it; the one before signs too for a day.

        Raises:
            Refusal: `webhook_not_found`.
        """
        key, shown = new_secret()
        secret = seal_secret(self._data_key, key, webhook_id)

        async def unit(tx: Transaction) -> Refusal | None:
            before = await tx.webhooks.by_id(webhook_id)
            if before is None:
                return _not_found()
            until = tx.now + OVERLAP_SECONDS
            after = msgspec.structs.replace(before, secret=secret, former_secret=before.secret, former_until=until)
            await tx.webhooks.change_secret(after)
            return None

        await decide(self._database, unit)
        return shown

    async def test(self, webhook_id: str) -> str:
        """Queue an event that says nothing, and return the id of its delivery.

        Raises:
            Refusal: `webhook_not_found`.
        """

        async def unit(tx: Transaction) -> str | Refusal:
            webhook = await tx.webhooks.by_id(webhook_id)
            return _not_found() if webhook is None else await queue_one(tx, webhook, TEST)

        return await decide(self._database, unit)

    async def deliveries(self, webhook_id: str) -> list[WebhookDelivery]:
        """The latest deliveries, newest first.

        Raises:
            Refusal: `webhook_not_found`.
        """

        async def unit(tx: Transaction) -> list[WebhookDelivery]:
            return await tx.webhook_deliveries.of_webhook(webhook_id, MOST_DELIVERIES)

        await self.show(webhook_id)
        return await self._database.read(unit)

    async def retry(self, delivery_id: str) -> None:
        """Deliver once more, whatever became of it.

        Raises:
            Refusal: `delivery_not_found`.
        """

        async def unit(tx: Transaction) -> Refusal | None:
            is_there = await tx.webhook_deliveries.repeat(delivery_id, tx.now)
            return None if is_there else Refusal("delivery_not_found", "There is no such delivery.")

        await decide(self._database, unit)


def _not_found() -> Refusal:
    return Refusal("webhook_not_found", "There is no such webhook.")
