"""`gatepass client …`: manage OAuth clients. A running server sees the changes at once."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import App, Parameter

from gatepass.cli.common import Place, open_client_admin
from gatepass.cli.output import Json, fail, result, result_json, result_table, say, time_in_words
from gatepass.server.domain.sessions.client import AssertionAudience, GrantType
from gatepass.server.features.admin.clients import NewClient

if TYPE_CHECKING:
    from gatepass.server.domain.sessions.client import Client

app = App(name="client", help="Add, list and remove OAuth clients.")

_HERE = Place()


@app.command
def add(  # noqa: PLR0913 - one for each flag
    name: str,
    *,
    grant: Annotated[
        tuple[GrantType, ...],
        Parameter(help="A grant type it may use: client_credentials or refresh_token; may be repeated."),
    ] = ("client_credentials",),
    audience: Annotated[
        tuple[str, ...], Parameter(help="An API that it may request tokens for [the issuer]; may be repeated.")
    ] = (),
    scope: Annotated[tuple[str, ...], Parameter(help="A scope that it may request; may be repeated.")] = (),
    jwks: Annotated[
        Path | None,
        Parameter(help="File with its public keys (a JWK Set): it authenticates with them, and gets no secret."),
    ] = None,
    assertion_audience: Annotated[
        AssertionAudience,
        Parameter(
            help="What its assertions may have as `aud`: the issuer only, or also the URL of the token endpoint."
        ),
    ] = "issuer",
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Register a client. Its secret is shown only once; the database keeps a digest."""
    settings = place.settings()
    new = NewClient(
        name=name,
        grant_types=grant,
        audience=audience,
        scope=scope,
        jwks=None if jwks is None else _read(jwks),
        assertion_audience=assertion_audience,
    )

    async def work() -> tuple[Client, str | None]:
        async with open_client_admin(settings, must_exist=False) as clients:
            return await clients.add(new)

    client, secret = asyncio.run(work())
    _show_credentials(client.id, secret, json=json)


@app.command(name="list")
def list_(*, json: Json = False, place: Place = _HERE) -> None:
    """List every client."""

    async def work() -> list[Client]:
        async with open_client_admin(place.settings()) as clients:
            return await clients.all()

    clients = asyncio.run(work())
    if json:
        result_json([_as_json(client) for client in clients])
    else:
        rows = [
            (
                client.id,
                client.name,
                " ".join(client.grant_types),
                " ".join(client.audience) or "the issuer",
                " ".join(client.scope) or "-",
            )
            for client in clients
        ]
        result_table(("client_id", "name", "grants", "audience", "scope"), rows)


@app.command
def edit(
    client_id: str,
    *,
    audience: Annotated[
        tuple[str, ...] | None, Parameter(help="The APIs that it may request tokens for from now on; may be repeated.")
    ] = None,
    scope: Annotated[
        tuple[str, ...] | None,
        Parameter(help="The scopes that it may request from now on; may be repeated. --empty-scope: none."),
    ] = None,
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Change the audiences and scopes of a client. Tokens that may have a removed one are revoked at once."""

    async def work() -> Client:
        async with open_client_admin(place.settings()) as clients:
            return await clients.edit(client_id, audience=audience, scope=scope)

    client = asyncio.run(work())
    if json:
        result_json(_as_json(client))
    else:
        said = " ".join(client.audience) or "the issuer", " ".join(client.scope) or "none"
        say(f"{client_id}: audience {said[0]}; scope {said[1]}.")


@app.command
def rotate_secret(client_id: str, *, json: Json = False, place: Place = _HERE) -> None:
    """Give a client a new secret. The old secret stops working, and the client's own tokens are revoked at once."""

    async def work() -> str:
        async with open_client_admin(place.settings()) as clients:
            return await clients.rotate_secret(client_id)

    _show_credentials(client_id, asyncio.run(work()), json=json)


@app.command
def remove(client_id: str, *, place: Place = _HERE) -> None:
    """Remove a client. Its tokens and grants are revoked at once."""

    async def work() -> None:
        async with open_client_admin(place.settings()) as clients:
            await clients.remove(client_id)

    asyncio.run(work())
    say(f"Removed {client_id}.")


def _show_credentials(client_id: str, secret: str | None, *, json: bool) -> None:
    """Print the client's credentials; the secret cannot be shown again."""
    if json:
        result_json({"client_id": client_id} | ({} if secret is None else {"client_secret": secret}))
        return
    result(f"client_id      {client_id}")
    if secret is not None:
        result(f"client_secret  {secret}")
        say("Store the secret now: it is not shown again.")


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        fail(f"Cannot read {file}: {error}.", "Name a file that holds a JWK Set.")


def _as_json(client: Client) -> dict[str, object]:
    return {
        "client_id": client.id,
        "name": client.name,
        "grant_types": list(client.grant_types),
        "audience": list(client.audience),
        "scope": list(client.scope),
        "authentication": "private_key_jwt" if client.jwks else "client_secret",
        "assertion_audience": client.assertion_audience,
        "created_at": int(client.created_at),
        "created": time_in_words(client.created_at),
    }
