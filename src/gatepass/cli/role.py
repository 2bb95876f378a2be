"""`gatepass role …`: manage the application's roles. A running server sees the changes at once."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from gatepass.cli.common import Place
from gatepass.cli.output import Json, result, result_json, result_table, say
from gatepass.server.domain.accounts.role_table import RoleTable
from gatepass.server.domain.revocation.status_indexes import list_keys
from gatepass.server.features.admin.roles import RoleAdmin
from gatepass.server.store.opening import open_store

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from gatepass.server.domain.accounts.role_table import Role

app = App(name="role", help="List, add, change and remove the application's roles.")

_HERE = Place()


@app.command(name="list")
def list_(*, json: Json = False, place: Place = _HERE) -> None:
    """List every role and what it permits. Without any, every role can be given."""

    async def work() -> list[Role]:
        async with _open(place, must_exist=False) as roles:
            return await roles.all()

    roles = asyncio.run(work())
    if json:
        result_json([_as_json(role) for role in roles])
    else:
        rows = [
            (role.name, " ".join(role.permissions) or "-", "settings" if role.is_configured else "-") for role in roles
        ]
        result_table(("role", "permissions", "defined in"), rows)


@app.command(name="set")
def set_(
    name: str,
    *,
    permission: Annotated[
        tuple[str, ...], Parameter(help="What people with the role may do, such as articles:write; may be repeated.")
    ] = (),
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Add a role, or replace what it permits. Tokens that say more are revoked."""

    async def work() -> Role:
        async with _open(place) as roles:
            return await roles.set(name, permission)

    role = asyncio.run(work())
    if json:
        result_json(_as_json(role))
    else:
        result(f"{role.name} permits: {' '.join(role.permissions) or 'nothing'}.")


@app.command
def remove(name: str, *, place: Place = _HERE) -> None:
    """Remove a role, and take it from everybody."""

    async def work() -> None:
        async with _open(place) as roles:
            await roles.remove(name)

    asyncio.run(work())
    say(f"Removed the role {name}.")


@asynccontextmanager
async def _open(place: Place, *, must_exist: bool = True) -> AsyncGenerator[RoleAdmin]:
    settings = place.settings()
    async with open_store(settings, must_exist=must_exist) as (database, data_key):
        yield RoleAdmin(database, list_keys(data_key), RoleTable(settings.roles))


def _as_json(role: Role) -> dict[str, object]:
    return {
        "name": role.name,
        "permissions": role.permissions,
        "defined_in_configuration": role.is_configured,
    }
