"""The SQL of codes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.credentials.one_time_code import MOST_TRIES, Code

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.credentials.one_time_code import Purpose
    from gatepass.server.store.connection import Connection, Row

_COLUMNS = "digest, purpose, user_id, email, holder, short_digest, payload, expires_at"


class SqlCodes:
    """`gatepass.server.domain.credentials.one_time_code.Codes`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, code: Code) -> None:
        """Delete the earlier one, insert this one."""
        await self._connection.row(
            "DELETE FROM codes WHERE holder = ?1 AND purpose = ?2 AND holder <> ?3", code.holder, code.purpose, b""
        )
        await self._connection.row(
            f"INSERT INTO codes ({_COLUMNS}, tries) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, 0)",
            code.digest,
            code.purpose,
            code.user_id,
            code.email,
            code.holder,
            code.short_digest,
            code.payload,
            code.expires_at,
        )

    async def look(self, digest: bytes, purpose: Purpose, now: float) -> Code | None:
        """Find by primary key."""
        return _code(
            await self._connection.row(
                f"SELECT {_COLUMNS} FROM codes WHERE digest = ?1 AND purpose = ?2 AND expires_at > ?3",
                digest,
                purpose,
                now,
            )
        )

    async def of_holder(self, holder: bytes, purposes: Sequence[Purpose], now: float) -> Code | None:
        """Find by holder: there are few."""
        rows = await self._connection.rows(
            f"SELECT {_COLUMNS} FROM codes WHERE holder = ?1 AND holder <> ?3 AND expires_at > ?2"
            " ORDER BY expires_at DESC",
            holder,
            now,
            b"",
        )
        return next((code for row in rows if (code := _code(row)) is not None and code.purpose in purposes), None)

    async def is_waited_for_by(self, holder: bytes, purpose: Purpose, now: float) -> str | None:
        """Look for one by holder."""
        row = await self._connection.row(
            "SELECT user_id FROM codes WHERE holder = ?1 AND purpose = ?2 AND expires_at > ?3 AND tries < ?4",
            holder,
            purpose,
            now,
            MOST_TRIES,
        )
        return None if row is None else str(row[0])

    async def use(self, digest: bytes, purpose: Purpose, now: float, *, holder: bytes | None = None) -> Code | None:
        """Delete by primary key, and by holder where it matters."""
        is_held, values = ("", ()) if holder is None else (" AND holder = ?4", (holder,))
        return _code(
            await self._connection.row(
                "DELETE FROM codes WHERE digest = ?1 AND purpose = ?2 AND expires_at > ?3"
                f"{is_held} RETURNING {_COLUMNS}",
                digest,
                purpose,
                now,
                *values,
            )
        )

    async def use_short(self, holder: bytes, short_digest: bytes, purpose: Purpose, now: float) -> Code | None:
        """Delete the right one, else count the try."""
        row = await self._connection.row(
            "DELETE FROM codes WHERE holder = ?1 AND short_digest = ?2 AND purpose = ?3 AND expires_at > ?4"
            f" AND tries < ?5 RETURNING {_COLUMNS}",
            holder,
            short_digest,
            purpose,
            now,
            MOST_TRIES,
        )
        if row is None:
            await self._connection.row(
                "UPDATE codes SET tries = tries + 1 WHERE holder = ?1 AND purpose = ?2", holder, purpose
            )
        return _code(row)

    async def forget_openers(self, user_id: str) -> None:
        """Delete by user, but for two purposes."""
        await self._connection.row(
            "DELETE FROM codes WHERE user_id = ?1 AND purpose NOT IN ('lock', 'operator_factor')", user_id
        )

    async def forget_locks(self, user_id: str, *, made_since: Code) -> None:
        """Delete by user and time; all of these live equally long."""
        await self._connection.row(
            "DELETE FROM codes WHERE user_id = ?1 AND purpose = 'lock' AND expires_at >= ?2",
            user_id,
            made_since.expires_at,
        )

    async def forget_user(self, user_id: str) -> None:
        """Delete by user."""
        await self._connection.row("DELETE FROM codes WHERE user_id = ?1", user_id)

    async def forget_expired(self, now: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM codes WHERE expires_at <= ?1", now)


def _code(row: Row | None) -> Code | None:
    return None if row is None else msgspec.convert(dict(zip(_COLUMNS.split(", "), row, strict=True)), Code)
