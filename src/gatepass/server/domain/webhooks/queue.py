"""What webhooks are told: one row for each webhook and event, kept for a while after it was delivered."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias

import msgspec

from gatepass.server.base.ids import new_id
from gatepass.server.domain.events.event import Event
from gatepass.server.domain.webhooks.names import PUBLIC_NAMES, USER_DELETED

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.webhooks.webhook import Webhook

DeliveryStatus: TypeAlias = Literal["waiting", "delivered", "failed"]

KEPT_SECONDS = 30 * 86_400.0
"""How long deliveries are kept, whatever became of them."""


class WebhookDelivery(msgspec.Struct, frozen=True, kw_only=True):
    """One row; `tries` includes this one, times are in seconds since 1970.

    `sequence` counts what a webhook is told of, so that the receiver sees what came before what. `error` is the class
    of the last failure: never what the receiver said. `due_at` is when it is tried next, if it is.
    """

    id: str
    webhook_id: str
    event: str
    user_id: str
    session_id: str
    actor: str
    happened_at: float
    sequence: int
    status: DeliveryStatus = "waiting"
    error: str = ""
    tries: int = 0
    created_at: float
    due_at: float | None


class WebhookQueue(Protocol):
    """The queue, and what has left it."""

    async def add(self, delivery: WebhookDelivery) -> None:
        """Add one."""
        ...

    async def claim_of(self, receiver: str, *, now: float, until: float, limit: int) -> list[WebhookDelivery]:
        """Take what is due of one webhook; no other node gets it before `until`. One statement."""
        ...

    async def due_receivers(self, now: float) -> list[str]:
        """Webhooks that have something due."""
        ...

    async def put_off(self, waiting_id: str, due_at: float) -> None:
        """Try again later."""
        ...

    async def end(self, delivery_id: str, status: DeliveryStatus, error: str) -> None:
        """Keep what became of it; it is due no more."""
        ...

    async def note_error(self, delivery_id: str, error: str) -> None:
        """Keep why the last try failed."""
        ...

    async def by_id(self, delivery_id: str) -> WebhookDelivery | None:
        """One."""
        ...

    async def repeat(self, delivery_id: str, now: float) -> None:
        """Make it due, as if it had not been tried."""
        ...

    async def of_webhook(self, webhook_id: str, limit: int, *, before: int | None = None) -> list[WebhookDelivery]:
        """The latest, newest first; those before a sequence number, if one is named."""
        ...

    async def not_delivered(self) -> list[tuple[str, int]]:
        """How many deliveries have failed and were not delivered since, of each webhook that has some."""
        ...

    async def remove_of_webhook(self, webhook_id: str) -> None:
        """Remove all that a webhook was or would be told."""
        ...

    async def forget_before(self, created_at: float) -> None:
        """Remove old ones."""
        ...

    async def forget_user(self, user_id: str) -> None:
        """Remove those about a person, and the name of that person from the others."""
        ...


async def hand_over(tx: Transaction, limit: int) -> None:
    """Queue new events, in their order, for plugins and for each webhook that hears of them."""
    webhooks, news = await tx.webhooks.all(), await tx.webhooks.take_news(limit)
    # Who was deleted, `forget_person` has told: the log has no name for them.
    await tx.event_feed.append([event for event in news if event.kind != "account_deleted"])
    for event in news:
        if name := PUBLIC_NAMES.get(event.kind):
            await _queue(tx, webhooks, name, event)


async def forget_person(tx: Transaction, user_id: str) -> None:
    """Remove what waits or was delivered about somebody, and queue that they are gone: an id that leads nowhere."""
    await tx.webhook_deliveries.forget_user(user_id)
    await tx.event_feed.forget_user(user_id)
    gone = Event(id=new_id("evt"), at=tx.now, kind="account_deleted", user_id=user_id, session_id="")
    await tx.event_feed.append([gone])
    for webhook in await tx.webhooks.all():
        if webhook.hears_of(USER_DELETED):
            await queue_one(tx, webhook, USER_DELETED, user_id=user_id)


async def queue_one(  # noqa: PLR0913 - what a receiver reads
    tx: Transaction,
    webhook: Webhook,
    event: str,
    *,
    user_id: str = "",
    session_id: str = "",
    actor: str = "",
    at: float | None = None,
) -> str:
    """Queue what a webhook is told, and return the id of the delivery."""
    delivery = WebhookDelivery(
        id=new_id("msg"),
        webhook_id=webhook.id,
        event=event,
        user_id=user_id,
        session_id=session_id,
        actor=actor,
        happened_at=tx.now if at is None else at,
        sequence=await tx.webhooks.next_sequence(webhook.id),
        created_at=tx.now,
        due_at=tx.now,
    )
    await tx.webhook_deliveries.add(delivery)
    return delivery.id


async def _queue(tx: Transaction, webhooks: list[Webhook], name: str, event: Event) -> None:
    for webhook in webhooks:
        if webhook.hears_of(name):
            await queue_one(
                tx,
                webhook,
                name,
                user_id=event.user_id,
                session_id=event.session_id,
                actor=event.actor,
                at=event.at,
            )
