"""What a sign-in requests: client, audiences, scopes, and the key to bind tokens to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.client_policy import ClientPolicy
from gatepass.server.web.auth.dpop import unbound

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.domain.sessions.token_request import TokenRequest
    from gatepass.server.web.auth.dpop import DPoPBinding


class TokenRequestPolicy:
    """Checks token requests, the same for every way to sign in."""

    def __init__(self, database: Database, dpop: DPoPBinding, settings: Settings) -> None:
        self._database = database
        self._dpop = dpop
        self._settings = settings

    async def check(  # noqa: PLR0913 - what a sign-in can ask for
        self,
        request: Request,
        *,
        client_id: str | None = None,
        audience: str | None = None,
        scope: str | None = None,
        organization: str = "",
        cookie: bool = False,
    ) -> TokenRequest:
        """Return the token request of a sign-in, limited to what its client may have.

        A proof is marked as used when the sign-in succeeds, not here: otherwise anyone could cause writes.

        Raises:
            Refusal: `unknown_client`, `invalid_audience`, `invalid_scope` or `invalid_dpop_proof`.
        """
        if client_id in (None, FIRST_PARTY):
            client_policy, must_be_bound = ClientPolicy.of_first_party(self._settings), False
        else:
            client = await self._client(client_id)
            client_policy = ClientPolicy.of_client(client, self._settings.issuer_url)
            must_be_bound = client.metadata.dpop_bound_access_tokens
        token_request = client_policy.check(
            audience=() if audience is None else (audience,), scope=scope, cookie=cookie
        )
        if organization and not token_request.is_for_operator:
            token_request = msgspec.structs.replace(token_request, organization=organization)
        proof = await self._dpop.proof(request)
        if proof is None and must_be_bound:
            raise unbound()
        return (
            token_request
            if proof is None
            else msgspec.structs.replace(token_request, jkt=proof.thumbprint, proof=proof)
        )

    async def _client(self, client_id: str) -> Client:
        """A registered client of the operator's own; it sends its refresh tokens to `/oauth/token`.

        Other clients have to ask people first: signing in here would be the password grant, which passes by consent
        and PKCE (RFC 9700 §2.4).
        """

        async def unit(tx: Transaction) -> Client | None:
            return await tx.clients.by_id(client_id)

        client = await self._database.read(unit)
        may_sign_in = client is not None and client.rules.consent == "never" and client.disabled_at is None
        if client is None or not may_sign_in or "refresh_token" not in client.grant_types:
            raise Refusal("unknown_client", "There is no client with this id.")
        return client
