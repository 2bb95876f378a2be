"""The SQL of organizations and their members."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.organizations.member import Member, Membership
from gatepass.server.domain.organizations.organization import ADMIN_ROLE, ORGANIZATION_PREFIX, Organization
from gatepass.server.store.connection import AFTER_EVERYTHING, has_word, words

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.organizations.member import MemberFilter
    from gatepass.server.domain.organizations.organization import OrganizationFilter
    from gatepass.server.store.connection import Connection, Row, Value

_COLUMNS = "id, slug, name, metadata, created_at"
_QUALIFIED = ", ".join(f"organizations.{name}" for name in _COLUMNS.split(", "))
_SLUG = "slug COLLATE BINARY"
_MEMBER = "organization_id, user_id, email, roles, joined_at"
# The members first, and each address by its own key: planners that join would rather read all people.
_MEMBERS_WITH_ADDRESS = f"""WITH here AS MATERIALIZED (
    SELECT organization_id, user_id, (SELECT email FROM users WHERE users.id = user_id) AS email, roles, joined_at
    FROM organization_members WHERE organization_id = ?1
) SELECT {_MEMBER} FROM here"""
_MEMBERSHIP = (
    f"SELECT {_QUALIFIED}, organization_members.roles, joined_at"
    " FROM organization_members JOIN organizations ON organizations.id = organization_id"
)


class SqlOrganizations:
    """`gatepass.server.domain.organizations.organization.Organizations`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, organization: Organization) -> bool:
        """Insert, unless the slug is there."""
        row = await self._connection.row(
            f"INSERT INTO organizations ({_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5)"
            " ON CONFLICT (slug) DO NOTHING RETURNING id",
            organization.id,
            organization.slug,
            organization.name,
            msgspec.json.encode(organization.metadata).decode(),
            organization.created_at,
        )
        return row is not None

    async def put(self, organization: Organization) -> bool:
        """Update by primary key, unless another one has the slug."""
        row = await self._connection.row(
            "UPDATE organizations SET slug = ?2, name = ?3, metadata = ?4 WHERE id = ?1 AND NOT EXISTS"
            " (SELECT 1 FROM organizations AS other WHERE other.slug = ?2 AND other.id <> ?1) RETURNING id",
            organization.id,
            organization.slug,
            organization.name,
            msgspec.json.encode(organization.metadata).decode(),
        )
        return row is not None

    async def find(self, id_or_slug: str) -> Organization | None:
        """Find by primary key, or by slug."""
        row = await self._connection.row(
            f"SELECT {_COLUMNS} FROM organizations WHERE {_column_of(id_or_slug)} = ?1", id_or_slug
        )
        return None if row is None else _organization(row)

    async def page(self, organizations: OrganizationFilter) -> list[Organization]:
        """Select a page by the index of the slugs."""
        search = organizations.search
        column = "id COLLATE BINARY" if search.startswith(f"{ORGANIZATION_PREFIX}_") else _SLUG
        rows = await self._connection.rows(
            f"SELECT {_COLUMNS} FROM organizations WHERE {_SLUG} > ?1 AND {column} >= ?2 AND {column} < ?3"
            f" ORDER BY {_SLUG} LIMIT ?4",
            organizations.after,
            search,
            search + AFTER_EVERYTHING,
            organizations.limit,
        )
        return list(map(_organization, rows))

    async def remove(self, organization_id: str) -> None:
        """Delete by primary key."""
        await self._connection.row("DELETE FROM organizations WHERE id = ?1", organization_id)


