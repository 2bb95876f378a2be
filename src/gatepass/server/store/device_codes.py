"""The SQL of devices that wait to be authorized."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.events.event import Origin
from gatepass.server.domain.sessions.authorization_request import AuthorizationRequest
from gatepass.server.domain.sessions.device_code import DeviceCode

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection, Row

_COLUMNS = (
    "digest, user_digest, request, address, user_agent, asked_at, expires_at, pause, polled_at, state, session_id,"
    " user_id"
)


class SqlDeviceCodes:
    """`gatepass.server.domain.sessions.device_code.DeviceCodes`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, code: DeviceCode) -> bool:
        """Insert, unless the user code is taken."""
        row = await self._connection.row(
            f"INSERT INTO device_codes ({_COLUMNS}, client_id)"
            " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)"
            " ON CONFLICT (user_digest) DO NOTHING RETURNING client_id",
            code.digest,
            code.user_digest,
            msgspec.json.encode(code.request).decode(),
            code.asked_from.address,
            code.asked_from.user_agent,
            code.asked_at,
            code.expires_at,
            code.pause,
            code.polled_at,
            code.state,
            code.session_id,
            code.user_id,
            code.request.client_id,
        )
        return row is not None

    async def by_digest(self, digest: bytes) -> DeviceCode | None:
        """Find by primary key."""
        return _code(await self._connection.row(f"SELECT {_COLUMNS} FROM device_codes WHERE digest = ?1", digest))

    async def waiting(self, user_digest: bytes, now: float) -> DeviceCode | None:
        """Find by the unique index."""
        return _code(
            await self._connection.row(
                f"SELECT {_COLUMNS} FROM device_codes WHERE user_digest = ?1 AND state = 'pending' AND expires_at > ?2",
                user_digest,
                now,
            )
        )

    async def approve(
        self, user_digest: bytes, request: AuthorizationRequest, *, user_id: str, session_id: str, now: float
    ) -> bool:
        """Update the row that is pending."""
        row = await self._connection.row(
            "UPDATE device_codes SET state = 'approved', request = ?3, user_id = ?4, session_id = ?5"
            " WHERE user_digest = ?1 AND state = 'pending' AND expires_at > ?2 RETURNING client_id",
            user_digest,
            now,
            msgspec.json.encode(request).decode(),
            user_id,
            session_id,
        )
        return row is not None

    async def deny(self, user_digest: bytes, now: float) -> bool:
        """Update the row that is pending."""
        row = await self._connection.row(
            "UPDATE device_codes SET state = 'denied'"
            " WHERE user_digest = ?1 AND state = 'pending' AND expires_at > ?2 RETURNING client_id",
            user_digest,
            now,
        )
        return row is not None

    async def poll(self, digest: bytes, *, pause: int, now: float) -> None:
        """Update the columns."""
        await self._connection.row(
            "UPDATE device_codes SET polled_at = ?2, pause = ?3 WHERE digest = ?1", digest, now, pause
        )

    async def redeem(self, digest: bytes) -> bool:
        """Update the row that is approved."""
        row = await self._connection.row(
            "UPDATE device_codes SET state = 'redeemed' WHERE digest = ?1 AND state = 'approved' RETURNING client_id",
            digest,
        )
        return row is not None

    async def addresses_of(self, client_id: str, now: float) -> list[str]:
        """Select by index."""
        rows = await self._connection.rows(
            "SELECT address FROM device_codes WHERE client_id = ?1 AND expires_at > ?2", client_id, now
        )
        return [str(address) for (address,) in rows]

    async def forget_before(self, expired_at: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM device_codes WHERE expires_at < ?1", expired_at)

    async def remove_unused_of(self, user_id: str, client_id: str) -> None:
        """Delete by client and user."""
        await self._connection.row(
            "DELETE FROM device_codes WHERE client_id = ?2 AND user_id = ?1 AND state = 'approved'", user_id, client_id
        )

    async def remove_all_of_client(self, client_id: str) -> None:
        """Delete by client."""
        await self._connection.row("DELETE FROM device_codes WHERE client_id = ?1", client_id)


def _code(row: Row | None) -> DeviceCode | None:
    if row is None:
        return None
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    asked_from = Origin(address=str(fields["address"]), user_agent=str(fields["user_agent"]))
    request = msgspec.json.decode(str(fields["request"]), type=AuthorizationRequest)
    return msgspec.convert({**fields, "asked_from": asked_from, "request": request}, DeviceCode)
