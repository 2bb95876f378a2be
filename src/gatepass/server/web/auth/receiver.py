"""Which client receives Shared Signals, by an access token of its own that is for nothing else."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings.tokens import STREAM_MANAGE, STREAM_SCOPES
from gatepass.server.domain.sessions.operator import streams_audience
from gatepass.server.web.auth.operator import check_is_ours_alone

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.revocation_check import RevocationCheck
    from gatepass.server.domain.sessions.client import Client
    from gatepass.server.web.auth.bearer import BearerAuth
    from gatepass.verify import Principal


class ReceiverAuth:
    """Identifies receivers. What the token says is looked at again in the store, as it is now."""

    def __init__(
        self, database: Database, bearer_auth: BearerAuth, revocation_check: RevocationCheck, *, issuer: str
    ) -> None:
        self._database = database
        self._bearer_auth = bearer_auth
        self._revocation_check = revocation_check
        self._audience = streams_audience(issuer)
        self._everyday = issuer

    async def reader(self, request: Request, _body: object = None) -> Client:
        """Return a client that may read its streams. Raises as `_identify`."""
        return await self._identify(request, STREAM_SCOPES)  # who may change may read

    async def manager(self, request: Request, _body: object = None) -> Client:
        """Return a client that may change its streams. Raises as `_identify`."""
        return await self._identify(request, frozenset({STREAM_MANAGE}))

    async def _identify(self, request: Request, opening: frozenset[str]) -> Client:
        """Verify the token, and look up whose it is.

        Raises:
            Refusal: `missing_token`, `invalid_token`, or `insufficient_scope`, also for a scope that was taken.
        """
        check_is_ours_alone(request)
        principal = await self._bearer_auth.verify(
            request, partial(self._check, opening), audience=(self._audience, self._everyday)
        )
        if await self._revocation_check.is_revoked(principal):
            raise Refusal("invalid_token", "The access token is revoked.")

        async def unit(tx: Transaction) -> Client | None:
            return await tx.clients.by_id(principal.client_id or "")

        client = await self._database.read(unit)
        if client is None or client.disabled_at is not None:
            raise Refusal("invalid_token", "The client of the access token is gone or disabled.")
        if not principal.scopes <= set(client.scope):
            raise Refusal("insufficient_scope", "The client no longer has this scope.")
        return client

    def _check(self, opening: frozenset[str], principal: Principal) -> None:
        """An everyday token is a good one without the right, which counts only in a token that is for nothing else."""
        if opening.isdisjoint(principal.scopes):
            raise Refusal(
                "insufficient_scope", f"The access token needs the scope {' or '.join(sorted(opening))} here."
            )
        if principal.session_id is not None or principal.claims.get("aud") != self._audience:
            raise Refusal("invalid_token", "A receiver's token is its own, and for streams alone.")
