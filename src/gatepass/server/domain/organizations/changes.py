"""What changes in an organization, inside a transaction; what live tokens say of it dies in the same one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from gatepass.server.domain.accounts.profile import differ_at
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.organizations.joining import add_member
from gatepass.server.domain.organizations.organization import slug_taken
from gatepass.server.domain.sessions.revoke import move_grants

if TYPE_CHECKING:
    from collections.abc import Collection

    from gatepass.server.base.errors import Refusal
    from gatepass.server.domain.events.event import EventKind, Origin
    from gatepass.server.domain.organizations.member import Member
    from gatepass.server.domain.organizations.organization import Organization
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.status_indexes import ListKeys


@dataclass(frozen=True, slots=True)
class OrganizationChanges:
    """The changes; each is recorded with who made it, and from where."""

    by: str
    where: Origin
    lists: ListKeys
    in_tokens: Collection[tuple[str, ...]] = ()
    """The paths in the metadata that live tokens may carry."""

    async def add(self, tx: Transaction, organization: Organization) -> Refusal | None:
        """Add an organization."""
        if not await tx.organizations.add(organization):
            return slug_taken()
        await self._record(tx, "organization_created", organization)
        return None

    async def put(self, tx: Transaction, before: Organization, after: Organization) -> Refusal | None:
        """Change slug, name or metadata. Tokens die where they say something else; a name is in the next one."""
        if not await tx.organizations.put(after):
            return slug_taken()
        if before == after:
            return None
        await self._record(tx, "organization_changed", after)
        if before.slug != after.slug or differ_at(self.in_tokens, before.metadata, after.metadata):
            await move_grants(tx, await tx.grants.naming(after.id, tx.now), self.lists)
        return None

    async def remove(self, tx: Transaction, organization: Organization) -> None:
        """Remove an organization with all that belongs to it, and the tokens that name it."""
        await move_grants(tx, await tx.grants.naming(organization.id, tx.now), self.lists)
        await tx.grants.leave_organization(organization.id)
        await tx.invitations.remove_all(organization.id)
        await tx.domains.remove_all(organization.id)
        await tx.members.remove_all(organization.id)
        await tx.organizations.remove(organization.id)
        await self._record(tx, "organization_removed", organization)

    async def add_member(
        self, tx: Transaction, organization: Organization, user_id: str, roles: Collection[str]
    ) -> Refusal | None:
        """Add a member."""
        return await add_member(tx, organization.id, user_id, roles, actor=self.by, where=self.where)

    async def set_roles(
        self, tx: Transaction, organization: Organization, member: Member, roles: Collection[str]
    ) -> None:
        """Replace a member's roles; when one is removed, their tokens that name the organization are revoked."""
        after = sorted(set(roles))
        if tuple(after) == member.roles:
            return
        await tx.members.set_roles(organization.id, member.user_id, after)
        await self._record(tx, "member_roles_changed", organization, member.user_id)
        if not set(member.roles) <= set(after):
            await self._end_tokens(tx, member)

    async def remove_member(self, tx: Transaction, organization: Organization, member: Member) -> None:
        """Remove a member, and revoke their tokens that name the organization."""
        await self._end_tokens(tx, member)
        await tx.grants.leave_organization(organization.id, user_id=member.user_id)
        await tx.members.remove(organization.id, member.user_id)
        await self._record(tx, "member_removed", organization, member.user_id)

    async def _end_tokens(self, tx: Transaction, member: Member) -> None:
        """The grants stay: a refresh brings what is left."""
        named = await tx.grants.naming(member.organization_id, tx.now, user_id=member.user_id)
        await move_grants(tx, named, self.lists)

    async def _record(self, tx: Transaction, kind: EventKind, organization: Organization, user_id: str = "") -> None:
        await record(tx, kind, user_id, actor=self.by, reason=organization.id, where=self.where)
