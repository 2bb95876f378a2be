"""The act of changing what the account says of its user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.profile import changed_members
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.profile import ProfileChanges, UserProfile
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.web.call import Call


async def change_profile(database: Database, call: Call, changes: ProfileChanges) -> UserProfile:
    """Change it, and return it. It shows in the next tokens; those that there are say what was true, and stay.

    Raises:
        Refusal: `invalid_body` or `metadata_too_large`.
    """
    user, origin = call.caller.user, call.origin

    async def unit(tx: Transaction) -> UserProfile | Refusal:
        before = await tx.profiles.of(user.id)
        after = changes.applied_to(before)
        if isinstance(after, Refusal):
            return after
        if changed := changed_members(before, after):
            await tx.profiles.put(user.id, after)
            await record(tx, "profile_changed", user.id, reason=" ".join(changed), where=origin)
        return after

    return await decide(database, unit, about=user.id)
