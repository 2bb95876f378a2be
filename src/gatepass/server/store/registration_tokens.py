"""The SQL of initial access tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gatepass.server.domain.sessions.registration_token import RegistrationToken
    from gatepass.server.store.connection import Connection


class SqlRegistrationTokens:
    """`gatepass.server.domain.sessions.registration_token.RegistrationTokens`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, token: RegistrationToken) -> None:
        """Insert."""
        await self._connection.row(
            "INSERT INTO registration_tokens (digest, uses_left, expires_at) VALUES (?1, ?2, ?3)",
            token.digest,
            token.uses_left,
            token.expires_at,
        )

    async def use(self, digest: bytes, now: float) -> bool:
        """Update the row that has uses left."""
        row = await self._connection.row(
            "UPDATE registration_tokens SET uses_left = uses_left - 1"
            " WHERE digest = ?1 AND uses_left > 0 AND expires_at > ?2 RETURNING uses_left",
            digest,
            now,
        )
        return row is not None

    async def is_valid(self, digest: bytes, now: float) -> bool:
        """Find by primary key."""
        row = await self._connection.row(
            "SELECT 1 FROM registration_tokens WHERE digest = ?1 AND uses_left > 0 AND expires_at > ?2", digest, now
        )
        return row is not None

    async def forget_before(self, expired_at: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM registration_tokens WHERE expires_at < ?1", expired_at)
