"""The SQL of webhooks and of what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.webhooks.queue import WebhookDelivery
from gatepass.server.domain.webhooks.webhook import Webhook
from gatepass.server.store.events import EVENT_COLUMNS, event_of
from gatepass.server.store.sql_queue import SqlQueue

if TYPE_CHECKING:
    from gatepass.server.domain.events.event import Event
    from gatepass.server.domain.webhooks.queue import DeliveryStatus
    from gatepass.server.store.connection import Connection, Row

_COLUMNS = "id, url, events, secret, former_secret, former_until, created_at"

_AFTER_ALL = 2**62
"""No sequence number is larger."""


class SqlWebhooks:
    """`gatepass.server.domain.webhooks.webhook.Webhooks`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, webhook: Webhook) -> None:
        """Insert."""
        await self._connection.row(
            f"INSERT INTO webhooks ({_COLUMNS}, sequence) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, 0)",
            webhook.id,
            webhook.url,
            msgspec.json.encode(webhook.events).decode(),
            webhook.secret,
            webhook.former_secret,
            webhook.former_until,
            webhook.created_at,
        )

    async def all(self) -> list[Webhook]:
        """Select all."""
        return [_webhook(row) for row in await self._connection.rows(f"SELECT {_COLUMNS} FROM webhooks ORDER BY id")]

    async def by_id(self, webhook_id: str) -> Webhook | None:
        """Select by primary key."""
        row = await self._connection.row(f"SELECT {_COLUMNS} FROM webhooks WHERE id = ?1", webhook_id)
        return None if row is None else _webhook(row)

    async def put(self, webhook: Webhook) -> None:
        """Update by primary key."""
        await self._connection.row(
            "UPDATE webhooks SET url = ?2, events = ?3, secret = ?4, former_secret = ?5, former_until = ?6"
            " WHERE id = ?1",
            webhook.id,
            webhook.url,
            msgspec.json.encode(webhook.events).decode(),
            webhook.secret,
            webhook.former_secret,
            webhook.former_until,
        )

    async def remove(self, webhook_id: str) -> bool:
        """Delete by primary key."""
        return await self._connection.row("DELETE FROM webhooks WHERE id = ?1 RETURNING id", webhook_id) is not None

    async def next_sequence(self, webhook_id: str) -> int:
        """Update by primary key."""
        row = await self._connection.row(
            "UPDATE webhooks SET sequence = sequence + 1 WHERE id = ?1 RETURNING sequence", webhook_id
        )
        return int((row or (0,))[0] or 0)

    async def has_news(self) -> bool:
        """Look for one by the index that holds nothing else."""
        return await self._connection.row("SELECT 1 FROM events WHERE is_news = 1 LIMIT 1") is not None

    async def take_news(self, limit: int) -> list[Event]:
        """Update by the same index."""
        rows = await self._connection.rows(
            "UPDATE events SET is_news = 0 WHERE is_news = 1"
            " AND id IN (SELECT id FROM events WHERE is_news = 1 ORDER BY id LIMIT ?1)"
            f" RETURNING {EVENT_COLUMNS}",
            limit,
        )
        return sorted(map(event_of, rows), key=lambda event: event.id)


class SqlWebhookDeliveries(SqlQueue[WebhookDelivery]):
    """`gatepass.server.domain.webhooks.queue.WebhookQueue`."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "webhook_deliveries", WebhookDelivery, "webhook_id")

    async def add(self, delivery: WebhookDelivery) -> None:
        """Insert."""
        values = msgspec.structs.astuple(delivery)
        places = ", ".join(f"?{number}" for number in range(1, len(values) + 1))
        await self._connection.row(
            f"INSERT INTO webhook_deliveries ({self._columns}) VALUES ({places})",
            *values,
        )

    async def end(self, delivery_id: str, status: DeliveryStatus, error: str) -> None:
        """Update by primary key."""
        await self._connection.row(
            "UPDATE webhook_deliveries SET status = ?2, error = ?3, due_at = NULL WHERE id = ?1",
            delivery_id,
            status,
            error,
        )

    async def note_error(self, delivery_id: str, error: str) -> None:
        """Update by primary key."""
        await self._connection.row("UPDATE webhook_deliveries SET error = ?2 WHERE id = ?1", delivery_id, error)

    async def by_id(self, delivery_id: str) -> WebhookDelivery | None:
        """Select by primary key."""
        row = await self._connection.row(f"SELECT {self._columns} FROM webhook_deliveries WHERE id = ?1", delivery_id)
        return None if row is None else self._waiting(row)

    async def repeat(self, delivery_id: str, now: float) -> None:
        """Update by primary key."""
        await self._connection.row(
            "UPDATE webhook_deliveries SET status = 'waiting', tries = 0, due_at = ?2 WHERE id = ?1", delivery_id, now
        )

    async def of_webhook(self, webhook_id: str, limit: int, *, before: int | None = None) -> list[WebhookDelivery]:
        """Select by webhook."""
        rows = await self._connection.rows(
            f"SELECT {self._columns} FROM webhook_deliveries WHERE webhook_id = ?1 AND sequence < ?3"
            " ORDER BY sequence DESC LIMIT ?2",
            webhook_id,
            limit,
            _AFTER_ALL if before is None else before,
        )
        return list(map(self._waiting, rows))

    async def not_delivered(self) -> list[tuple[str, int]]:
        """Count by webhook."""
        rows = await self._connection.rows(
            "SELECT webhook_id, COUNT(*) FROM webhook_deliveries WHERE error <> '' AND status <> 'delivered'"
            " GROUP BY webhook_id ORDER BY webhook_id"
        )
        return [(str(webhook_id), int(count or 0)) for webhook_id, count in rows]

    async def remove_of_webhook(self, webhook_id: str) -> None:
        """Delete by webhook."""
        await self._connection.row("DELETE FROM webhook_deliveries WHERE webhook_id = ?1", webhook_id)

    async def forget_before(self, created_at: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM webhook_deliveries WHERE created_at < ?1", created_at)

    async def forget_user(self, user_id: str) -> None:
        """Delete by user, and update by actor: what somebody did to others is still told."""
        await self._connection.row("DELETE FROM webhook_deliveries WHERE user_id = ?1", user_id)
        await self._connection.row("UPDATE webhook_deliveries SET actor = '' WHERE actor = ?1", user_id)


def _webhook(row: Row) -> Webhook:
    values = dict(zip(_COLUMNS.split(", "), row, strict=True))
    events = msgspec.json.decode(str(values.pop("events")), type=tuple[str, ...])
    return msgspec.convert(values | {"events": events}, Webhook)
