"""Checks whether one of our own tokens is revoked, for the server's own calls and for introspection."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, TypeVar

from gatepass.server.domain.sessions.own_tokens import statuses_of

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.known import KnownRevocations
    from gatepass.verify import Principal

T = TypeVar("T")


class RevocationCheck:
    """Asks the database, or the in-memory copy of the log where a query would need a network round trip."""

    def __init__(self, database: Database, known: KnownRevocations) -> None:
        self._database = database
        self._known = known

    async def is_revoked(self, principal: Principal) -> bool:
        """Whether the token is revoked. Raises as the database does."""
        if self._database.still_holds(self._known.as_of):
            return self._is_known(principal)
        return await self._database.read(partial(self._is_revoked, principal))

    async def read(self, principal: Principal, unit: Callable[[Transaction], Awaitable[T]]) -> T | None:
        """Read for a token unless it is revoked: then None. Raises as the database does."""

        async def checked(tx: Transaction) -> T | None:
            return None if await self._is_revoked(principal, tx) else await unit(tx)

        return await self._database.read(checked)

    async def _is_revoked(self, principal: Principal, tx: Transaction) -> bool:
        if self._database.still_holds(self._known.as_of):
            return self._is_known(principal)
        jti, now = principal.token_id or "", tx.now
        for status in statuses_of(principal) or (None,):
            if await tx.revocations.is_revoked(status=status, jti=jti, now=now):
                return True
        return False

    def _is_known(self, principal: Principal) -> bool:
        jti = principal.token_id or ""
        return any(self._known.is_revoked(status, jti) for status in statuses_of(principal) or (None,))
