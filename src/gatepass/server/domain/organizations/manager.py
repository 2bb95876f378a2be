"""Who manages an organization: operators, and its members with the role `admin`. Looked up at each act."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings.tokens import ADMIN_WRITE
from gatepass.server.domain.events.event import OPERATOR
from gatepass.server.domain.organizations.organization import organization_not_found

if TYPE_CHECKING:
    from gatepass.server.domain.organizations.organization import Organization
    from gatepass.server.domain.ports import Transaction


class Manager(msgspec.Struct, frozen=True, kw_only=True):
    """Who manages: `id` is the `actor` of the events. An operator's right was proved with the call."""

    id: str
    is_operator: bool = False

    async def find(self, tx: Transaction, id_or_slug: str) -> Organization | Refusal:
        """The organization, if they manage it.

        Refused as `organization_not_found`, also to those who are not members, or `not_organization_admin`.
        """
        found = await tx.organizations.find(id_or_slug) if id_or_slug.isprintable() else None
        if found is None or self.is_operator:
            return found or organization_not_found()
        member = await tx.members.find(found.id, self.id)
        if member is None:
            return organization_not_found()
        if not member.is_admin:
            return Refusal("not_organization_admin", "Only the organization's admins may do this.")
        return found


COMMAND_LINE_MANAGER = Manager(id=OPERATOR, is_operator=True)


async def still_manages(tx: Transaction, organization_id: str, actor: str) -> bool:
    """Whether one who managed the organization then may do so today: what they have begun is carried out for them."""
    if actor == OPERATOR:
        return True
    if (user := await tx.users.by_id(actor)) is not None:
        member = await tx.members.find(organization_id, actor)
        return user.closed is None and (user.is_operator or (member is not None and member.is_admin))
    client = await tx.clients.by_id(actor)
    return client is not None and client.disabled_at is None and ADMIN_WRITE in client.scope
