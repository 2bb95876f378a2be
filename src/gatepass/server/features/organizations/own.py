"""A person's own organizations: reading, joining by domain, switching."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.organizations.activating import choose_organization
from gatepass.server.domain.organizations.joining import add_member, joinable
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.recent import check_still, session_ended

if TYPE_CHECKING:
    from gatepass.server.domain.organizations.member import Membership
    from gatepass.server.domain.organizations.organization import Organization
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import ListKeys
    from gatepass.server.domain.sessions.caller import Caller
    from gatepass.server.web.call import Call


class Needs(Protocol):
    """What the acts use of the core."""

    @property
    def database(self) -> Database: ...
    @property
    def list_keys(self) -> ListKeys: ...


class OwnMemberships(msgspec.Struct, frozen=True, kw_only=True):
    """A person's organizations, by slug; `active` is the id of that which their tokens are for, or empty.

    `joinable` is the one that the domain of their address lets them join.
    """

    memberships: list[Membership]
    active: str
    joinable: Organization | None


async def own_organizations(database: Database, caller: Caller) -> OwnMemberships:
    """Read them."""

    async def unit(tx: Transaction) -> OwnMemberships:
        return OwnMemberships(
            memberships=await tx.members.of_user(caller.user.id),
            active=await tx.grants.organization_in(caller.session_id),
            joinable=await _joinable(tx, caller.user.id),
        )

    return await database.read(unit)


async def join(needs: Needs, call: Call, organization: str) -> Organization:
    """Join an organization by the domain of one's address, from one's own session.

    Raises:
        Refusal: `cannot_join`, or as `check_still`.
    """
    caller = call.caller

    async def unit(tx: Transaction) -> Organization | Refusal:
        if refused := await check_still(tx, caller.user, caller.session_id):
            return refused
        found = await _joinable(tx, caller.user.id)
        if found is None or organization not in (found.id, found.slug):
            return Refusal("cannot_join", "The domain of your address does not let you join this organization.")
        return await add_member(tx, found.id, caller.user.id, actor=caller.user.id, where=call.origin) or found

    return await decide(needs.database, unit)


async def switch(needs: Needs, call: Call, organization: str) -> None:
    """Let the tokens of the caller's session be for another organization, or none. Raises as `choose_organization`."""
    caller = call.caller

    async def unit(tx: Transaction) -> Refusal | None:
        grant_id = await tx.grants.first_party_of(caller.session_id)
        if grant_id is None:
            return session_ended()
        return await choose_organization(tx, grant_id, caller.user.id, organization, needs.list_keys)

    await decide(needs.database, unit)


async def _joinable(tx: Transaction, user_id: str) -> Organization | None:
    user = await tx.users.by_id(user_id)
    return None if user is None or user.closed is not None else await joinable(tx, user)
