"""The application's roles, each a table: `[roles.editor]`."""

from __future__ import annotations

import re
from typing import Annotated

import msgspec
from msgspec import Meta

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.tokens import NAME
from gatepass.server.base.settings.trusted_issuers import TrustedIssuerSection

ROLE = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
RESERVED_ROLE_PREFIX = "gatepass-"
"""The prefix of roles at this server, which mean nothing to applications."""


class RoleSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One role."""

    permissions: Annotated[
        tuple[str, ...], Meta(description="What people with this role may do: first-party tokens name it.")
    ] = ()


class RoleSection(TrustedIssuerSection, frozen=True, kw_only=True):
    """The roles."""

    roles: Annotated[
        dict[str, RoleSettings],
        Meta(
            description="The application's roles and what they permit, each a table such as `[roles.editor]`; JSON in the environment. Without any, every role can be given."
        ),
    ] = msgspec.field(default_factory=dict[str, RoleSettings])

    def check(self) -> None:
        """Roles and permissions are words, and none is ours."""
        super().check()
        for name, role in self.roles.items():
            if not ROLE.fullmatch(name) or name.startswith(RESERVED_ROLE_PREFIX):
                raise StartupError(
                    f"`roles.{name}` cannot be a role.",
                    f"A role is 1 to 64 letters, digits and any of _ . : - and does not begin with {RESERVED_ROLE_PREFIX}.",
                )
            for permission in role.permissions:
                if not NAME.fullmatch(permission):
                    raise StartupError(
                        f"One of `roles.{name}.permissions` is not a name: {permission!r}.",
                        "Use ASCII without spaces or quotes, such as articles:write.",
                    )
