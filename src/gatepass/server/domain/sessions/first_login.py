"""The first sign-in of an account: its owner has just proved enough to create it, and is not asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.ports import decide

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import StatusIndexes
    from gatepass.server.domain.sessions.login import LoginCompletion, LoginResult
    from gatepass.server.domain.sessions.open import Authentication
    from gatepass.server.domain.sessions.token_request import TokenRequest


class FirstLogin:
    """Signs in to accounts that were just created, by what created them."""

    def __init__(self, database: Database, indexes: StatusIndexes, login: LoginCompletion) -> None:
        self._database = database
        self._indexes = indexes
        self._login = login

    async def open(self, user_id: str, proof: Authentication, token_request: TokenRequest) -> LoginResult | None:
        """Open the session; None where a hook or the user's organization refuses it, and the account is there alone."""
        status = await self._indexes.next()

        async def unit(tx: Transaction) -> LoginResult | Refusal | None:
            user = await tx.users.by_id(user_id)
            if user is None or user.closed is not None:
                return None
            return await self._login.complete(
                tx, user, token_request=token_request, proof=proof, status=status, device=""
            )

        try:
            return await decide(self._database, unit)
        except Refusal:
            return None
