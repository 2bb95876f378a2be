"""The act of signing in with a passkey."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from gatepass.server.domain.accounts.user import account_closed
from gatepass.server.domain.credentials.factor_proofs import ANY_USER, FactorRefused
from gatepass.server.domain.credentials.passkeys.relying_party import invalid_passkey
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.open import Authentication
from gatepass.server.domain.sessions.session import TWO_FACTORS

if TYPE_CHECKING:
    from gatepass.server.base.errors import Refusal
    from gatepass.server.domain.credentials.factor_proofs import FactorProofs
    from gatepass.server.domain.credentials.passkeys.relying_party import Json
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import StatusIndexes
    from gatepass.server.domain.sessions.login import LoginCompletion, LoginResult
    from gatepass.server.domain.sessions.token_request import TokenRequest
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the act uses of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def proofs(self) -> FactorProofs: ...
    @property
    def indexes(self) -> StatusIndexes: ...
    @property
    def login(self) -> LoginCompletion: ...


async def sign_in(needs: Needs, call: Call, credential: Json, token_request: TokenRequest) -> LoginResult:
    """Open a session for the passkey's user."""
    where, device = call.origin, call.device
    passkey_claim = await needs.proofs.passkey_claim(credential, "sign_in", ANY_USER)
    status = await needs.indexes.next()

    async def unit(tx: Transaction) -> LoginResult | Refusal:
        user = await tx.users.by_id(passkey_claim.passkey.user_id)
        if user is None:
            return invalid_passkey()
        proven = await needs.proofs.consume(tx, user.id, passkey_claim, where)
        if isinstance(proven, FactorRefused):
            await record(tx, "sign_in_refused", user.id, actor="", reason=proven.reason, where=where)
            return invalid_passkey()
        if user.closed is not None:
            await record(tx, "sign_in_refused", user.id, actor="", reason=user.closed, where=where)
            return account_closed(user.closed)
        proof = Authentication(acr=TWO_FACTORS, amr=(*proven.amr, "mfa"), where=where)
        return await needs.login.complete(
            tx, user, token_request=token_request, proof=proof, status=status, device=device
        )

    return await decide(needs.database, unit, about=passkey_claim.passkey.user_id)
