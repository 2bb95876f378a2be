"""The acts on organizations and their members, of operators and of an organization's admins; each one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec
from msgspec import UNSET, UnsetType  # noqa: TC002 - msgspec reads the annotations of a struct

from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.profile import Document, patched, too_large  # noqa: TC001 - as above
from gatepass.server.domain.accounts.user import normalise_email
from gatepass.server.domain.organizations.changes import OrganizationChanges
from gatepass.server.domain.organizations.member import Member
from gatepass.server.domain.organizations.organization import (
    ORGANIZATION_PREFIX,
    Organization,
    check_member_roles,
    check_name,
    check_organization_roles,
    check_slug,
)
from gatepass.server.domain.ports import decide

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection

    from gatepass.server.domain.accounts.role_table import RoleTable
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.organizations.manager import Manager
    from gatepass.server.domain.organizations.member import MemberFilter, Membership
    from gatepass.server.domain.organizations.organization import OrganizationFilter
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import ListKeys

T = TypeVar("T")


class OrganizationPatch(Confidential, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What changes of an organization (RFC 7396): what is left out stays.

    A changed slug, and metadata that tokens carry, end the access tokens that name the organization.
    """

    slug: str | UnsetType = UNSET
    name: str | UnsetType = UNSET
    metadata: Document | UnsetType | None = UNSET


class OrganizationView(msgspec.Struct, frozen=True):
    """An organization, and how many members it has."""

    organization: Organization
    members: int


