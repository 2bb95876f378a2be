"""The SQL of what is known of clients' metadata documents."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.sessions.client_document_state import DocumentState

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection

_COLUMNS = "client_id, fresh_until, missing_since"


class SqlDocumentStates:
    """`gatepass.server.domain.sessions.client_document_state.DocumentStates`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def of(self, client_id: str) -> DocumentState | None:
        """Find by primary key."""
        row = await self._connection.row(f"SELECT {_COLUMNS} FROM client_documents WHERE client_id = ?1", client_id)
        return (
            None if row is None else msgspec.convert(dict(zip(_COLUMNS.split(", "), row, strict=True)), DocumentState)
        )

    async def put(self, state: DocumentState) -> None:
        """Insert, or update the row."""
        await self._connection.row(
            f"INSERT INTO client_documents ({_COLUMNS}) VALUES (?1, ?2, ?3) ON CONFLICT (client_id)"
            " DO UPDATE SET fresh_until = excluded.fresh_until, missing_since = excluded.missing_since",
            state.client_id,
            state.fresh_until,
            state.missing_since,
        )
