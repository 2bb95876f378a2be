"""The SQL of authorization codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.sessions.authorization_code import AuthorizationCode
from gatepass.server.domain.sessions.authorization_request import AuthorizationRequest

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection

_COLUMNS = "digest, client_id, user_id, session_id, grant_id, request, expires_at, used_at"


class SqlAuthorizationCodes:
    """`gatepass.server.domain.sessions.authorization_code.AuthorizationCodes`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, code: AuthorizationCode) -> None:
        """Insert."""
        await self._connection.row(
            f"INSERT INTO authorization_codes ({_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
            code.digest,
            code.client_id,
            code.user_id,
            code.session_id,
            code.grant_id,
            msgspec.json.encode(code.request).decode(),
            code.expires_at,
            code.used_at,
        )

    async def by_digest(self, digest: bytes) -> AuthorizationCode | None:
        """Find by primary key."""
        row = await self._connection.row(f"SELECT {_COLUMNS} FROM authorization_codes WHERE digest = ?1", digest)
        if row is None:
            return None
        fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
        request = msgspec.json.decode(str(fields["request"]), type=AuthorizationRequest)
        return msgspec.convert({**fields, "request": request}, AuthorizationCode)

    async def use(self, digest: bytes, now: float) -> bool:
        """Update the row that has not been updated."""
        row = await self._connection.row(
            "UPDATE authorization_codes SET used_at = ?2 WHERE digest = ?1 AND used_at IS NULL RETURNING client_id",
            digest,
            now,
        )
        return row is not None

    async def forget_before(self, expired_at: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM authorization_codes WHERE expires_at < ?1", expired_at)

    async def remove_unused_of_client(self, client_id: str) -> None:
        """Delete by client."""
        await self._connection.row(
            "DELETE FROM authorization_codes WHERE client_id = ?1 AND used_at IS NULL", client_id
        )

    async def remove_unused_of(self, user_id: str, client_id: str) -> None:
        """Delete by user and client."""
        await self._connection.row(
            "DELETE FROM authorization_codes WHERE user_id = ?1 AND client_id = ?2 AND used_at IS NULL",
            user_id,
            client_id,
        )

    async def remove_all_of(self, user_id: str) -> None:
        """Delete by user."""
        await self._connection.row("DELETE FROM authorization_codes WHERE user_id = ?1", user_id)
