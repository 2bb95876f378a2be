"""The SQL of second factors."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.credentials.factors import Factors
from gatepass.server.domain.credentials.totp import TotpSecret
from gatepass.server.domain.credentials.trusted_devices import TrustedDevice

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.store.connection import Connection

_DEVICE = TrustedDevice.__struct_fields__
_TOTP = TotpSecret.__struct_fields__


class SqlFactorCounts:
    """`gatepass.server.domain.credentials.factors.FactorCounts`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of(self, user_id: str) -> Factors:
        """Count in three indexes."""
        row = await self._connection.row(
            "SELECT (SELECT COUNT(*) FROM passkeys WHERE user_id = ?1) AS passkeys,"
            " (SELECT COUNT(*) FROM totp_secrets WHERE user_id = ?1 AND confirmed_at IS NOT NULL) AS totp,"
            " (SELECT COUNT(*) FROM recovery_codes WHERE user_id = ?1) AS recovery_codes",
            user_id,
        )
        return msgspec.convert(dict(zip(Factors.__struct_fields__, row or (0, 0, 0), strict=True)), Factors)

    async def by_user(self) -> dict[str, Factors]:
        """Read each of the three indexes once."""
        rows = await self._connection.rows(
            "SELECT user_id, SUM(passkeys), SUM(totp), SUM(recovery_codes) FROM ("
            "SELECT user_id, 1 AS passkeys, 0 AS totp, 0 AS recovery_codes FROM passkeys"
            " UNION ALL SELECT user_id, 0, 1, 0 FROM totp_secrets WHERE confirmed_at IS NOT NULL"
            " UNION ALL SELECT user_id, 0, 0, 1 FROM recovery_codes) AS each_factor GROUP BY user_id"
        )
        return {
            str(user_id): msgspec.convert(dict(zip(Factors.__struct_fields__, counts, strict=True)), Factors)
            for user_id, *counts in rows
        }


class SqlTotpSecrets:
    """`gatepass.server.domain.credentials.totp.TotpSecrets`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of(self, user_id: str) -> TotpSecret | None:
        """Find by primary key."""
        row = await self._connection.row(f"SELECT {', '.join(_TOTP)} FROM totp_secrets WHERE user_id = ?1", user_id)
        return None if row is None else msgspec.convert(dict(zip(_TOTP, row, strict=True)), TotpSecret)

    async def put(self, secret: TotpSecret) -> bool:
        """Insert, or replace what is not confirmed."""
        row = await self._connection.row(
            f"INSERT INTO totp_secrets ({', '.join(_TOTP)}) VALUES (?1, ?2, ?3, ?4, ?5)"
            " ON CONFLICT (user_id) DO UPDATE SET sealed = excluded.sealed, last_step = excluded.last_step,"
            " created_at = excluded.created_at WHERE totp_secrets.confirmed_at IS NULL RETURNING user_id",
            *msgspec.structs.astuple(secret),
        )
        return row is not None

    async def confirm(self, user_id: str, step: int, now: float) -> bool:
        """Update, once."""
        row = await self._connection.row(
            "UPDATE totp_secrets SET confirmed_at = ?3, last_step = ?2"
            " WHERE user_id = ?1 AND confirmed_at IS NULL RETURNING user_id",
            user_id,
            step,
            now,
        )
        return row is not None

    async def use(self, user_id: str, step: int) -> bool:
        """Update, unless the step is behind."""
        row = await self._connection.row(
            "UPDATE totp_secrets SET last_step = ?2"
            " WHERE user_id = ?1 AND confirmed_at IS NOT NULL AND last_step < ?2 RETURNING user_id",
            user_id,
            step,
        )
        return row is not None

    async def remove_set_up_since(self, user_id: str, since: float) -> bool:
        """Delete by primary key and time."""
        row = await self._connection.row(
            "DELETE FROM totp_secrets WHERE user_id = ?1 AND (created_at >= ?2 OR confirmed_at >= ?2)"
            " RETURNING user_id",
            user_id,
            since,
        )
        return row is not None

    async def remove(self, user_id: str) -> bool:
        """Delete by primary key."""
        row = await self._connection.row("DELETE FROM totp_secrets WHERE user_id = ?1 RETURNING user_id", user_id)
        return row is not None


class SqlRecoveryCodes:
    """`gatepass.server.domain.credentials.recovery_codes.RecoveryCodes`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def replace(self, user_id: str, digests: Sequence[bytes]) -> None:
        """Delete, and insert."""
        await self._connection.row("DELETE FROM recovery_codes WHERE user_id = ?1", user_id)
        for digest in digests:
            await self._connection.row("INSERT INTO recovery_codes (user_id, digest) VALUES (?1, ?2)", user_id, digest)

    async def use(self, user_id: str, digest: bytes) -> bool:
        """Delete by primary key."""
        row = await self._connection.row(
            "DELETE FROM recovery_codes WHERE user_id = ?1 AND digest = ?2 RETURNING user_id", user_id, digest
        )
        return row is not None


class SqlRememberedDevices:
    """`gatepass.server.domain.credentials.trusted_devices.RememberedDevices`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, device: TrustedDevice) -> None:
        """Insert."""
        await self._connection.row(
            f"INSERT INTO remembered_devices ({', '.join(_DEVICE)}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)",
            *msgspec.structs.astuple(device),
        )

    async def knows(self, user_id: str, digest: bytes, now: float) -> bool:
        """Look at the one row."""
        row = await self._connection.row(
            "SELECT 1 FROM remembered_devices WHERE digest = ?2 AND user_id = ?1 AND expires_at > ?3",
            user_id,
            digest,
            now,
        )
        return row is not None

    async def of(self, user_id: str, now: float) -> list[TrustedDevice]:
        """Select by user."""
        rows = await self._connection.rows(
            f"SELECT {', '.join(_DEVICE)} FROM remembered_devices WHERE user_id = ?1 AND expires_at > ?2"
            " ORDER BY created_at DESC, id",
            user_id,
            now,
        )
        return [msgspec.convert(dict(zip(_DEVICE, row, strict=True)), TrustedDevice) for row in rows]

    async def forget(self, device_id: str, user_id: str) -> bool:
        """Delete by primary key."""
        row = await self._connection.row(
            "DELETE FROM remembered_devices WHERE id = ?1 AND user_id = ?2 RETURNING id", device_id, user_id
        )
        return row is not None

    async def forget_all_of(self, user_id: str) -> None:
        """Delete by user."""
        await self._connection.row("DELETE FROM remembered_devices WHERE user_id = ?1", user_id)

    async def forget_expired(self, now: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM remembered_devices WHERE expires_at <= ?1", now)
