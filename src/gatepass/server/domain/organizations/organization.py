"""An organization: a group of people with roles of its own, such as a customer of the application."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.user import check_role

if TYPE_CHECKING:
    from collections.abc import Collection

    from gatepass.server.domain.accounts.role_table import RoleTable

ORGANIZATION_PREFIX = "org"
ADMIN_ROLE = "admin"
"""The role of those who manage the members of an organization. It opens nothing outside of it."""

_SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
"""As in a host name; without underscores, so that no slug looks like an id."""
_MOST_NAME = 200
MOST_ROLES = 20
"""How many roles a member has at most."""


class Organization(msgspec.Struct, frozen=True, kw_only=True):
    """An organization. `metadata` only operators change; `created_at` in seconds since 1970."""

    id: str
    slug: str
    name: str
    created_at: float
    metadata: dict[str, Any] = {}


class OrganizationFilter(msgspec.Struct, frozen=True, kw_only=True):
    """Which organizations to list, by slug.

    Attributes:
        search: How the slug or the id begins; nothing stands for all.
        after: The slug after which the page begins.
        limit: How many at most.
    """

    search: str = ""
    after: str = ""
    limit: int = 50


class Organizations(Protocol):
    """The store of organizations; a slug belongs to at most one of them."""

    async def add(self, organization: Organization) -> bool:
        """Add it; False if the slug is taken, and then nothing is written."""
        ...

    async def put(self, organization: Organization) -> bool:
        """Replace slug, name and metadata; False if another one has the slug, and then nothing is written."""
        ...

    async def find(self, id_or_slug: str) -> Organization | None:
        """Find by id or slug."""
        ...

    async def page(self, organizations: OrganizationFilter) -> list[Organization]:
        """Those that the filter describes, by slug."""
        ...

    async def remove(self, organization_id: str) -> None:
        """Remove it. What belongs to it must be gone."""
        ...


def check_slug(text: str) -> Refusal | None:
    """The refusal of what cannot be a slug."""
    if _SLUG.fullmatch(text):
        return None
    return Refusal(
        "invalid_organization", "A slug is 1 to 63 lower-case letters, digits and hyphens, with no hyphen at the ends."
    )


def check_name(text: str) -> Refusal | None:
    """The refusal of what cannot be a name."""
    if text.strip() and len(text) <= _MOST_NAME and text.isprintable():
        return None
    return Refusal("invalid_organization", f"A name is one line of at most {_MOST_NAME} characters.")


def check_member_roles(roles: Collection[str]) -> None:
    """Check the names and the number of roles: the tokens that name them have to fit into a header.

    Raises:
        Refusal: `invalid_role`.
    """
    if len(set(roles)) > MOST_ROLES:
        raise Refusal("invalid_role", f"A member has at most {MOST_ROLES} roles in an organization.")
    for role in roles:
        check_role(role)


def check_organization_roles(roles: Collection[str], table: RoleTable) -> Refusal | None:
    """The refusal of roles that cannot be given in an organization: every one of the table can, and `admin`."""
    return table.unknown(set(roles) - {ADMIN_ROLE})


def organization_not_found() -> Refusal:
    """The refusal where there is no such organization, or none that the caller may see."""
    return Refusal("organization_not_found", "There is no organization with this id.")


def slug_taken() -> Refusal:
    """The refusal of a slug that another organization has."""
    return Refusal("slug_taken", "Another organization has this slug.")


def not_a_member() -> Refusal:
    """The refusal of tokens for an organization; the same whether it exists."""
    return Refusal("not_a_member", "You are not a member of this organization.")
