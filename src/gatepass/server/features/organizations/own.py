"""Reading the organizations of a person."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from gatepass.server.domain.organizations.member import Membership
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.caller import Caller


class OwnMemberships(msgspec.Struct, frozen=True, kw_only=True):
    """A person's organizations, by slug; `active` is the id of that which their tokens are for, or empty."""

    memberships: list[Membership]
    active: str


async def own_organizations(database: Database, caller: Caller) -> OwnMemberships:
    """Read them."""

    async def unit(tx: Transaction) -> OwnMemberships:
        return OwnMemberships(
            memberships=await tx.members.of_user(caller.user.id),
            active=await tx.grants.organization_in(caller.session_id),
        )

    return await database.read(unit)
