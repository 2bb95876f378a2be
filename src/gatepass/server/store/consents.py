"""The SQL of consents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.sessions.consent import Consent
from gatepass.server.store.connection import words

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection, Row

_COLUMNS = "user_id, client_id, client_name, host, scope, resource, given_at"


class SqlConsents:
    """`gatepass.server.domain.sessions.consent.Consents`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of(self, user_id: str, client_id: str) -> Consent | None:
        """Find by primary key."""
        row = await self._connection.row(
            f"SELECT {_COLUMNS} FROM consents WHERE user_id = ?1 AND client_id = ?2", user_id, client_id
        )
        return _consent(row) if row else None

    async def put(self, consent: Consent) -> None:
        """Insert, or update what is there."""
        await self._connection.row(
            f"INSERT INTO consents ({_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"
            " ON CONFLICT (user_id, client_id) DO UPDATE SET client_name = ?3, host = ?4, scope = ?5, resource = ?6,"
            " given_at = ?7",
            consent.user_id,
            consent.client_id,
            consent.client_name,
            consent.host,
            " ".join(consent.scope),
            " ".join(consent.resource),
            consent.given_at,
        )

    async def withdraw(self, user_id: str, client_id: str) -> bool:
        """Delete the row."""
        row = await self._connection.row(
            "DELETE FROM consents WHERE user_id = ?1 AND client_id = ?2 RETURNING client_id", user_id, client_id
        )
        return row is not None

    async def all_of(self, user_id: str) -> list[Consent]:
        """Select by user."""
        rows = await self._connection.rows(
            f"SELECT {_COLUMNS} FROM consents WHERE user_id = ?1 ORDER BY given_at DESC, client_id", user_id
        )
        return [_consent(row) for row in rows]

    async def remove_all_of(self, user_id: str) -> None:
        """Delete by user."""
        await self._connection.row("DELETE FROM consents WHERE user_id = ?1", user_id)

    async def remove_all_of_client(self, client_id: str) -> None:
        """Delete by client."""
        await self._connection.row("DELETE FROM consents WHERE client_id = ?1", client_id)


def _consent(row: Row) -> Consent:
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    lists = {name: words(fields[name]) for name in ("scope", "resource")}
    return msgspec.convert({**fields, **lists}, Consent)
