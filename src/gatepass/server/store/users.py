"""The SQL of users."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.store.connection import words
from gatepass.server.users import User

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection, Row

_COLUMNS = "id, email, created_at, roles, email_verified_at, disabled_at"


class SqlUsers:
    """`gatepass.server.users.Users`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, user: User) -> bool:
        """Insert, unless the address is there."""
        row = await self._connection.row(
            f"INSERT INTO users ({_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6)"
            " ON CONFLICT (email) DO NOTHING RETURNING id",
            user.id,
            user.email,
            user.created_at,
            " ".join(user.roles),
            user.email_verified_at,
            user.disabled_at,
        )
        return row is not None

    async def by_id(self, user_id: str) -> User | None:
        """Find by primary key."""
        return _user(await self._connection.row(f"SELECT {_COLUMNS} FROM users WHERE id = ?1", user_id))

    async def by_email(self, email: str) -> User | None:
        """Find by address."""
        return _user(await self._connection.row(f"SELECT {_COLUMNS} FROM users WHERE email = ?1", email))

    async def all(self) -> list[User]:
        """Select everybody."""
        rows = await self._connection.rows(f"SELECT {_COLUMNS} FROM users ORDER BY email")
        return [user for row in rows if (user := _user(row))]

    async def set_roles(self, user_id: str, roles: tuple[str, ...]) -> None:
        """Update the column."""
        await self._connection.row("UPDATE users SET roles = ?2 WHERE id = ?1", user_id, " ".join(roles))

    async def set_disabled(self, user_id: str, at: float | None) -> None:
        """Update the column."""
        await self._connection.row("UPDATE users SET disabled_at = ?2 WHERE id = ?1", user_id, at)


def _user(row: Row | None) -> User | None:
    if row is None:
        return None
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return msgspec.convert(fields | {"roles": words(fields["roles"])}, User)
