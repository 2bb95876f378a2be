"""The SQL of passkeys."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.credentials.passkeys.passkey import Passkey
from gatepass.server.store.connection import words

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection, Row

_FIELDS = Passkey.__struct_fields__
_COLUMNS = ", ".join(_FIELDS)
_VALUES = ", ".join(f"?{number}" for number in range(1, len(_FIELDS) + 1))


class SqlPasskeys:
    """`gatepass.server.domain.credentials.passkeys.passkey.Passkeys`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, passkey: Passkey) -> bool:
        """Insert, unless the credential is there."""
        row = await self._connection.row(
            f"INSERT INTO passkeys ({_COLUMNS}) VALUES ({_VALUES}) ON CONFLICT (credential_id) DO NOTHING RETURNING id",
            passkey.id,
            passkey.user_id,
            passkey.credential_id,
            passkey.public_key,
            passkey.sign_count,
            int(passkey.can_be_backed_up),
            int(passkey.is_backed_up),
            passkey.aaguid,
            " ".join(passkey.transports),
            passkey.name,
            passkey.created_at,
            passkey.used_at,
        )
        return row is not None

    async def by_credential(self, credential_id: bytes) -> Passkey | None:
        """Find by the unique index."""
        row = await self._connection.row(f"SELECT {_COLUMNS} FROM passkeys WHERE credential_id = ?1", credential_id)
        return None if row is None else _passkey(row)

    async def of(self, user_id: str) -> list[Passkey]:
        """Select by user."""
        rows = await self._connection.rows(
            f"SELECT {_COLUMNS} FROM passkeys WHERE user_id = ?1 ORDER BY created_at, id", user_id
        )
        return [_passkey(row) for row in rows]

    async def use(self, passkey_id: str, *, sign_count: int, is_backed_up: bool, now: float) -> bool:
        """Update, unless the counter is behind."""
        row = await self._connection.row(
            "UPDATE passkeys SET sign_count = ?2, is_backed_up = ?3, used_at = ?4"
            " WHERE id = ?1 AND (sign_count < ?2 OR (sign_count = 0 AND ?2 = 0)) RETURNING id",
            passkey_id,
            sign_count,
            int(is_backed_up),
            now,
        )
        return row is not None

    async def rename(self, passkey_id: str, user_id: str, name: str) -> bool:
        """Update the column."""
        row = await self._connection.row(
            "UPDATE passkeys SET name = ?3 WHERE id = ?1 AND user_id = ?2 RETURNING id", passkey_id, user_id, name
        )
        return row is not None

    async def remove(self, passkey_id: str, user_id: str) -> bool:
        """Delete by primary key."""
        row = await self._connection.row(
            "DELETE FROM passkeys WHERE id = ?1 AND user_id = ?2 RETURNING id", passkey_id, user_id
        )
        return row is not None

    async def remove_made_since(self, user_id: str, since: float) -> bool:
        """Delete by user and time."""
        gone = await self._connection.rows(
            "DELETE FROM passkeys WHERE user_id = ?1 AND created_at >= ?2 RETURNING id", user_id, since
        )
        return bool(gone)

    async def remove_all_of(self, user_id: str) -> None:
        """Delete by user."""
        await self._connection.row("DELETE FROM passkeys WHERE user_id = ?1", user_id)


def _passkey(row: Row) -> Passkey:
    fields = dict(zip(_FIELDS, row, strict=True))
    for name in ("can_be_backed_up", "is_backed_up"):
        fields[name] = bool(fields[name])
    return msgspec.convert(fields | {"transports": words(fields["transports"])}, Passkey)
