"""`gatepass api …`: manage the APIs that tokens are for. A running server sees the changes at once."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from gatepass.cli.common import Place, open_api_admin
from gatepass.cli.output import Json, result, result_json, result_table, say
from gatepass.server.domain.sessions.api import Api, ApiScope

if TYPE_CHECKING:
    from typing import Any

app = App(name="api", help="Add, list and remove APIs that tokens are for.")

_HERE = Place()


@app.command
def add(  # noqa: PLR0913 - one for each flag
    audience: str,
    *,
    name: Annotated[str, Parameter(help="What people read of it on consent pages [the audience].")] = "",
    scope: Annotated[
        tuple[str, ...],
        Parameter(help='A scope that it can be asked for, in words: "files:read=Read your files"; may be repeated.'),
    ] = (),
    public: Annotated[
        bool, Parameter(help="Let clients that have registered themselves ask for tokens for it.")
    ] = False,
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Add an API, or change the one of this audience. The audience is its URL, as clients name it (RFC 8707)."""
    scopes = tuple(ApiScope(name=given.partition("=")[0], text=given.partition("=")[2]) for given in scope)
    api = Api(audience=audience, name=name or audience, scopes=scopes, is_public=public, created_at=0)

    async def work() -> Api:
        async with open_api_admin(place.settings(), must_exist=False) as apis:
            return await apis.add(api)

    _show(asyncio.run(work()), json=json)


@app.command(name="list")
def list_(*, json: Json = False, place: Place = _HERE) -> None:
    """List every API."""

    async def work() -> list[Api]:
        async with open_api_admin(place.settings()) as apis:
            return await apis.all()

    apis = asyncio.run(work())
    if json:
        result_json([_as_json(api) for api in apis])
    else:
        rows = [(api.audience, api.name, " ".join(api.scope) or "-", "yes" if api.is_public else "no") for api in apis]
        result_table(("audience", "name", "scopes", "public"), rows)


@app.command
def show(audience: str, *, json: Json = False, place: Place = _HERE) -> None:
    """Show one API."""

    async def work() -> Api:
        async with open_api_admin(place.settings()) as apis:
            return await apis.show(audience)

    _show(asyncio.run(work()), json=json)


@app.command
def remove(audience: str, *, place: Place = _HERE) -> None:
    """Remove an API. Tokens of clients that registered themselves die within a second."""

    async def work() -> None:
        async with open_api_admin(place.settings()) as apis:
            await apis.remove(audience)

    asyncio.run(work())
    say(f"Removed {audience}.")


def _show(api: Api, *, json: bool) -> None:
    if json:
        result_json(_as_json(api))
        return
    result(f"audience  {api.audience}")
    result(f"name      {api.name}")
    result(f"public    {'yes' if api.is_public else 'no'}")
    for scope in api.scopes:
        result(f"scope     {scope.name}{f' ({scope.text})' if scope.text else ''}")


def _as_json(api: Api) -> dict[str, Any]:
    return {
        "audience": api.audience,
        "name": api.name,
        "scopes": [{"name": scope.name, "text": scope.text} for scope in api.scopes],
        "public": api.is_public,
    }
