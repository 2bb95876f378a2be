"""Signing in with an access token of the system that the user was imported from, once."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.domain.accounts.identity_linking import BY_PROVIDER
from gatepass.server.domain.accounts.user import account_closed
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.foreign_tokens import ForeignTokens, invalid_foreign_token, use_foreign_token
from gatepass.server.domain.sessions.open import Authentication
from gatepass.server.domain.sessions.session import SINGLE_FACTOR

if TYPE_CHECKING:
    from gatepass.server.base.clock import Clock
    from gatepass.server.base.errors import Refusal
    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import StatusIndexes
    from gatepass.server.domain.sessions.login import LoginCompletion, LoginResult
    from gatepass.server.domain.sessions.token_request import TokenRequest
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What a trade uses."""

    @property
    def settings(self) -> Settings: ...
    @property
    def database(self) -> Database: ...
    @property
    def clock(self) -> Clock: ...
    @property
    def indexes(self) -> StatusIndexes: ...
    @property
    def login(self) -> LoginCompletion: ...


async def trade(needs: Needs, call: Call, token: str, token_request: TokenRequest) -> LoginResult:
    """Complete the login of the token's user; it is as old as the token, so that it is no recent sign-in.

    Raises:
        Refusal: `invalid_foreign_token`, `account_disabled`, or `account_locked`.
    """
    traded = ForeignTokens(needs.settings).check(token, needs.clock())
    status = await needs.indexes.next()
    where = call.origin
    proof = Authentication(acr=SINGLE_FACTOR, amr=(BY_PROVIDER,), where=where, at=traded.auth_time)

    async def unit(tx: Transaction) -> LoginResult | Refusal:
        user = await tx.users.by_id(traded.subject)
        # Only an import has given ids of the other system: any other account of this id is another person's.
        if user is None or user.origin != "import":
            return invalid_foreign_token("no imported user has this id")
        if user.closed is not None:
            await record(tx, "sign_in_refused", user.id, actor="", reason=user.closed, where=where)
            return account_closed(user.closed)
        if not await use_foreign_token(tx, traded):
            await record(tx, "sign_in_refused", user.id, actor="", reason="foreign_token_used", where=where)
            return invalid_foreign_token("it was used, or the user's sessions have ended")
        return await needs.login.complete(
            tx, user, token_request=token_request, proof=proof, status=status, device=call.device
        )

    return await decide(needs.database, unit)
