"""`/admin/apis`: what tokens can be for."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.sessions.api import Api, ApiScope  # noqa: TC001 - msgspec reads the annotations of a struct
from gatepass.server.features.admin.apis import ApiAdmin, ApiChanges
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import OPERATOR_READ, OPERATOR_WRITE
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.web.call import Call


class ApiResource(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An API. `public`: clients that have registered themselves may ask for tokens for it."""

    audience: str
    name: str = ""
    scopes: tuple[ApiScope, ...] = ()
    public: bool = False


class ApiList(msgspec.Struct, frozen=True):
    """Every API, by audience."""

    apis: tuple[ApiResource, ...]


_ONE = "/admin/apis/{audience}"


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="GET",
            path="/admin/apis",
            handler=partial(list_apis, core),
            auth=OPERATOR_READ,
            summary="List every API",
            answers={200: ApiList},
        ),
        Route(
            method="POST",
            path="/admin/apis",
            handler=partial(add_api, core),
            auth=OPERATOR_WRITE,
            summary="Add an API, or change the one of this audience",
            body=ApiResource,
            answers={200: ApiResource},
            problems=("invalid_audience", "invalid_scope"),
        ),
        Route(
            method="GET",
            path=_ONE,
            handler=partial(show_api, core),
            auth=OPERATOR_READ,
            summary="Show an API; its audience is percent-encoded in the path",
            answers={200: ApiResource},
            problems=("api_not_found",),
        ),
        Route(
            method="PATCH",
            path=_ONE,
            handler=partial(change_api, core),
            auth=OPERATOR_WRITE,
            summary="Change an API",
            body=ApiChanges,
            answers={200: ApiResource},
            problems=("api_not_found", "invalid_scope"),
        ),
        Route(
            method="DELETE",
            path=_ONE,
            handler=partial(remove_api, core),
            auth=OPERATOR_WRITE,
            summary="Remove an API",
            answers={204: None},
            problems=("api_not_found",),
        ),
    )


def apis_of(core: Core, call: Call) -> ApiAdmin:
    """The acts, in the name of the caller."""
    return ApiAdmin(core.database, core.list_keys, by=call.operator, where=call.origin)


async def list_apis(core: Core, call: Call, _body: None) -> Response:
    """Answer with all of them."""
    return JsonResponse(ApiList(tuple(map(_resource, await apis_of(core, call).all()))))


async def add_api(core: Core, call: Call, body: ApiResource) -> Response:
    """Add one, or change it."""
    api = Api(
        audience=body.audience, name=body.name or body.audience, scopes=body.scopes, is_public=body.public, created_at=0
    )
    kept = await apis_of(core, call).add(api)
    forget_known(core)
    return JsonResponse(_resource(kept))


async def show_api(core: Core, call: Call, _body: None) -> Response:
    """Answer with one."""
    return JsonResponse(_resource(await apis_of(core, call).show(call.path_params["audience"])))


async def change_api(core: Core, call: Call, body: ApiChanges) -> Response:
    """Change one."""
    kept = await apis_of(core, call).change(call.path_params["audience"], body)
    forget_known(core)
    return JsonResponse(_resource(kept))


async def remove_api(core: Core, call: Call, _body: None) -> Response:
    """Remove one."""
    await apis_of(core, call).remove(call.path_params["audience"])
    forget_known(core)
    return no_content()


def forget_known(core: Core) -> None:
    """Read APIs, and what clients may have of them, again."""
    core.apis.forget()
    core.clients.forget()


def _resource(api: Api) -> ApiResource:
    return ApiResource(audience=api.audience, name=api.name, scopes=api.scopes, public=api.is_public)
