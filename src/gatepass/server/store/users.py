"""The SQL of users."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.accounts.user import User
from gatepass.server.store.connection import AFTER_EVERYTHING, has_word, words

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.user import UserFilter
    from gatepass.server.store.connection import Connection, Row, Value

_ADDRESS = "email COLLATE BINARY"
_NAME = "name_key COLLATE BINARY"
"""Addresses in the order of their octets, which has an index of its own on PostgreSQL."""
_ADDRESS_WITHOUT_INDEX = "(email || '') COLLATE BINARY"
_ID_PREFIX = "usr_"
_COLUMNS = "id, email, created_at, roles, email_verified_at, disabled_at, locked_at, origin, address_proved_at"
_NAMES = _COLUMNS.split(", ")
_SIGNED_IN = (
    f"SELECT {_COLUMNS} FROM users WHERE id = (SELECT user_id FROM sessions WHERE id = ?1"
    " AND user_id = ?2 AND ended_at IS NULL AND expires_at > ?3)"
)


class SqlUsers:
    """`gatepass.server.domain.accounts.user.Users`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, user: User) -> bool:
        """Insert, unless the address or the id is there, or the id was."""
        row = await self._connection.row(
            f"INSERT INTO users ({_COLUMNS}) SELECT ?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9"
            " WHERE NOT EXISTS (SELECT 1 FROM deleted_user_ids WHERE digest = ?10) ON CONFLICT DO NOTHING RETURNING id",
            user.id,
            user.email,
            user.created_at,
            " ".join(user.roles),
            user.email_verified_at,
            user.disabled_at,
            user.locked_at,
            user.origin,
            user.address_proved_at,
            _digest(user.id),
        )
        return row is not None

    async def by_id(self, user_id: str) -> User | None:
        """Find by primary key."""
        return _user(await self._connection.row(f"SELECT {_COLUMNS} FROM users WHERE id = ?1", user_id))

    async def by_email(self, email: str) -> User | None:
        """Find by address."""
        return _user(await self._connection.row(f"SELECT {_COLUMNS} FROM users WHERE email = ?1", email))

    async def signed_in(self, session_id: str, user_id: str, now: float) -> User | None:
        """Find both by primary key; a join, or EXISTS, takes SQLite four times as long as this."""
        return _user(await self._connection.row(_SIGNED_IN, session_id, user_id, now))

    async def all(self) -> list[User]:
        """Select all."""
        rows = await self._connection.rows(f"SELECT {_COLUMNS} FROM users ORDER BY email")
        return [user for row in rows if (user := _user(row))]

    async def page(self, users: UserFilter) -> list[User]:
        """Select a page by the index of the addresses, of the names, or of the ids where the search is one.

        A page by both the address and the name is put together from one of each, since no index has both.
        """
        # Of an organization there are few, found by their ids: no index of all addresses is to be walked for them.
        address = _ADDRESS if users.organization is None else _ADDRESS_WITHOUT_INDEX
        clauses: list[str] = []
        values: list[Value] = [users.after, users.search, users.search + AFTER_EVERYTHING, users.limit]

        def where(clause: str, *given: Value) -> None:
            numbers = [f"?{len(values) + position}" for position in range(1, len(given) + 1)]
            clauses.append(clause.format(*numbers))
            values.extend(given)

        if users.role is not None:
            where(f"roles <> '' AND {has_word('roles', '{0}')}", users.role)
        if users.organization is not None:
            where("id IN (SELECT user_id FROM organization_members WHERE organization_id = {})", users.organization)
        if users.disabled is not None:
            clauses.append(f"disabled_at IS {'NOT ' if users.disabled else ''}NULL")

        def page(found: str, address: str) -> str:
            conditions = " AND ".join((f"{address} > ?1", found, *clauses))
            return f"SELECT {_COLUMNS} FROM users WHERE {conditions} ORDER BY {address} LIMIT ?4"

        begins = "{0} >= ?2 AND {0} < ?3"
        if users.search.startswith(_ID_PREFIX):
            sql = page(begins.format("id COLLATE BINARY"), _ADDRESS_WITHOUT_INDEX)
        elif users.search:
            by_address = page(begins.format(address), address)
            by_name = page(f"name_key <> '' AND {begins.format(_NAME)}", _ADDRESS_WITHOUT_INDEX)
            both = f"SELECT * FROM ({by_address}) AS by_address UNION SELECT * FROM ({by_name}) AS by_name"
            sql = f"SELECT * FROM ({both}) AS found ORDER BY {_ADDRESS} LIMIT ?4"
        else:
            sql = page("CAST(?2 AS TEXT) <= CAST(?3 AS TEXT)", address)  # true, whatever they are
        rows = await self._connection.rows(sql, *values)
        return [user for row in rows if (user := _user(row))]

    async def count(self) -> tuple[int, int]:
        """Count all, and those in the index of the disabled."""
        row = await self._connection.row(
            "SELECT (SELECT COUNT(*) FROM users), (SELECT COUNT(*) FROM users WHERE disabled_at IS NOT NULL)"
        )
        people, disabled = row or (0, 0)
        return int(people or 0), int(disabled or 0)

    async def reserved_names_taken(self) -> list[tuple[str, str]]:
        """Select all."""
        rows = await self._connection.rows("SELECT holder, name FROM reserved_names_taken ORDER BY holder, name")
        return [(str(holder), str(name)) for holder, name in rows]

    async def set_roles(self, user_id: str, roles: tuple[str, ...]) -> None:
        """Update the column."""
        await self._connection.row("UPDATE users SET roles = ?2 WHERE id = ?1", user_id, " ".join(roles))

    async def set_disabled(self, user_id: str, at: float | None) -> None:
        """Update the column."""
        await self._connection.row("UPDATE users SET disabled_at = ?2 WHERE id = ?1", user_id, at)

    async def set_locked(self, user_id: str, at: float | None) -> None:
        """Update the column."""
        await self._connection.row("UPDATE users SET locked_at = ?2 WHERE id = ?1", user_id, at)

    async def set_email(self, user_id: str, email: str, verified_at: float | None) -> bool:
        """Update the columns, unless the address is there."""
        row = await self._connection.row(
            "UPDATE users SET email = ?2, email_verified_at = ?3,"
            " address_proved_at = CASE WHEN email = ?2 AND ?4 = 1 THEN address_proved_at END WHERE id = ?1"
            " AND NOT EXISTS (SELECT 1 FROM users AS other WHERE other.email = ?2 AND other.id <> ?1) RETURNING id",
            user_id,
            email,
            verified_at,
            int(verified_at is not None),
        )
        return row is not None

    async def set_proved(self, user_id: str, at: float) -> None:
        """Update the column."""
        await self._connection.row("UPDATE users SET address_proved_at = ?2 WHERE id = ?1", user_id, at)

    async def set_verified(self, user_id: str, at: float) -> None:
        """Update the column."""
        await self._connection.row("UPDATE users SET email_verified_at = ?2 WHERE id = ?1", user_id, at)

    async def remove(self, user_id: str) -> None:
        """Delete by primary key, and keep the digest of the id."""
        await self._connection.row("DELETE FROM users WHERE id = ?1", user_id)
        await self._connection.row(
            "INSERT INTO deleted_user_ids (digest) VALUES (?1) ON CONFLICT DO NOTHING", _digest(user_id)
        )

    async def was_deleted(self, user_id: str) -> bool:
        """Find by primary key."""
        row = await self._connection.row("SELECT 1 FROM deleted_user_ids WHERE digest = ?1", _digest(user_id))
        return row is not None


def _digest(user_id: str) -> bytes:
    """What stays of a deleted user's id, which may be a name or an address where it comes from another system."""
    return sha256(user_id.encode()).digest()


def _user(row: Row | None) -> User | None:
    if row is None:
        return None
    fields: dict[str, object] = dict(zip(_NAMES, row, strict=True))
    fields["roles"] = words(row[_NAMES.index("roles")])
    return msgspec.convert(fields, User)
