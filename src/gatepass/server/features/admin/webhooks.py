"""What an operator does to webhooks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from msgspec import UNSET, UnsetType  # noqa: TC002 - msgspec reads the annotations of a struct

from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.events.event import NOWHERE
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.operator import COMMAND_LINE
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

    from gatepass.server.domain.events.event import EventKind, Origin
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.operator import Operator
    from gatepass.server.domain.webhooks.queue import WebhookDelivery

MOST_DELIVERIES = 200
"""How many deliveries are shown at once."""


class WebhookChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of a webhook (RFC 7396): what is left out stays."""

    url: str | UnsetType = UNSET
    events: tuple[str, ...] | UnsetType = UNSET

    def applied_to(self, webhook: Webhook) -> Webhook:
        """The webhook with what is named."""
        return msgspec.structs.replace(
            webhook,
            url=webhook.url if self.url is UNSET else self.url,
            events=webhook.events if self.events is UNSET else _sorted(self.events),
        )


class WebhookAdmin:
    """Operations on webhooks; each is an event. A secret is shown once, where it is made.

    A missing webhook is refused as `webhook_not_found`, a missing delivery as `delivery_not_found`.

    Args:
        database: The store.
        data_key: What secrets are sealed under.
        by: Who administers.
        where: Where the request came from.
    """

    def __init__(
        self, database: Database, data_key: DataKey, *, by: Operator = COMMAND_LINE, where: Origin = NOWHERE
    ) -> None:
        self._database = database
        self._data_key = data_key
        self._by = by
        self._where = where

    async def add(self, url: str, events: Iterable[str]) -> tuple[Webhook, str]:
        """Add a webhook, and return it with its secret.

        Raises:
            Refusal: as `check_webhook`.
        """
        wanted = _sorted(events)
        check_webhook(url, wanted)
        webhook_id, (key, shown) = new_id("whk"), new_secret()
        secret = seal_secret(self._data_key, key, webhook_id)

        async def unit(tx: Transaction) -> Webhook:
            webhook = Webhook(id=webhook_id, url=url, events=wanted, secret=secret, created_at=tx.now)
            await tx.webhooks.add(webhook)
            await self._record(tx, "webhook_added", webhook_id)
            return webhook

        return await self._database.transaction(unit), shown

    async def all(self) -> list[Webhook]:
        """Every webhook, oldest first."""

        async def unit(tx: Transaction) -> list[Webhook]:
            return await tx.webhooks.all()

        return await self._database.read(unit)

    async def show(self, webhook_id: str) -> Webhook:
        """One webhook."""

        async def unit(tx: Transaction) -> Webhook | None:
            return await tx.webhooks.by_id(webhook_id)

        webhook = await self._database.read(unit)
        if webhook is None:
            raise _not_found()
        return webhook

    async def change(self, webhook_id: str, changes: WebhookChanges) -> Webhook:
        """Change what is named; what waits goes to the new URL.

        Raises:
            Refusal: as `check_webhook`.
        """

        async def unit(tx: Transaction) -> Webhook | Refusal:
            before = await tx.webhooks.by_id(webhook_id)
            if before is None:
                return _not_found()
            after = changes.applied_to(before)
            try:
                check_webhook(after.url, after.events)
            except Refusal as refused:
                return refused
            await tx.webhooks.put(after)
            await self._record(tx, "webhook_changed", webhook_id)
            return after

        return await decide(self._database, unit)

    async def remove(self, webhook_id: str) -> None:
        """Remove a webhook, and all that it was or would be told."""

        async def unit(tx: Transaction) -> Refusal | None:
            await tx.webhook_deliveries.remove_of_webhook(webhook_id)
            if not await tx.webhooks.remove(webhook_id):
                return _not_found()
            await self._record(tx, "webhook_removed", webhook_id)
            return None

        await decide(self._database, unit)

    async def rotate_secret(self, webhook_id: str) -> str:
        """Make another secret, and return it; the one before signs too for a day."""
        key, shown = new_secret()
        secret = seal_secret(self._data_key, key, webhook_id)

        async def unit(tx: Transaction) -> Refusal | None:
            before = await tx.webhooks.by_id(webhook_id)
            if before is None:
                return _not_found()
            until = tx.now + OVERLAP_SECONDS
            after = msgspec.structs.replace(before, secret=secret, former_secret=before.secret, former_until=until)
            await tx.webhooks.put(after)
            await self._record(tx, "webhook_secret_rotated", webhook_id)
            return None

        await decide(self._database, unit)
        return shown

    async def test(self, webhook_id: str) -> str:
        """Queue an event that says nothing, and return the id of its delivery."""

        async def unit(tx: Transaction) -> str | Refusal:
            webhook = await tx.webhooks.by_id(webhook_id)
            if webhook is None:
                return _not_found()
            await self._record(tx, "webhook_tested", webhook_id)
            return await queue_one(tx, webhook, TEST)

        return await decide(self._database, unit)

    async def deliveries(
        self, webhook_id: str, limit: int = MOST_DELIVERIES, *, before: int | None = None
    ) -> list[WebhookDelivery]:
        """The latest deliveries, newest first; those before a sequence number, if one is named."""

        async def unit(tx: Transaction) -> list[WebhookDelivery]:
            return await tx.webhook_deliveries.of_webhook(webhook_id, limit, before=before)

        await self.show(webhook_id)
        return await self._database.read(unit)

    async def retry(self, delivery_id: str, *, webhook_id: str | None = None) -> None:
        """Deliver once more, whatever became of it; only one of this webhook, if one is named."""

        async def unit(tx: Transaction) -> Refusal | None:
            delivery = await tx.webhook_deliveries.by_id(delivery_id)
            if delivery is None or webhook_id not in (None, delivery.webhook_id):
                return Refusal("delivery_not_found", "There is no such delivery.")
            await tx.webhook_deliveries.repeat(delivery_id, tx.now)
            await self._record(tx, "webhook_delivery_repeated", delivery.webhook_id)
            return None

        await decide(self._database, unit)

    async def _record(self, tx: Transaction, kind: EventKind, webhook_id: str) -> None:
        await record(tx, kind, actor=self._by.id, reason=webhook_id, where=self._where)


def _sorted(events: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted(set(events)))


def _not_found() -> Refusal:
    return Refusal("webhook_not_found", "There is no such webhook.")
