"""`gatepass openapi`: the content of `/openapi.json`, without a server."""

from __future__ import annotations

import asyncio
from importlib.metadata import version
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import msgspec
from cyclopts import App

from gatepass.cli.common import Place
from gatepass.cli.output import result
from gatepass.server.app import open_server
from gatepass.server.web.openapi import describe

if TYPE_CHECKING:
    from gatepass.server.base.settings import Settings

app = App(name="openapi", help="Print the description of the HTTP API (OpenAPI 3.1).")


@app.default
def openapi(*, place: Place = Place()) -> None:  # noqa: B008 - frozen
    """Print the description of the HTTP API under these settings. The database is not opened."""
    settings = place.settings()
    with TemporaryDirectory(prefix="gatepass-") as folder:
        text = asyncio.run(_described(msgspec.structs.replace(settings, data_dir=folder, database="")))
    result(text)


async def _described(settings: Settings) -> str:
    async with open_server(settings) as server:
        api = describe(server.routes, issuer=settings.issuer_url, version=version("gatepass"))
    return msgspec.json.format(msgspec.json.encode(api), indent=2).decode()
