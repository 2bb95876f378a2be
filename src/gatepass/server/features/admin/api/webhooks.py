"""`/admin/webhooks`: who is told of events, and what became of it."""

from __future__ import annotations

from datetime import datetime  # noqa: TC003 - msgspec reads the annotations of a struct
from functools import partial
from typing import TYPE_CHECKING, Annotated

import msgspec
from msgspec import Meta

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.webhooks.queue import DeliveryStatus  # noqa: TC001 - as above
from gatepass.server.features.admin.webhooks import WebhookAdmin, WebhookChanges
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import OPERATOR_READ, OPERATOR_WRITE
from gatepass.server.web.paging import PageQuery, cursor_of, key_of, rfc3339
from gatepass.server.web.parsing import parse_query
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.webhooks.queue import WebhookDelivery
    from gatepass.server.domain.webhooks.webhook import Webhook
    from gatepass.server.web.call import Call


class WebhookResource(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook, without its secret, which nobody can read again."""

    id: str
    url: str
    events: tuple[str, ...]
    created_at: datetime


class WebhookList(msgspec.Struct, frozen=True):
    """Every webhook, oldest first."""

    webhooks: tuple[WebhookResource, ...]


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where events are told of, and which."""

    url: Annotated[str, Meta(examples=["https://shop.example.com/gatepass"])]
    events: Annotated[tuple[str, ...], Meta(examples=[["user.created", "user.deleted"]])]


class WebhookMade(Confidential, frozen=True, kw_only=True):
    """The webhook, and the secret that signs what it is told, which is shown once."""

    webhook: WebhookResource
    secret: str


class WebhookSecret(Confidential, frozen=True, kw_only=True):
    """The new secret, which is shown once; the one before signs too for a day."""

    secret: str


class DeliveryResource(msgspec.Struct, frozen=True, kw_only=True):
    """What a webhook was or will be told.

    `error` is the class of the last failure, `due_at` when it is tried next; null when it is not.
    """

    id: str
    event: str
    user_id: str
    sequence: int
    status: DeliveryStatus
    tries: int
    error: str
    at: datetime
    due_at: datetime | None


class DeliveryPage(msgspec.Struct, frozen=True):
    """Deliveries, newest first. `next` is the cursor of the following page; null after the last."""

    deliveries: tuple[DeliveryResource, ...]
    next: str | None


class DeliveryQueued(msgspec.Struct, frozen=True):
    """It is delivered within a second."""

    delivery_id: str


_ONE = "/admin/webhooks/{id}"
_MISSING = ("webhook_not_found",)


def routes(core: Core) -> tuple[Route, ...]:
    """The calls: a flat list."""
    return (
        Route(
            method="GET",
            path="/admin/webhooks",
            handler=partial(list_webhooks, core),
            auth=OPERATOR_READ,
            summary="List every webhook",
            answers={200: WebhookList},
        ),
        Route(
            method="POST",
            path="/admin/webhooks",
            handler=partial(add_webhook, core),
            auth=OPERATOR_WRITE,
            summary="Add a webhook",
            body=NewWebhook,
            shown_once=("secret",),
            answers={201: WebhookMade},
            problems=("invalid_webhook",),
        ),
        Route(
            method="GET",
            path=_ONE,
            handler=partial(show_webhook, core),
            auth=OPERATOR_READ,
            summary="Show a webhook",
            answers={200: WebhookResource},
            problems=_MISSING,
        ),
        Route(
            method="PATCH",
            path=_ONE,
            handler=partial(change_webhook, core),
            auth=OPERATOR_WRITE,
            summary="Change a webhook",
            body=WebhookChanges,
            answers={200: WebhookResource},
            problems=(*_MISSING, "invalid_webhook"),
        ),
        Route(
            method="DELETE",
            path=_ONE,
            handler=partial(remove_webhook, core),
            auth=OPERATOR_WRITE,
            summary="Remove a webhook, and what it was or would be told",
            answers={204: None},
            problems=_MISSING,
        ),
        Route(
            method="POST",
            path=f"{_ONE}/secret",
            handler=partial(rotate_secret, core),
            auth=OPERATOR_WRITE,
            summary="Give a webhook a new secret",
            shown_once=("secret",),
            answers={200: WebhookSecret},
            problems=_MISSING,
        ),
        Route(
            method="POST",
            path=f"{_ONE}/test",
            handler=partial(send_test, core),
            auth=OPERATOR_WRITE,
            summary="Tell a webhook the event webhook.test",
            answers={202: DeliveryQueued},
            problems=_MISSING,
        ),
        Route(
            method="GET",
            path=f"{_ONE}/deliveries",
            handler=partial(list_deliveries, core),
            auth=OPERATOR_READ,
            summary="List what a webhook was told in the last 30 days",
            query=PageQuery,
            answers={200: DeliveryPage},
            problems=(*_MISSING, "invalid_query"),
        ),
        Route(
            method="POST",
            path=f"{_ONE}/deliveries/{{delivery_id}}/repeat",
            handler=partial(repeat_delivery, core),
            auth=OPERATOR_WRITE,
            summary="Deliver once more, whatever became of it",
            answers={202: DeliveryQueued},
            problems=("delivery_not_found",),
        ),
    )


def webhooks_of(core: Core, call: Call) -> WebhookAdmin:
    """The acts, in the name of the caller."""
    return WebhookAdmin(core.database, core.data_key, by=call.operator, where=call.origin)


async def list_webhooks(core: Core, call: Call, _body: None) -> Response:
    """Answer with all of them."""
    return JsonResponse(WebhookList(tuple(map(_resource, await webhooks_of(core, call).all()))))


async def add_webhook(core: Core, call: Call, body: NewWebhook) -> Response:
    """Add one."""
    webhook, secret = await webhooks_of(core, call).add(body.url, body.events)
    return JsonResponse(WebhookMade(webhook=_resource(webhook), secret=secret), 201)


async def show_webhook(core: Core, call: Call, _body: None) -> Response:
    """Answer with one."""
    return JsonResponse(_resource(await webhooks_of(core, call).show(call.path_params["id"])))


async def change_webhook(core: Core, call: Call, body: WebhookChanges) -> Response:
    """Change one."""
    return JsonResponse(_resource(await webhooks_of(core, call).change(call.path_params["id"], body)))


async def remove_webhook(core: Core, call: Call, _body: None) -> Response:
    """Remove one."""
    await webhooks_of(core, call).remove(call.path_params["id"])
    return no_content()


async def rotate_secret(core: Core, call: Call, _body: None) -> Response:
    """Give one a new secret."""
    return JsonResponse(WebhookSecret(secret=await webhooks_of(core, call).rotate_secret(call.path_params["id"])))


async def send_test(core: Core, call: Call, _body: None) -> Response:
    """Queue a test."""
    return JsonResponse(DeliveryQueued(await webhooks_of(core, call).test(call.path_params["id"])), 202)


async def list_deliveries(core: Core, call: Call, _body: None) -> Response:
    """Answer with a page."""
    query = parse_query(call.request, PageQuery)
    before = _sequence(query.cursor)
    found = await webhooks_of(core, call).deliveries(call.path_params["id"], query.limit + 1, before=before)
    shown = found[: query.limit]
    following = cursor_of(str(shown[-1].sequence)) if len(found) > query.limit else None
    return JsonResponse(DeliveryPage(tuple(map(_delivery, shown)), following))


async def repeat_delivery(core: Core, call: Call, _body: None) -> Response:
    """Queue one again."""
    delivery_id = call.path_params["delivery_id"]
    await webhooks_of(core, call).retry(delivery_id, webhook_id=call.path_params["id"])
    return JsonResponse(DeliveryQueued(delivery_id), 202)


def _sequence(cursor: str) -> int | None:
    key = key_of(cursor)
    if not key:
        return None
    if not (key.isdecimal() and key.isascii() and len(key) < 19):  # noqa: PLR2004 - what a database counts to
        raise Refusal("invalid_query", "There is no such cursor: take `next` of the page before.")
    return int(key)


def _resource(webhook: Webhook) -> WebhookResource:
    return WebhookResource(
        id=webhook.id, url=webhook.url, events=webhook.events, created_at=rfc3339(webhook.created_at)
    )


def _delivery(delivery: WebhookDelivery) -> DeliveryResource:
    return DeliveryResource(
        id=delivery.id,
        event=delivery.event,
        user_id=delivery.user_id,
        sequence=delivery.sequence,
        status=delivery.status,
        tries=delivery.tries,
        error=delivery.error,
        at=rfc3339(delivery.happened_at),
        due_at=None if delivery.due_at is None else rfc3339(delivery.due_at),
    )
