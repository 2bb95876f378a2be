"""The act of changing what the account says of its user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.domain.accounts.profile import changed_members
from gatepass.server.domain.events.recording import record

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.profile import Profile, ProfileChanges
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


async def change_profile(database: Database, call: Call, changes: ProfileChanges) -> Profile:
    """Change it, and return it. It shows in the next tokens; those that there are say what was true, and stay.

    Raises:
        Refusal: `invalid_body` or `metadata_too_large`.
    """
    user, origin = call.caller.user, call.origin

    async def unit(tx: Transaction) -> Profile:
        before = await tx.profiles.of(user.id)
        after = changes.applied_to(before)
        if changed := changed_members(before, after):
            await tx.profiles.put(user.id, after)
            await record(tx, "profile_changed", user.id, reason=" ".join(changed), where=origin)
        return after

    return await database.transaction(unit)
