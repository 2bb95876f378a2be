"""Who asks, and where the answer goes: what has to be sure before any answer leaves this server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.redirect_uri import is_registered

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.features.oauth.authorize.parameters import Parameters


async def client_in(core: Core, parameters: Parameters, where: Origin) -> Client:
    """Return the client that a request names. Raises as `client_by_id`."""
    if "client_id" in parameters.repeated:
        raise Refusal("unknown_client", "The request names more than one client.")
    return await client_by_id(core, parameters.get("client_id"), where)


async def client_by_id(core: Core, client_id: str, where: Origin) -> Client:
    """Return a client that may sign people in.

    Raises:
        Refusal: `unknown_client` or `unauthorized_client`.
    """
    client = None if client_id in ("", FIRST_PARTY) else await core.clients.by_id(client_id, where)
    if client is None or client.disabled_at is not None:
        raise Refusal("unknown_client", "There is no client with this id.")
    check_may_authorize(client)
    return client


def check_may_authorize(client: Client) -> None:
    """Refuse a client that signs nobody in.

    Raises:
        Refusal: `unauthorized_client`.
    """
    if "authorization_code" not in client.grant_types:
        raise Refusal("unauthorized_client", "The client was not given the grant type authorization_code.")


def redirect_uri_in(parameters: Parameters, client: Client) -> str:
    """Return the redirect URI, which has to be there once, and be the client's byte for byte.

    Raises:
        Refusal: `invalid_redirect_uri`.
    """
    sent = "" if "redirect_uri" in parameters.repeated else parameters.get("redirect_uri")
    check_redirect_uri(sent, client)
    return sent


def check_redirect_uri(sent: str, client: Client) -> None:
    """Refuse a redirect URI that is not the client's, or not any more. Raises as `redirect_uri_in`."""
    metadata = client.metadata
    is_native = metadata.application_type == "native"
    if not sent or not is_registered(sent, metadata.redirect_uris, is_native=is_native):
        raise Refusal("invalid_redirect_uri", "The redirect_uri is none that the client has registered.")
