"""The organization that a token is for."""

from __future__ import annotations

import msgspec

ANY_ORGANIZATION = "*"
"""For `require`: whichever organization the token is for. The route then has to read `principal.organization.id`."""


class PrincipalOrganization(msgspec.Struct, frozen=True, kw_only=True):
    """The organization that a token is for, and what its subject may do there, and nowhere else.

    Attributes:
        id: Its id, which never changes (`org_id`).
        slug: What it is called in URLs (`org_slug`).
        roles: The subject's roles in it (`org_roles`).
        permissions: What these permit (`org_permissions`).
    """

    id: str
    slug: str | None = None
    roles: frozenset[str] = frozenset()
    permissions: frozenset[str] = frozenset()
