"""Checks whether one of our own tokens is revoked, for the server's own calls and for introspection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.sessions.own_tokens import statuses_of

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.known import KnownRevocations
    from gatepass.verify import Principal


class RevocationCheck:
    """Asks the database, or the in-memory copy of the log where a query would need a network round trip."""

    def __init__(self, database: Database, known: KnownRevocations) -> None:
        self._database = database
        self._known = known

    async def is_revoked(self, principal: Principal) -> bool:
        """Whether the token is revoked. Raises as the database does."""
        jti, statuses = principal.token_id or "", statuses_of(principal) or (None,)
        if self._database.still_holds(self._known.as_of):
            return any(self._known.is_revoked(status, jti) for status in statuses)

        async def unit(tx: Transaction) -> bool:
            for status in statuses:
                if await tx.revocations.is_revoked(status=status, jti=jti, now=tx.now):
                    return True
            return False

        return await self._database.read(unit)
