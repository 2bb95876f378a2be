"""`gatepass client …`: manage OAuth clients. A running server sees the changes at once."""

from __future__ import annotations

import asyncio
import re
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar, cast

import msgspec
from cyclopts import App, Parameter

from gatepass.cli.client_options import ClientOptions, named
from gatepass.cli.common import Place, open_client_admin
from gatepass.cli.output import Json, fail, result, result_json, result_table, say, time_in_words
from gatepass.server.domain.sessions.client import GrantType
from gatepass.server.domain.sessions.client_metadata import (
    ClientMetadata,
    ClientRules,
)
from gatepass.server.domain.sessions.client_registration import DEFAULT_SCOPE
from gatepass.server.features.admin.clients import NewClient

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.features.admin.clients import ClientAdmin

app = App(name="client", help="Add, list, change and remove OAuth clients.")

_HERE = Place()

T = TypeVar("T")

GrantName = Literal[GrantType, "device_code", "jwt_bearer", "token_exchange"]
Kind = Literal["web", "native", "browser", "service"]
Duration = Annotated[str, Parameter(help="A time such as 24h, 30m or 7d.")]

_GRANTS: dict[str, GrantType] = {
    "device_code": "urn:ietf:params:oauth:grant-type:device_code",
    "jwt_bearer": "urn:ietf:params:oauth:grant-type:jwt-bearer",
    "token_exchange": "urn:ietf:params:oauth:grant-type:token-exchange",
}
"""Grant types that have a URN, by the short names that people type."""
_SIGNS_IN = ("authorization_code", "urn:ietf:params:oauth:grant-type:device_code")
"""Grants in which a person signs in, so that the client stays signed in by a refresh token."""
_SECONDS = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([smhd])")


_UNSAID = ClientOptions()


