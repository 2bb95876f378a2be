"""From what was sent, or pushed before, to a checked authorization request."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.jose.errors import JoseError
from gatepass.server.base.digest import digest_of
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.sessions.pushed_request import URN
from gatepass.server.domain.sessions.scopes import STANDARD_SCOPES
from gatepass.server.features.oauth.authorize.checks import check_request
from gatepass.server.features.oauth.authorize.parameters import Asked

if TYPE_CHECKING:
    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.authorization_request import AuthorizationRequest
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.pushed_request import PushedRequest
    from gatepass.server.features.oauth.authorize.parameters import Parameters


async def checked(  # noqa: PLR0913 - what was sent, and what is known of how
    core: Core,
    client: Client,
    parameters: Parameters,
    redirect_uri: str,
    *,
    is_pushed: bool = False,
    proven_key: str = "",
) -> AuthorizationRequest:
    """Check everything that comes after the redirect URI. Raises as `check_request`."""
    asked = await asked_by(core, client, parameters, is_pushed=is_pushed, proven_key=proven_key)
    return check_request(asked, redirect_uri)


async def asked_by(
    core: Core, client: Client, parameters: Parameters, *, is_pushed: bool = False, proven_key: str = ""
) -> Asked:
    """What was sent, and what it is checked against."""
    apis = await core.apis.all()
    return Asked(
        client=client,
        parameters=parameters,
        issuer=core.settings.issuer_url,
        known_scopes=frozenset(
            {*core.settings.scopes, *STANDARD_SCOPES, *client.scope, *(scope for api in apis for scope in api.scope)}
        ),
        apis=apis,
        subject_of_hint=partial(_subject_of_hint, core, client),
        is_pushed=is_pushed,
        must_be_pushed=core.settings.require_pushed_authorization_requests,
        proven_key=proven_key,
    )


async def pushed_request(core: Core, client: Client, request_uri: str) -> PushedRequest:
    """Find a request that the client has pushed, and nobody has answered (RFC 9126 §4).

    Raises:
        Refusal: `request_uri_not_supported` for one of somebody else's, `interaction_expired` for one that is gone.
    """
    if not request_uri.startswith(URN):
        raise Refusal("request_uri_not_supported", "A request_uri is one that /oauth/par has given out.")

    async def unit(tx: Transaction) -> PushedRequest | None:
        pushed = await tx.pushed_requests.by_digest(digest_of(request_uri))
        return pushed if pushed is not None and tx.now < pushed.expires_at else None

    pushed = await core.database.read(unit)
    if pushed is None or pushed.client_id != client.id:
        raise Refusal("interaction_expired", "The pushed request is unknown, too old, answered, or another client's.")
    return pushed


def _subject_of_hint(core: Core, client: Client, hint: str) -> str:
    """Whom an ID token of ours is about, that this client was given; however old it is."""
    try:
        return core.id_token_issuer.read_hint(hint, core.keys.current, client_id=client.id).sub
    except JoseError as error:
        raise Refusal("invalid_request", "The id_token_hint is no ID token that this client was given.") from error
