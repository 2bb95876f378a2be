"""`gatepass webhook …`: manage who is told of events. A running server sees the changes at once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter
from msgspec import UNSET

from gatepass.cli.common import Place
from gatepass.cli.output import Json, result, result_json, result_table, say
from gatepass.server.features.admin.webhooks import WebhookAdmin, WebhookChanges
from gatepass.server.store.opening import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from typing import Any

    from gatepass.server.domain.webhooks.queue import WebhookDelivery
    from gatepass.server.domain.webhooks.webhook import Webhook

app = App(name="webhook", help="Tell other servers of events, signed (Standard Webhooks).")

_HERE = Place()


@asynccontextmanager
async def _open(place: Place, *, must_exist: bool = True) -> AsyncGenerator[WebhookAdmin]:
    async with open_store(place.settings(), must_exist=must_exist) as (database, data_key):
        yield WebhookAdmin(database, data_key)


@app.command
def add(
    url: str,
    *,
    event: Annotated[tuple[str, ...], Parameter(help='What it is told of, like "user.created"; may be repeated.')],
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Add a webhook, and print the secret that signs what it is told: it is shown only now."""

    async def work() -> tuple[Webhook, str]:
        async with _open(place, must_exist=False) as webhooks:
            return await webhooks.add(url, event)

    webhook, secret = asyncio.run(work())
    if json:
        result_json({**_as_json(webhook), "secret": secret})
    else:
        _show(webhook)
        result(f"secret   {secret}")


@app.command(name="list")
def list_(*, json: Json = False, place: Place = _HERE) -> None:
    """List every webhook."""

    async def work() -> list[Webhook]:
        async with _open(place) as webhooks:
            return await webhooks.all()

    found = asyncio.run(work())
    if json:
        result_json([_as_json(webhook) for webhook in found])
    else:
        result_table(("id", "url", "events"), [(each.id, each.url, " ".join(each.events)) for each in found])


@app.command
def show(webhook_id: str, *, json: Json = False, place: Place = _HERE) -> None:
    """Show one webhook."""

    async def work() -> Webhook:
        async with _open(place) as webhooks:
            return await webhooks.show(webhook_id)

    webhook = asyncio.run(work())
    if json:
        result_json(_as_json(webhook))
    else:
        _show(webhook)


@app.command
def edit(
    webhook_id: str,
    *,
    url: str | None = None,
    event: Annotated[tuple[str, ...], Parameter(help="What it is told of from now on; may be repeated.")] = (),
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Change where a webhook is, or what it is told of. Its secret and what waits stay."""
    changes = WebhookChanges(url=UNSET if url is None else url, events=event or UNSET)

    async def work() -> Webhook:
        async with _open(place) as webhooks:
            return await webhooks.change(webhook_id, changes)

    webhook = asyncio.run(work())
    if json:
        result_json(_as_json(webhook))
    else:
        _show(webhook)


@app.command
def remove(webhook_id: str, *, place: Place = _HERE) -> None:
    """Remove a webhook, and what it was or would be told."""

    async def work() -> None:
        async with _open(place) as webhooks:
            await webhooks.remove(webhook_id)

    asyncio.run(work())
    say(f"Removed {webhook_id}.")


@app.command
def rotate_secret(webhook_id: str, *, json: Json = False, place: Place = _HERE) -> None:
    """Print another secret. The one before signs too for a day, so that receivers can change without a gap."""

    async def work() -> str:
        async with _open(place) as webhooks:
            return await webhooks.rotate_secret(webhook_id)

    secret = asyncio.run(work())
    if json:
        result_json({"id": webhook_id, "secret": secret})
    else:
        result(secret)


@app.command(name="test")
def send_test(webhook_id: str, *, json: Json = False, place: Place = _HERE) -> None:
    """Send the event `webhook.test`, by the running server; `deliveries` shows what became of it."""

    async def work() -> str:
        async with _open(place) as webhooks:
            return await webhooks.test(webhook_id)

    delivery_id = asyncio.run(work())
    if json:
        result_json({"delivery_id": delivery_id})
    else:
        say(f"Queued {delivery_id}.")


@app.command
def deliveries(webhook_id: str, *, json: Json = False, place: Place = _HERE) -> None:
    """List the latest deliveries of a webhook, newest first. They are kept for 30 days."""

    async def work() -> list[WebhookDelivery]:
        async with _open(place) as webhooks:
            return await webhooks.deliveries(webhook_id)

    found = asyncio.run(work())
    if json:
        result_json([_delivery_as_json(each) for each in found])
    else:
        rows = [(each.id, each.event, each.status, str(each.tries), each.error or "-") for each in found]
        result_table(("id", "event", "status", "tries", "error"), rows)


@app.command
def retry(delivery_id: str, *, place: Place = _HERE) -> None:
    """Deliver once more, by the running server, whatever became of it."""

    async def work() -> None:
        async with _open(place) as webhooks:
            await webhooks.retry(delivery_id)

    asyncio.run(work())
    say(f"Queued {delivery_id}.")


def _show(webhook: Webhook) -> None:
    result(f"id       {webhook.id}")
    result(f"url      {webhook.url}")
    result(f"events   {' '.join(webhook.events)}")


def _as_json(webhook: Webhook) -> dict[str, Any]:
    return {
        "id": webhook.id,
        "url": webhook.url,
        "events": list(webhook.events),
        "created_at": _time(webhook.created_at),
    }


def _delivery_as_json(delivery: WebhookDelivery) -> dict[str, Any]:
    return {
        "id": delivery.id,
        "event": delivery.event,
        "user_id": delivery.user_id,
        "sequence": delivery.sequence,
        "status": delivery.status,
        "tries": delivery.tries,
        "error": delivery.error,
        "at": _time(delivery.happened_at),
        "due_at": None if delivery.due_at is None else _time(delivery.due_at),
    }


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(int(seconds), UTC).isoformat()
