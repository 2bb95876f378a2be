"""`/admin/roles`: the application's roles and what they permit."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.features.admin.roles import RoleAdmin
from gatepass.server.web.answers import JsonResponse, no_content
from gatepass.server.web.auth.requirements import OPERATOR_READ, OPERATOR_WRITE
from gatepass.server.web.routing import Route

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.accounts.role_table import Role
    from gatepass.server.web.call import Call


class RoleResource(msgspec.Struct, frozen=True, kw_only=True):
    """A role. `defined_in_configuration`: the settings have it, and nothing else changes it."""

    name: str
    permissions: tuple[str, ...]
    defined_in_configuration: bool


class RoleList(msgspec.Struct, frozen=True):
    """Every role, by name."""

    roles: tuple[RoleResource, ...]


class NewRole(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A new role."""

    name: str
    permissions: tuple[str, ...] = ()


class RoleChanges(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What a role permits from now on. Tokens that say more are revoked."""

    permissions: tuple[str, ...]


_ONE = "/admin/roles/{name}"
_CHANGES = ("role_not_found", "defined_in_configuration")


def routes(core: Core) -> tuple[Route, ...]:
    """The calls."""
    return (
        Route(
            method="GET",
            path="/admin/roles",
            handler=partial(list_roles, core),
            auth=OPERATOR_READ,
            summary="List every role",
            answers={200: RoleList},
        ),
        Route(
            method="POST",
            path="/admin/roles",
            handler=partial(add_role, core),
            auth=OPERATOR_WRITE,
            summary="Add a role",
            body=NewRole,
            answers={201: RoleResource},
            problems=("invalid_role", "invalid_permission", "role_exists", "defined_in_configuration"),
        ),
        Route(
            method="GET",
            path=_ONE,
            handler=partial(show_role, core),
            auth=OPERATOR_READ,
            summary="Show a role",
            answers={200: RoleResource},
            problems=("role_not_found",),
        ),
        Route(
            method="PATCH",
            path=_ONE,
            handler=partial(change_role, core),
            auth=OPERATOR_WRITE,
            summary="Replace what a role permits",
            body=RoleChanges,
            answers={200: RoleResource},
            problems=("invalid_role", "invalid_permission", *_CHANGES),
        ),
        Route(
            method="DELETE",
            path=_ONE,
            handler=partial(remove_role, core),
            auth=OPERATOR_WRITE,
            summary="Remove a role, and take it from everybody",
            answers={204: None},
            problems=_CHANGES,
        ),
    )


def roles_of(core: Core, call: Call) -> RoleAdmin:
    """The acts, in the name of the caller."""
    return RoleAdmin(core.database, core.list_keys, core.roles, by=call.operator, where=call.origin)


async def list_roles(core: Core, call: Call, _body: None) -> Response:
    """Answer with all of them."""
    return JsonResponse(RoleList(tuple(map(_resource, await roles_of(core, call).all()))))


async def show_role(core: Core, call: Call, _body: None) -> Response:
    """Answer with one."""
    return JsonResponse(_resource(await roles_of(core, call).show(call.path_params["name"])))


async def add_role(core: Core, call: Call, body: NewRole) -> Response:
    """Add one."""
    role = await roles_of(core, call).add(body.name, body.permissions)
    await core.roles.look(core.database)
    return JsonResponse(_resource(role), 201)


async def change_role(core: Core, call: Call, body: RoleChanges) -> Response:
    """Change one."""
    role = await roles_of(core, call).change(call.path_params["name"], body.permissions)
    await core.roles.look(core.database)
    return JsonResponse(_resource(role))


async def remove_role(core: Core, call: Call, _body: None) -> Response:
    """Remove one."""
    await roles_of(core, call).remove(call.path_params["name"])
    await core.roles.look(core.database)
    return no_content()


def _resource(role: Role) -> RoleResource:
    return RoleResource(name=role.name, permissions=role.permissions, defined_in_configuration=role.is_configured)
