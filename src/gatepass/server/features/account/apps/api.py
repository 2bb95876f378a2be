"""`GET /account/consents` and `DELETE /account/consents/{client_id}`."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.features.account.apps.consents import disconnect, list_apps
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import CALLER
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.features.account.apps.consents import ConnectedApp
    from gatepass.server.web.call import Call


class ConsentView(msgspec.Struct, frozen=True, kw_only=True):
    """An application that has access to the account; `since` in seconds since 1970.

    `remembered`: it gets what it has here again without asking. `host` is where it sends people.
    """

    client_id: str
    client_name: str
    host: str
    scope: tuple[str, ...]
    resource: tuple[str, ...]
    since: int
    remembered: bool


class ConsentViews(msgspec.Struct, frozen=True):
    """Every application that has access to the caller's account, by name."""

    consents: tuple[ConsentView, ...]


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="GET",
            path="/account/consents",
            handler=partial(show, core),
            auth=CALLER,
            summary="The applications that have access to my account",
            answers={200: ConsentViews},
        ),
        Route(
            method="DELETE",
            path="/account/consents/{client_id}",
            handler=partial(remove, core),
            auth=CALLER,
            summary="Disconnect an application",
            answers={204: None},
            problems=("consent_not_found",),
        ),
    )


async def show(core: Core, call: Call, _body: None) -> Response:
    """Answer with the applications."""
    apps = await list_apps(core, call.caller.user.id)
    return JsonResponse(ConsentViews(tuple(map(_view, apps))))


async def remove(core: Core, call: Call, _body: None) -> Response:
    """Disconnect one."""
    await disconnect(core, call, call.path_params["client_id"])
    return no_content()


def _view(app: ConnectedApp) -> ConsentView:
    return ConsentView(
        client_id=app.client_id,
        client_name=app.name,
        host=app.host,
        scope=app.scope,
        resource=app.resource,
        since=int(app.since),
        remembered=app.remembered,
    )
