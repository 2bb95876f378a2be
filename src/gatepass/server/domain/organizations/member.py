"""Who belongs to an organization, with which roles there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.server.domain.organizations.organization import ADMIN_ROLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.organizations.organization import Organization


class Member(msgspec.Struct, frozen=True, kw_only=True):
    """A person in an organization; `joined_at` in seconds since 1970."""

    organization_id: str
    user_id: str
    email: str
    roles: tuple[str, ...]
    joined_at: float

    @property
    def is_admin(self) -> bool:
        """Whether they manage it."""
        return ADMIN_ROLE in self.roles


class Membership(msgspec.Struct, frozen=True, kw_only=True):
    """One of the organizations of a person, and their roles there."""

    organization: Organization
    roles: tuple[str, ...]
    joined_at: float

    @property
    def is_admin(self) -> bool:
        """Whether the person manages it."""
        return ADMIN_ROLE in self.roles


class MemberFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which members to list, by email address.

    Attributes:
        search: How the address begins; nothing stands for all.
        after: The address after which the page begins.
        limit: How many at most.
    """

    search: str = ""
    after: str = ""
    limit: int = 50


class Members(Protocol):
    """The store of memberships: one for each person and organization."""

    async def add(self, organization_id: str, user_id: str, roles: Sequence[str], now: float) -> bool:
        """Add a member; False if they are one already, and then nothing is written."""
        ...

    async def find(self, organization_id: str, user_id: str) -> Member | None:
        """One member."""
        ...

    async def page(self, organization_id: str, members: MemberFilter) -> list[Member]:
        """Those that the filter describes, by email address."""
        ...

    async def of_user(self, user_id: str) -> list[Membership]:
        """The organizations of a person, by slug."""
        ...

    async def membership(self, id_or_slug: str, user_id: str) -> Membership | None:
        """A person's membership in the organization with this id or slug."""
        ...

    async def set_roles(self, organization_id: str, user_id: str, roles: Sequence[str]) -> None:
        """Replace the roles of a member."""
        ...

    async def remove(self, organization_id: str, user_id: str) -> None:
        """Remove a member."""
        ...

    async def remove_all(self, organization_id: str) -> None:
        """Remove every member."""
        ...

    async def remove_user(self, user_id: str) -> None:
        """Remove a person from every organization."""
        ...

    async def count(self, organization_id: str) -> int:
        """How many members there are."""
        ...

    async def with_role(self, role: str) -> list[Member]:
        """Everybody who has the role, in any organization."""
        ...

    async def has_other_admin(self, organization_id: str, user_id: str) -> bool:
        """Whether anyone but this person manages it."""
        ...
