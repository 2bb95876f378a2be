"""The SQL of the domains of organizations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.organizations.domain import OrganizationDomain

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection, Row

_COLUMNS = "organization_id, domain, provider, challenge, created_at, verified_at, checked_at, missed_at"


class SqlOrganizationDomains:
    """`gatepass.server.domain.organizations.domain.OrganizationDomains`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def add(self, domain: OrganizationDomain) -> bool:
        """Insert, unless the row is there."""
        row = await self._connection.row(
            f"INSERT INTO organization_domains ({_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            " ON CONFLICT (organization_id, domain) DO NOTHING RETURNING domain",
            domain.organization_id,
            domain.domain,
            domain.provider,
            domain.challenge,
            domain.created_at,
            domain.verified_at,
            domain.checked_at,
            domain.missed_at,
        )
        return row is not None

    async def find(self, organization_id: str, domain: str) -> OrganizationDomain | None:
        """Find by primary key."""
        found = await self._all("organization_id = ?1 AND domain = ?2", organization_id, domain)
        return found[0] if found else None

    async def of_organization(self, organization_id: str) -> list[OrganizationDomain]:
        """Select by organization."""
        return await self._all("organization_id = ?1 ORDER BY domain", organization_id)

    async def verified(self, domain: str) -> OrganizationDomain | None:
        """Find by the unique index."""
        found = await self._all("domain = ?1 AND verified_at IS NOT NULL", domain)
        return found[0] if found else None

    async def of_provider(self, provider: str) -> list[OrganizationDomain]:
        """Select all: few."""
        return await self._all("provider = ?1 ORDER BY domain, organization_id", provider)

    async def dedicate(self, provider: str) -> None:
        """Insert, unless the row is there."""
        await self._connection.row(
            "INSERT INTO dedicated_providers (provider) VALUES (?1) ON CONFLICT DO NOTHING", provider
        )

    async def is_dedicated(self, provider: str) -> bool:
        """Find by primary key."""
        return await self._connection.row("SELECT 1 FROM dedicated_providers WHERE provider = ?1", provider) is not None

    async def put(self, domain: OrganizationDomain) -> bool:
        """Update by primary key, unless another organization has proved the domain."""
        row = await self._connection.row(
            "UPDATE organization_domains SET provider = ?3, verified_at = ?4, checked_at = ?5, missed_at = ?6"
            " WHERE organization_id = ?1 AND domain = ?2 AND NOT EXISTS (SELECT 1 FROM organization_domains AS other"
            " WHERE other.domain = ?2 AND other.organization_id <> ?1 AND other.verified_at IS NOT NULL"
            " AND ?7 = 1) RETURNING domain",
            domain.organization_id,
            domain.domain,
            domain.provider,
            domain.verified_at,
            domain.checked_at,
            domain.missed_at,
            int(domain.verified_at is not None),
        )
        return row is not None

    async def due(self, checked_before: float, limit: int) -> list[OrganizationDomain]:
        """Select all that are proved: few."""
        return await self._all(
            "verified_at IS NOT NULL AND checked_at < ?1 ORDER BY RANDOM() LIMIT ?2", checked_before, limit
        )

    async def remove(self, organization_id: str, domain: str) -> bool:
        """Delete by primary key."""
        row = await self._connection.row(
            "DELETE FROM organization_domains WHERE organization_id = ?1 AND domain = ?2 RETURNING domain",
            organization_id,
            domain,
        )
        return row is not None

    async def remove_all(self, organization_id: str) -> None:
        """Delete by organization."""
        await self._connection.row("DELETE FROM organization_domains WHERE organization_id = ?1", organization_id)

    async def _all(self, condition: str, *values: str | float) -> list[OrganizationDomain]:
        rows = await self._connection.rows(f"SELECT {_COLUMNS} FROM organization_domains WHERE {condition}", *values)
        return list(map(_domain, rows))


def _domain(row: Row) -> OrganizationDomain:
    return msgspec.convert(dict(zip(_COLUMNS.split(", "), row, strict=True)), OrganizationDomain)
