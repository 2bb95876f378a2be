"""The console's pages of webhooks: all of them, and one with what it was told."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from gatepass.server.domain.webhooks.names import NAMES
from gatepass.server.features.admin.api.webhooks import webhooks_of
from gatepass.server.web.auth.requirements import OPERATOR_PAGE
from gatepass.server.web.pages import PageForm
from gatepass.server.web.routing import page, page_form

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from starlette.responses import Response

    from gatepass.server.base.errors import GatepassError
    from gatepass.server.core import Core
    from gatepass.server.web.call import Call
    from gatepass.server.web.routing import Route

_PER_PAGE = 25


class NewWebhookForm(PageForm, frozen=True, kw_only=True):
    """The form that adds one; the events' names are apart by spaces."""

    url: str = ""
    events: str = ""


class WebhookForm(PageForm, frozen=True, kw_only=True):
    """A form on a webhook's page. What it does, its path says."""

    id: str = ""
    delivery: str = ""


def routes(core: Core) -> tuple[Route, ...]:
    """The pages and their forms."""
    show_list, show_one = partial(show_webhooks, core), partial(show_webhook, core)

    def form(name: str, act: Callable[[Core, Call, Any], Awaitable[Response]]) -> Route:
        path = f"/pages/admin/webhook/{name}"
        return page_form(path, partial(act, core), WebhookForm, OPERATOR_PAGE, show=show_one)

    return (
        page("/pages/admin/webhooks", show_list, OPERATOR_PAGE),
        page_form("/pages/admin/webhooks", partial(add, core), NewWebhookForm, OPERATOR_PAGE, show=show_list),
        page("/pages/admin/webhook", show_one, OPERATOR_PAGE),
        form("test", send_test),
        form("repeat", repeat),
        form("secret", rotate_secret),
        form("remove", remove),
    )


async def show_webhooks(
    core: Core, call: Call, form: NewWebhookForm | None, error: GatepassError | None = None
) -> Response:
    """Every webhook, and a form for another."""
    return core.pages.page(
        call.request,
        "admin_webhooks.html",
        error=error,
        webhooks=await webhooks_of(core, call).all(),
        names=sorted(NAMES),
        url="" if form is None else form.url,
        events="" if form is None else form.events,
    )


async def add(core: Core, call: Call, form: NewWebhookForm) -> Response:
    """Add one, and show its secret, once."""
    webhook, secret = await webhooks_of(core, call).add(form.url.strip(), form.events.split())
    return await show_webhook(core, call, WebhookForm(id=webhook.id), secret=secret)


async def show_webhook(
    core: Core, call: Call, form: WebhookForm | None, error: GatepassError | None = None, *, secret: str = ""
) -> Response:
    """One webhook and a page of its deliveries, and the secret if there is a new one."""
    webhook_id = call.query.get("id", "") if form is None else form.id
    cursor = call.query.get("before", "") if form is None else ""
    before = int(cursor) if cursor.isdecimal() and cursor.isascii() and len(cursor) < 19 else None  # noqa: PLR2004 - as the API
    webhooks = webhooks_of(core, call)
    found = await webhooks.deliveries(webhook_id, _PER_PAGE + 1, before=before)
    shown = found[:_PER_PAGE]
    return core.pages.page(
        call.request,
        "admin_webhook.html",
        error=error,
        webhook=await webhooks.show(webhook_id),
        deliveries=shown,
        following=str(shown[-1].sequence) if len(found) > _PER_PAGE else "",
        secret=secret,
    )


async def send_test(core: Core, call: Call, form: WebhookForm) -> Response:
    """Tell it the test event."""
    await webhooks_of(core, call).test(form.id)
    return _go_back(core, form)


async def repeat(core: Core, call: Call, form: WebhookForm) -> Response:
    """Deliver once more."""
    await webhooks_of(core, call).retry(form.delivery, webhook_id=form.id)
    return _go_back(core, form)


async def rotate_secret(core: Core, call: Call, form: WebhookForm) -> Response:
    """Make another secret, and show it, once."""
    secret = await webhooks_of(core, call).rotate_secret(form.id)
    return await show_webhook(core, call, form, secret=secret)


async def remove(core: Core, call: Call, form: WebhookForm) -> Response:
    """Remove it."""
    await webhooks_of(core, call).remove(form.id)
    return core.pages.go_to(core.pages.path("admin/webhooks"))


def _go_back(core: Core, form: WebhookForm) -> Response:
    return core.pages.go_to(f"{core.pages.path('admin/webhook')}?id={quote(form.id, safe='')}")
