"""The SQL of invitations into organizations."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.organizations.invitation import MOST_INVITATIONS, Invitation
from gatepass.server.store.connection import has_word, words

if TYPE_CHECKING:
    from gatepass.server.store.connection import Connection, Row

_COLUMNS = "id, organization_id, email, roles, digest, inviter, created_at, expires_at"


class SqlInvitations:
    """`gatepass.server.domain.organizations.invitation.Invitations`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def put(self, invitation: Invitation) -> None:
        """Insert, or update the row of the address."""
        await self._connection.row(
            f"INSERT INTO organization_invitations ({_COLUMNS}) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"
            " ON CONFLICT (organization_id, email) DO UPDATE SET"
            " id = ?1, roles = ?4, digest = ?5, inviter = ?6, created_at = ?7, expires_at = ?8",
            invitation.id,
            invitation.organization_id,
            invitation.email,
            " ".join(invitation.roles),
            invitation.digest,
            invitation.inviter,
            invitation.created_at,
            invitation.expires_at,
        )

    async def by_digest(self, digest: bytes, now: float) -> Invitation | None:
        """Find by digest."""
        row = await self._connection.row(
            f"SELECT {_COLUMNS} FROM organization_invitations WHERE digest = ?1 AND expires_at > ?2", digest, now
        )
        return None if row is None else _invitation(row)

    async def with_role(self, role: str) -> list[Invitation]:
        """Select all: roles are few, and change seldom."""
        rows = await self._connection.rows(
            f"SELECT {_COLUMNS} FROM organization_invitations WHERE {has_word('roles', '?1')}",
            role,
        )
        return list(map(_invitation, rows))

    async def of_organization(self, organization_id: str, now: float) -> list[Invitation]:
        """Select by organization."""
        rows = await self._connection.rows(
            f"SELECT {_COLUMNS} FROM organization_invitations WHERE organization_id = ?1 AND expires_at > ?2"
            " ORDER BY email LIMIT ?3",
            organization_id,
            now,
            MOST_INVITATIONS,
        )
        return list(map(_invitation, rows))

    async def take(self, organization_id: str, invitation_id: str) -> Invitation | None:
        """Delete by primary key, and return the row."""
        row = await self._connection.row(
            f"DELETE FROM organization_invitations WHERE id = ?1 AND organization_id = ?2 RETURNING {_COLUMNS}",
            invitation_id,
            organization_id,
        )
        return None if row is None else _invitation(row)

    async def remove_all(self, organization_id: str) -> None:
        """Delete by organization."""
        await self._connection.row("DELETE FROM organization_invitations WHERE organization_id = ?1", organization_id)

    async def remove_of_person(self, user_id: str) -> None:
        """Delete by the person's address, and by their id."""
        await self._connection.row(
            "DELETE FROM organization_invitations"
            " WHERE email = (SELECT email FROM users WHERE id = ?1) OR inviter = ?1",
            user_id,
        )

    async def forget_before(self, expired_at: float) -> None:
        """Delete by time."""
        await self._connection.row("DELETE FROM organization_invitations WHERE expires_at < ?1", expired_at)


def _invitation(row: Row) -> Invitation:
    fields = dict(zip(_COLUMNS.split(", "), row, strict=True))
    return msgspec.convert(fields | {"roles": words(fields["roles"])}, Invitation)