@app.command
def add(  # noqa: PLR0913 - one for each flag
    name: str,
    *,
    grant: Annotated[
        tuple[GrantName, ...] | None,
        Parameter(
            help="A grant type that it may use; may be repeated [authorization_code with redirect URIs, else"
            " client_credentials]. Signing people in includes refresh_token."
        ),
    ] = None,
    refresh: Annotated[
        bool, Parameter(negative="--no-refresh", help="Whether signing people in includes refresh_token.")
    ] = True,
    public: Annotated[
        bool, Parameter(negative="", help="It cannot keep a secret: an application on devices or in browsers.")
    ] = False,
    kind: Annotated[
        Kind | None, Parameter(help="What it is; native and browser are public, native has schemes of its own.")
    ] = None,
    options: ClientOptions = _UNSAID,
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Register a client. Its secret is shown only once; the database keeps a digest."""
    settings = place.settings()
    changes = options.changes()
    grants = _grants(
        grant, signs_in=bool(options.redirect_uri) or kind in ("web", "native", "browser"), refresh=refresh
    )
    signs_in = not set(grants).isdisjoint(_SIGNS_IN)
    metadata: dict[str, Any] = {"application_type": "native" if kind == "native" else "web", **changes.metadata}
    fields: dict[str, Any] = {"scope": DEFAULT_SCOPE if signs_in else (), **changes.fields}
    new = NewClient(
        name=name,
        grant_types=grants,
        is_public=public or kind in ("native", "browser"),
        metadata=ClientMetadata(**metadata),
        rules=ClientRules(**{**_usual_rules(grants), **changes.rules}),
        **fields,
    )
    client, secret = _with(place, lambda clients: clients.add(new), must_exist=False)
    _show_credentials(client.id, secret, json=json)
    if options.consent == "never":
        say("People are not asked to agree: this is for applications of your own only.")
    for uri in client.metadata.redirect_uris:
        if uri.startswith("http:") and settings.issuer_url.startswith("https:"):
            say(f"{uri} is on the device of whoever signs in: any program there may listen.")


@app.command
def show(client_id: str, *, json: Json = False, place: Place = _HERE) -> None:
    """Show a client."""
    client = _with(place, lambda clients: clients.show(client_id))
    if json:
        result_json(_as_json(client))
    else:
        _show(client)


@app.command(name="list")
def list_(*, json: Json = False, place: Place = _HERE) -> None:
    """List every client."""
    clients = _with(place, lambda clients: clients.all())
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
def edit(  # noqa: PLR0913 - one for each flag
    client_id: str,
    *,
    name: Annotated[str | None, Parameter(help="What people read.")] = None,
    grant: Annotated[
        tuple[GrantName, ...] | None, Parameter(help="The grant types that it may use from now on; may be repeated.")
    ] = None,
    options: ClientOptions = _UNSAID,
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Change a client. Tokens that may have a removed right are revoked at once."""
    changes = options.changes()
    own = named(name=name, grant_types=None if grant is None else _by_urn(grant))
    changes = msgspec.structs.replace(changes, fields={**changes.fields, **own})
    client = _with(place, lambda clients: clients.edit(client_id, changes))
    if json:
        result_json(_as_json(client))
    else:
        said = " ".join(client.audience) or "the issuer", " ".join(client.scope) or "none"
        say(f"{client_id}: audience {said[0]}; scope {said[1]}.")


@app.command
def rotate_secret(
    client_id: str,
    *,
    keep_old: Annotated[Duration | None, Parameter(help="How long the old secret still works: 24h, say.")] = None,
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Give a client a new secret. The old one stops working, and the client's own tokens are revoked at once."""
    seconds = 0 if keep_old is None else _seconds(keep_old)
    secret = _with(place, lambda clients: clients.rotate_secret(client_id, keep_old=seconds))
    _show_credentials(client_id, secret, json=json)


@app.command
def disable(client_id: str, *, place: Place = _HERE) -> None:
    """Let a client in no more. Its tokens and grants are revoked at once; it can be enabled again."""
    _with(place, lambda clients: clients.disable(client_id))
    say(f"Disabled {client_id}.")


@app.command
def enable(client_id: str, *, place: Place = _HERE) -> None:
    """Let a disabled client in again. People sign in anew."""
    _with(place, lambda clients: clients.enable(client_id))
    say(f"Enabled {client_id}.")


@app.command
def remove(client_id: str, *, place: Place = _HERE) -> None:
    """Remove a client. Its tokens and grants are revoked at once."""
    _with(place, lambda clients: clients.remove(client_id))
    say(f"Removed {client_id}.")


@app.command
def registration_token(
    *,
    uses: Annotated[int, Parameter(help="How many clients can register with it.")] = 1,
    expires: Annotated[Duration, Parameter(help="How long it can be used: 1h, say.")] = "1h",
    json: Json = False,
    place: Place = _HERE,
) -> None:
    """Make a token with which clients register themselves (RFC 7591), where `dynamic_registration` is not off."""
    seconds = _seconds(expires)
    if not 1 <= uses <= 10_000:  # noqa: PLR2004 - said in the error
        fail("A registration token has 1 to 10000 uses.", "--uses 1")
    token = _with(place, lambda clients: clients.new_registration_token(uses=uses, seconds=seconds))
    if json:
        result_json({"registration_token": token, "uses": uses, "expires_in": seconds})
    else:
        result(token)
    if place.settings().dynamic_registration == "off":
        say("Registration is off: set `dynamic_registration` to token, or nobody can use it.")


def _with(place: Place, work: Callable[[ClientAdmin], Awaitable[T]], *, must_exist: bool = True) -> T:
    """Run one operation on the store."""

    async def opened() -> T:
        async with open_client_admin(place.settings(), must_exist=must_exist) as clients:
            return await work(clients)

    return asyncio.run(opened())


def _by_urn(grants: tuple[GrantName, ...]) -> tuple[GrantType, ...]:
    return tuple(dict.fromkeys(cast("GrantType", _GRANTS.get(grant, grant)) for grant in grants))


def _grants(named: tuple[GrantName, ...] | None, *, signs_in: bool, refresh: bool) -> tuple[GrantType, ...]:
    """The grant types of a new client, and what they imply."""
    usual: tuple[GrantName, ...] = ("authorization_code",) if signs_in else ("client_credentials",)
    grants = _by_urn(usual if named is None else named)
    implies_refresh = refresh and not set(grants).isdisjoint(_SIGNS_IN)
    return tuple(dict.fromkeys((*grants, "refresh_token"))) if implies_refresh else grants


def _usual_rules(grants: tuple[GrantType, ...]) -> dict[str, Any]:
    """A client that shows no pages is the operator's own: nobody is asked there."""
    return {"consent": "never"} if set(grants).isdisjoint(_SIGNS_IN) else {}


def _seconds(duration: str) -> int:
    found = _DURATION.fullmatch(duration)
    if found is None:
        fail(f"{duration!r} is not a time.", "Write a number and a unit: 90s, 30m, 24h or 7d.")
    return int(found[1]) * _SECONDS[found[2]]


def _show(client: Client) -> None:
    """Print what is known of a client, a line each."""
    for name, value in _as_json(client).items():
        shown = " ".join(map(str, cast("list[object]", value))) if isinstance(value, list) else str(value)
        if shown and name != "created_at":
            result(f"{name:<36}  {shown}")


def _show_credentials(client_id: str, secret: str | None, *, json: bool) -> None:
    """Print the client's credentials; the secret cannot be read again."""
    if json:
        result_json({"client_id": client_id} | ({} if secret is None else {"client_secret": secret}))
        return
    result(f"client_id      {client_id}")
    if secret is not None:
        result(f"client_secret  {secret}")
        say("Keep the secret now: it is not shown again.")


def _as_json(client: Client) -> dict[str, Any]:
    """What is known of a client, without its secrets; of its metadata and rules what is not usual."""
    return {
        "client_id": client.id,
        "name": client.name,
        "kind": _kind(client),
        "origin": client.origin,
        "grant_types": list(client.grant_types),
        "audience": list(client.audience),
        "scope": list(client.scope),
        "authentication": client.auth_method,
        "assertion_audience": client.assertion_audience,
        **msgspec.to_builtins(client.metadata),
        **msgspec.to_builtins(client.rules),
        "consent": client.rules.consent,
        "disabled": client.disabled_at is not None,
        "created_at": int(client.created_at),
        "created": time_in_words(client.created_at),
    }


def _kind(client: Client) -> Kind:
    if set(client.grant_types).isdisjoint(_SIGNS_IN):
        return "service"
    if client.metadata.application_type == "native":
        return "native"
    return "browser" if client.is_public else "web"
