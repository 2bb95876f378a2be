"""Who administers, by an operator's access token: of a person with the role, or of a client with the scopes."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from gatepass.jose import jwt
from gatepass.jose.errors import JoseError
from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings.tokens import ADMIN_IMPERSONATE, ADMIN_READ, ADMIN_WRITE, SESSIONS_REVOKE
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.operator import Operator, admin_audience, check_operator
from gatepass.server.domain.sessions.own_tokens import status_of
from gatepass.server.domain.sessions.token_session import session_of_token

if TYPE_CHECKING:
    from starlette.requests import Request

    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.revocation_check import RevocationCheck
    from gatepass.server.web.auth.bearer import BearerAuth
    from gatepass.verify import Principal

_OPENS = {
    ADMIN_READ: frozenset({ADMIN_READ, ADMIN_WRITE}),
    ADMIN_WRITE: frozenset({ADMIN_WRITE}),
    ADMIN_IMPERSONATE: frozenset({ADMIN_IMPERSONATE}),
    SESSIONS_REVOKE: frozenset({SESSIONS_REVOKE, ADMIN_WRITE}),
}
"""Which scopes open what asks for one: who may change may read."""


class OperatorAuth:
    """Identifies operators. What the token says is looked at again in the store, as it is now."""

    def __init__(
        self, database: Database, bearer_auth: BearerAuth, revocation_check: RevocationCheck, *, issuer: str
    ) -> None:
        self._database = database
        self._bearer_auth = bearer_auth
        self._revocation_check = revocation_check
        self._audience = admin_audience(issuer)
        self._everyday = issuer

    async def reader(self, request: Request, _body: object = None) -> Operator:
        """Return an operator who may read. Raises as `_identify`."""
        return await self._identify(request, ADMIN_READ)

    async def writer(self, request: Request, _body: object = None) -> Operator:
        """Return an operator who may change. Raises as `_identify`."""
        return await self._identify(request, ADMIN_WRITE)

    async def impersonator(self, request: Request, _body: object = None) -> Operator:
        """Return an operator, in person, who may act in others' names. Raises as `_identify`."""
        return await self._identify(request, ADMIN_IMPERSONATE)

    async def revoker(self, request: Request, _body: object = None) -> Operator:
        """Return an operator who may sign people out, and perhaps no more. Raises as `_identify`."""
        return await self._identify(request, SESSIONS_REVOKE)

    async def _identify(self, request: Request, scope: str) -> Operator:
        """Verify the token, and look up whose it is.

        Raises:
            Refusal: `missing_token`, `invalid_token`, or `insufficient_scope`, also for a role or scope that was taken.
        """
        check_is_ours_alone(request)
        principal = await self._bearer_auth.verify(
            request, partial(self._check, scope), audience=(self._audience, self._everyday)
        )
        if await self._revocation_check.is_revoked(principal):
            raise Refusal("invalid_token", "The access token is revoked.")

        async def unit(tx: Transaction) -> Operator | Refusal:
            return await (_client(tx, principal) if principal.session_id is None else _person(tx, principal))

        found = await self._database.read(unit)
        if isinstance(found, Refusal):
            raise found
        return found

    def _check(self, asked: str, principal: Principal) -> None:
        """An everyday token is a good one without the right, which counts only in a token that is for nothing else."""
        if _OPENS[asked].isdisjoint(principal.scopes):
            raise Refusal("insufficient_scope", f"The access token needs the scope {asked} here.")
        if principal.claims.get("aud") != self._audience:
            raise Refusal("invalid_token", "An operator's token is for the operators' API alone.")


def check_is_ours_alone(request: Request) -> None:
    """Refuse a token under a shared secret: the API that has it could have made it."""
    token = request.headers.get("authorization", "").partition(" ")[2]
    try:
        is_shared = str(jwt.peek(token).headers.get("alg", "")).startswith("HS")
    except JoseError:  # whoever verifies it says what is wrong
        return
    if is_shared:
        raise Refusal("invalid_token", "Rights at this server need a signature that no API can make, so not HS256.")


async def _person(tx: Transaction, principal: Principal) -> Operator | Refusal:
    sign_in = await session_of_token(tx, principal)
    user = None if sign_in is None else await tx.users.signed_in(sign_in.session_id, sign_in.user_id, tx.now)
    if user is None or principal.client_id != FIRST_PARTY:
        return Refusal("invalid_token", "The sign-in behind the access token is over.")
    status = status_of(principal)
    grant = None if status is None else await tx.grants.bearer_at(status)
    if grant is None or not principal.scopes <= set(grant.scope):
        return Refusal("invalid_token", "There is no such sign-in for operators.")
    return check_operator(user, acr=grant.acr) or Operator(
        id=user.id, kind="person", status=status, jkt=principal.key_thumbprint
    )


async def _client(tx: Transaction, principal: Principal) -> Operator | Refusal:
    client = await tx.clients.by_id(principal.client_id or "")
    if client is None or client.disabled_at is not None:
        return Refusal("invalid_token", "The client of the access token is gone or disabled.")
    if not principal.scopes <= set(client.scope):
        return Refusal("insufficient_scope", "The client no longer has this scope.")
    return Operator(id=client.id, kind="client")
