"""The grant type `client_credentials` (RFC 6749 §4.4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.sessions.client_policy import ClientPolicy
from gatepass.server.features.oauth.token.request import answer, as_invalid_target

if TYPE_CHECKING:
    from starlette.responses import Response

    from gatepass.server.core import Core
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.features.oauth.token.request import TokenForm


async def client_credentials(core: Core, client: Client, form: TokenForm, jkt: str | None) -> Response:
    """RFC 6749 §4.4: a token for the client itself, and no refresh token (§4.4.3)."""
    if client.is_public:  # any caller could name it
        raise Refusal("unauthorized_client", "A public client has no tokens of its own.")
    with as_invalid_target():
        token_request = ClientPolicy.of_client_itself(client, core.settings.issuer_url).check(
            audience=form.target, scope=form.scope, jkt=jkt
        )
    now = await core.database.read(_now)
    issued = await core.token_issuer.mint_for_client(client, token_request, keys=core.keys.current, now=now)
    return answer(issued)


async def _now(tx: Transaction) -> float:
    return tx.now
