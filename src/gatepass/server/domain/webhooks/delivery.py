"""Telling webhooks what is queued: signed (Standard Webhooks), with retries over three days, by any node."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import chain, groupby
from typing import TYPE_CHECKING

import msgspec
import structlog

from gatepass.server.domain.telling import Telling, few_at_a_time
from gatepass.server.domain.webhooks.queue import KEPT_SECONDS, hand_over
from gatepass.server.domain.webhooks.signing import signed_headers
from gatepass.verify.issuer import FetchError

if TYPE_CHECKING:
    from gatepass.server.domain.keys.master_key import DataKey
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.public_fetch import PublicFetch
    from gatepass.server.domain.webhooks.queue import WebhookDelivery
    from gatepass.server.domain.webhooks.webhook import Webhook

log = structlog.get_logger("gatepass")

PAUSES = (5.0, 30.0, 300.0, 1_800.0, 7_200.0, 18_000.0, 36_000.0, 50_400.0, 72_000.0, 79_200.0)
"""Seconds before each further try, three days in all; after the last it is given up, and can be repeated by hand."""
_AT_ONCE = 20
_CLAIM_SECONDS = 120.0
"""How long one node owns a delivery: longer than `_AT_ONCE` of them take one after another."""
_HANDED_AT_ONCE = 100
_ACCEPTED = range(200, 300)


class WebhookSender:
    """Hands events to the queue, and delivers what is due: a webhook that is slow holds up no other."""

    def __init__(self, database: Database, fetch: PublicFetch, data_key: DataKey) -> None:
        self._database = database
        self._fetch = fetch
        self._data_key = data_key
        self._telling = Telling("webhook", self._tell)

    async def send_due(self) -> None:
        """Begin with what is due."""

        async def look(tx: Transaction) -> list[str]:
            return await tx.webhook_deliveries.due_receivers(tx.now)

        await hand_over_news(self._database)
        self._telling.begin(await self._database.read(look))

    def close(self) -> None:
        """Stop."""
        self._telling.close()

    async def forget_old(self, tx: Transaction) -> None:
        """Remove old deliveries."""
        await tx.webhook_deliveries.forget_before(tx.now - KEPT_SECONDS)

    async def _tell(self, webhook_id: str) -> bool:
        """One person's of this claim in order, a few people's side by side, and all noted in one transaction.

        What another process has claimed meanwhile, or is tried again, may come before or after: `sequence` tells.
        """

        async def claim(tx: Transaction) -> list[WebhookDelivery]:
            until = tx.now + _CLAIM_SECONDS
            return await tx.webhook_deliveries.claim_of(webhook_id, now=tx.now, until=until, limit=_AT_ONCE)

        async def find(tx: Transaction) -> tuple[Webhook | None, float]:
            return await tx.webhooks.by_id(webhook_id), tx.now

        claimed = await self._database.transaction(claim, shared=True)
        webhook, now = await self._database.read(find)
        if webhook is None or not claimed:
            return False
        claimed.sort(key=lambda each: (each.user_id, each.sequence))
        by_person = [list(group) for _, group in groupby(claimed, lambda each: each.user_id)]
        sent = await few_at_a_time(self._send_all(webhook, group, now) for group in by_person)
        outcomes = [
            [(delivery, "not_sent") for delivery in group] if isinstance(each, BaseException) else each
            for group, each in zip(by_person, sent, strict=True)
        ]

        async def note(tx: Transaction) -> None:
            for delivery, error in chain.from_iterable(outcomes):
                await _note(tx, delivery, error)

        await self._database.transaction(note, shared=True)
        for failure in sent:
            if isinstance(failure, BaseException):
                raise failure
        return True

    async def _send_all(
        self, webhook: Webhook, deliveries: list[WebhookDelivery], now: float
    ) -> list[tuple[WebhookDelivery, str]]:
        """One after another; one that fails is tried again later, and holds up none that follows."""
        return [(each, await self._send(webhook, each, now)) for each in deliveries]

    async def _send(self, webhook: Webhook, delivery: WebhookDelivery, now: float) -> str:
        """Send it, and return the class of the failure, or nothing."""
        body = body_of(delivery)
        headers = signed_headers(delivery.id, body, webhook.secrets(self._data_key, now), int(now))
        try:
            answer = await self._fetch.send(webhook.url, body, headers)
        except FetchError as error:
            log.warning("a webhook was not reached", id=webhook.id, reason=str(error), tries=delivery.tries)
            return "no_answer"
        if answer.status in _ACCEPTED:
            return ""
        log.warning("a webhook did not take an event", id=webhook.id, status=answer.status, tries=delivery.tries)
        return f"status_{answer.status}"


async def _note(tx: Transaction, delivery: WebhookDelivery, error: str) -> None:
    """Write down that it was delivered, or when it is tried again, if it is. One that was removed meanwhile is gone."""
    if not error:
        await tx.webhook_deliveries.end(delivery.id, "delivered", "")
    elif delivery.tries <= len(PAUSES):
        await tx.webhook_deliveries.note_error(delivery.id, error)
        await tx.webhook_deliveries.put_off(delivery.id, tx.now + PAUSES[delivery.tries - 1])
    else:
        await tx.webhook_deliveries.end(delivery.id, "failed", error)


async def hand_over_news(database: Database) -> None:
    """Queue what is new for those who are told."""

    async def look(tx: Transaction) -> bool:
        return await tx.webhooks.has_news()

    async def unit(tx: Transaction) -> None:
        await hand_over(tx, _HANDED_AT_ONCE)

    while await database.read(look):
        await database.transaction(unit)


def body_of(delivery: WebhookDelivery) -> bytes:
    """What the receiver reads: the same octets at each try."""
    return msgspec.json.encode(
        {
            "type": delivery.event,
            "timestamp": datetime.fromtimestamp(delivery.happened_at, UTC).isoformat(timespec="milliseconds"),
            "sequence": delivery.sequence,
            "data": {"user_id": delivery.user_id, "session_id": delivery.session_id, "actor": delivery.actor},
        }
    )