class OrganizationAdministration:
    """The acts. An organization is named by id or slug; one that is not there is refused as `organization_not_found`.

    Args:
        database: The store.
        lists: The keys of status lists.
        roles: The roles that can be given; `admin` always can.
        by: Who manages: refused as `Manager.find` says.
        where: Where the request came from.
        in_tokens: The paths in the metadata of organizations that live tokens may carry.
    """

    def __init__(  # noqa: PLR0913 - who does it, from where, and what with
        self,
        database: Database,
        lists: ListKeys,
        roles: RoleTable,
        *,
        by: Manager,
        where: Origin,
        in_tokens: Collection[tuple[str, ...]] = (),
    ) -> None:
        self._database = database
        self._roles = roles
        self._by = by
        self._changes = OrganizationChanges(by.id, where, lists, in_tokens)

    # ── organizations: for operators alone ──

    async def create(self, slug: str, name: str, metadata: Document | None = None) -> Organization:
        """Add an organization.

        Raises:
            Refusal: `invalid_organization`, `metadata_too_large` or `slug_taken`.
        """
        document = metadata or {}
        for refused in (check_slug(slug), check_name(name), too_large("metadata", document)):
            if refused:
                raise refused

        async def unit(tx: Transaction) -> Organization | Refusal:
            organization = Organization(
                id=new_id(ORGANIZATION_PREFIX), slug=slug, name=name.strip(), metadata=document, created_at=tx.now
            )
            return await self._changes.add(tx, organization) or organization

        return await decide(self._database, unit)

    async def page(self, organizations: OrganizationFilter) -> list[Organization]:
        """Some organizations, by slug."""

        async def unit(tx: Transaction) -> list[Organization]:
            return await tx.organizations.page(organizations)

        return await self._database.read(unit)

    async def change(self, organization: str, patch: OrganizationPatch) -> Organization:
        """Change what is named, all of it or nothing.

        Raises:
            Refusal: `invalid_organization`, `metadata_too_large` or `slug_taken`.
        """

        async def act(tx: Transaction, before: Organization) -> Organization | Refusal:
            after = msgspec.structs.replace(
                before,
                slug=before.slug if patch.slug is UNSET else patch.slug,
                name=before.name if patch.name is UNSET else patch.name.strip(),
                metadata=patched(before.metadata, patch.metadata),
            )
            refused = check_slug(after.slug) or check_name(after.name) or too_large("metadata", after.metadata)
            return refused or await self._changes.put(tx, before, after) or after

        return await self._act(organization, act)

    async def remove(self, organization: str) -> None:
        """Remove an organization; the accounts of its members stay, and tokens that name it die."""
        await self._act(organization, self._changes.remove)

    async def add_member(self, organization: str, who: str, roles: Collection[str]) -> Member:
        """Make an account a member, by its id or address.

        Raises:
            Refusal: `user_not_found`, `already_a_member`, `invalid_role` or `unknown_role`.
        """
        await self._check_roles(roles)
        email = normalise_email(who) if "@" in who else ""

        async def act(tx: Transaction, found: Organization) -> Member | Refusal:
            user = await _user(tx, who, email)
            if user is None:
                return _user_not_found()
            return await self._changes.add_member(tx, found, user.id, roles) or Member(
                organization_id=found.id,
                user_id=user.id,
                email=user.email,
                roles=tuple(sorted(roles)),
                joined_at=tx.now,
            )

        return await self._act(organization, act)

    async def of_person(self, who: str) -> list[Membership]:
        """The organizations of a person, named by id or address, by slug.

        Raises:
            Refusal: `user_not_found`.
        """
        email = normalise_email(who) if "@" in who else ""

        async def unit(tx: Transaction) -> list[Membership] | None:
            user = await _user(tx, who, email)
            return None if user is None else await tx.members.of_user(user.id)

        found = await self._database.read(unit)
        if found is None:
            raise _user_not_found()
        return found

    # ── members: for the organization's admins too ──

    async def show(self, organization: str) -> OrganizationView:
        """One organization."""

        async def act(tx: Transaction, found: Organization) -> OrganizationView:
            return OrganizationView(found, await tx.members.count(found.id))

        return await self.read(organization, act)

    async def members(self, organization: str, members: MemberFilter) -> list[Member]:
        """Some members, by address."""

        async def act(tx: Transaction, found: Organization) -> list[Member]:
            return await tx.members.page(found.id, members)

        return await self.read(organization, act)

    async def set_roles(self, organization: str, who: str, roles: Collection[str]) -> Member:
        """Replace the roles that a member, named by id or address, has there.

        Raises:
            Refusal: `member_not_found`, `invalid_email`, `invalid_role`, `unknown_role`, or `last_admin`.
        """
        check_member_roles(roles)
        await self._roles.look(self._database)

        async def act(tx: Transaction, found: Organization, member: Member) -> Member | Refusal:
            # A role that the table has lost can be kept, but not given.
            if refused := check_organization_roles(set(roles) - set(member.roles), self._roles):
                return refused
            after = msgspec.structs.replace(member, roles=tuple(sorted(set(roles))))
            if member.is_admin and not after.is_admin and (refused := await self._check_not_last(tx, member)):
                return refused
            await self._changes.set_roles(tx, found, member, after.roles)
            return after

        return await self._act_on_member(organization, who, act)

    async def remove_member(self, organization: str, who: str) -> None:
        """Remove a member, named by id or address.

        Raises:
            Refusal: `member_not_found`, `invalid_email` or `last_admin`.
        """

        async def act(tx: Transaction, found: Organization, member: Member) -> Refusal | None:
            if refused := await self._check_not_last(tx, member):
                return refused
            await self._changes.remove_member(tx, found, member)
            return None

        await self._act_on_member(organization, who, act)

    async def _check_not_last(self, tx: Transaction, member: Member) -> Refusal | None:
        return None if self._by.is_operator else await check_not_last_admin(tx, member)

    # ── what they have in common ──

    async def _check_roles(self, roles: Collection[str]) -> None:
        """Raises Refusal: `invalid_role` or `unknown_role`."""
        check_member_roles(roles)
        await self._roles.look(self._database)
        if refused := check_organization_roles(roles, self._roles):
            raise refused

    async def read(self, organization: str, act: Callable[[Transaction, Organization], Awaitable[T]]) -> T:
        """Read what there is of an organization. Raises as `Manager.find`."""

        async def unit(tx: Transaction) -> T | Refusal:
            found = await self._by.find(tx, organization)
            return found if isinstance(found, Refusal) else await act(tx, found)

        outcome = await self._database.read(unit)
        if isinstance(outcome, Refusal):
            raise outcome
        return outcome

    async def _act(self, organization: str, act: Callable[[Transaction, Organization], Awaitable[T | Refusal]]) -> T:
        async def unit(tx: Transaction) -> T | Refusal:
            found = await self._by.find(tx, organization)
            return found if isinstance(found, Refusal) else await act(tx, found)

        return await decide(self._database, unit)

    async def _act_on_member(
        self,
        organization: str,
        who: str,
        act: Callable[[Transaction, Organization, Member], Awaitable[T | Refusal]],
    ) -> T:
        email = normalise_email(who) if "@" in who else ""

        async def on_member(tx: Transaction, found: Organization) -> T | Refusal:
            user = await _user(tx, who, email)
            member = None if user is None else await tx.members.find(found.id, user.id)
            if member is None:
                return Refusal("member_not_found", "The organization has no such member.")
            return await act(tx, found, member)

        return await self._act(organization, on_member)


async def _user(tx: Transaction, who: str, email: str) -> User | None:
    return await (tx.users.by_email(email) if email else tx.users.by_id(who if who.isprintable() else ""))


def _user_not_found() -> Refusal:
    return Refusal("user_not_found", "No user has this id or address.")


async def check_not_last_admin(tx: Transaction, member: Member) -> Refusal | None:
    """Refuse to leave an organization without anyone who manages it."""
    if not member.is_admin or await tx.members.has_other_admin(member.organization_id, member.user_id):
        return None
    return Refusal("last_admin", "Make another member an admin first: an organization has at least one.")


async def leave(database: Database, lists: ListKeys, user: User, organization: str, where: Origin) -> None:
    """Leave an organization, on one's own.

    Raises:
        Refusal: `organization_not_found` or `last_admin`.
    """
    changes = OrganizationChanges(user.id, where, lists)

    async def unit(tx: Transaction) -> Refusal | None:
        membership = await tx.members.membership(organization, user.id) if organization.isprintable() else None
        if membership is None:
            return Refusal("organization_not_found", "You are not a member of such an organization.")
        found = membership.organization
        member = await tx.members.find(found.id, user.id)
        assert member is not None
        if refused := await check_not_last_admin(tx, member):
            return refused
        await changes.remove_member(tx, found, member)
        return None

    await decide(database, unit)
