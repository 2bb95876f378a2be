"""The act of removing a trusted device, which is asked for the second factor again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide
from gatepass.server.features.account.credentials.changes import not_found

if TYPE_CHECKING:
    from gatepass.server.base.errors import Refusal
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


async def forget_device(database: Database, call: Call, device_id: str) -> None:
    """Remove one of the caller's devices. Raises Refusal: `factor_not_found`."""
    user_id, origin = call.caller.user.id, call.origin

    async def unit(tx: Transaction) -> Refusal | None:
        if not await tx.devices.forget(device_id, user_id):
            return not_found()
        await record(tx, "device_forgotten", user_id, where=origin)
        return None

    await decide(database, unit, about=user_id)
