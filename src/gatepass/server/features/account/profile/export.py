"""The act of exporting all data about a user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.accounts.export import collect
from gatepass.server.domain.events.recording import record

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.export import Exported
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


async def export(database: Database, call: Call) -> Exported:
    """Record the export, and return the data, which includes that event."""
    user, origin = call.caller.user, call.origin

    async def unit(tx: Transaction) -> Exported:
        await record(tx, "data_exported", user.id, where=origin)
        return await collect(tx, user)

    return await database.transaction(unit, about=user.id)