class SqlMembers:
    """`gatepass.server.domain.organizations.member.Members`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, organization_id: str, user_id: str, roles: Sequence[str], now: float) -> bool:
        """Insert, unless the row is there."""
        row = await self._connection.row(
            "INSERT INTO organization_members (organization_id, user_id, roles, joined_at) VALUES (?1, ?2, ?3, ?4)"
            " ON CONFLICT (organization_id, user_id) DO NOTHING RETURNING user_id",
            organization_id,
            user_id,
            " ".join(roles),
            now,
        )
        return row is not None

    async def find(self, organization_id: str, user_id: str) -> Member | None:
        """Find by primary key."""
        row = await self._connection.row(
            "SELECT organization_id, user_id, (SELECT email FROM users WHERE users.id = user_id), roles, joined_at"
            " FROM organization_members WHERE organization_id = ?1 AND user_id = ?2",
            organization_id,
            user_id,
        )
        return None if row is None else _member(row)

    async def page(self, organization_id: str, members: MemberFilter) -> list[Member]:
        """Select the members, and a page of them by address."""
        rows = await self._connection.rows(
            f"{_MEMBERS_WITH_ADDRESS} WHERE email COLLATE BINARY > ?2 AND email COLLATE BINARY >= ?3"
            " AND email COLLATE BINARY < ?4 ORDER BY email COLLATE BINARY LIMIT ?5",
            organization_id,
            members.after,
            members.search,
            members.search + AFTER_EVERYTHING,
            members.limit,
        )
        return list(map(_member, rows))

    async def of_user(self, user_id: str) -> list[Membership]:
        """Select by user."""
        rows = await self._connection.rows(f"{_MEMBERSHIP} WHERE user_id = ?1 ORDER BY {_SLUG}", user_id)
        return list(map(_membership, rows))

    async def membership(self, id_or_slug: str, user_id: str) -> Membership | None:
        """Find both by primary key, or the organization by slug."""
        row = await self._connection.row(
            f"{_MEMBERSHIP} WHERE user_id = ?2 AND organizations.{_column_of(id_or_slug)} = ?1", id_or_slug, user_id
        )
        return None if row is None else _membership(row)

    async def set_roles(self, organization_id: str, user_id: str, roles: Sequence[str]) -> None:
        """Update by primary key."""
        await self._connection.row(
            "UPDATE organization_members SET roles = ?3 WHERE organization_id = ?1 AND user_id = ?2",
            organization_id,
            user_id,
            " ".join(roles),
        )

    async def remove(self, organization_id: str, user_id: str) -> None:
        """Delete by primary key."""
        await self._connection.row(
            "DELETE FROM organization_members WHERE organization_id = ?1 AND user_id = ?2", organization_id, user_id
        )

    async def remove_all(self, organization_id: str) -> None:
        """Delete by organization."""
        await self._connection.row("DELETE FROM organization_members WHERE organization_id = ?1", organization_id)

    async def remove_user(self, user_id: str) -> None:
        """Delete by user."""
        await self._connection.row("DELETE FROM organization_members WHERE user_id = ?1", user_id)

    async def count(self, organization_id: str) -> int:
        """Count by organization."""
        row = await self._connection.row(
            "SELECT COUNT(*) FROM organization_members WHERE organization_id = ?1", organization_id
        )
        return int((row or (0,))[0] or 0)

    async def with_role(self, role: str) -> list[Member]:
        """Select all: roles are few, and change seldom."""
        rows = await self._connection.rows(
            "SELECT organization_id, user_id, (SELECT email FROM users WHERE users.id = user_id), roles, joined_at"
            f" FROM organization_members WHERE roles <> '' AND {has_word('roles', '?1')}",
            role,
        )
        return list(map(_member, rows))

    async def has_other_admin(self, organization_id: str, user_id: str) -> bool:
        """Select by organization."""
        row = await self._connection.row(
            "SELECT 1 FROM organization_members WHERE organization_id = ?1 AND user_id <> ?2"
            f" AND {has_word('roles', '?3')} LIMIT 1",
            organization_id,
            user_id,
            ADMIN_ROLE,
        )
        return row is not None


def _column_of(id_or_slug: str) -> str:
    return "id" if id_or_slug.startswith(f"{ORGANIZATION_PREFIX}_") else "slug"


def _organization(row: Sequence[Value]) -> Organization:
    organization_id, slug, name, metadata, created_at = row
    return Organization(
        id=str(organization_id),
        slug=str(slug),
        name=str(name),
        metadata=msgspec.json.decode(str(metadata)),
        created_at=float(created_at or 0),
    )


def _member(row: Row) -> Member:
    fields = dict(zip(_MEMBER.split(", "), row, strict=True))
    return msgspec.convert(fields | {"roles": words(fields["roles"])}, Member)


def _membership(row: Row) -> Membership:
    *organization, roles, joined_at = row
    return Membership(organization=_organization(organization), roles=words(roles), joined_at=float(joined_at or 0))
