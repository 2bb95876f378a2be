"""The application's roles, where the settings have a table of them, and what they permit."""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gatepass.server.base.settings.roles import RoleSettings


class RoleTable:
    """What is known of roles. Without a table every role can be given, and none permits anything."""

    def __init__(self, roles: Mapping[str, RoleSettings]) -> None:
        self._permissions = {name: frozenset(role.permissions) for name, role in roles.items()}

    def permissions(self, roles: Collection[str]) -> tuple[str, ...]:
        """What these roles permit together, sorted. What the table does not name permits nothing."""
        if not self._permissions:
            return ()
        return tuple(sorted(frozenset[str]().union(*(self._permissions.get(role, ()) for role in roles))))

    def all(self) -> dict[str, tuple[str, ...]]:
        """Every role and what it permits, sorted."""
        return {name: self.permissions((name,)) for name in sorted(self._permissions)}

    def unknown(self, roles: Collection[str]) -> Refusal | None:
        """The refusal of the first role that the table does not name, if there is a table: a typing error say."""
        missing = sorted(set(roles) - self._permissions.keys())
        if not self._permissions or not missing:
            return None
        near = difflib.get_close_matches(missing[0], self._permissions, n=1)
        hint = f"did you mean {near[0]}?" if near else "`gatepass role list` shows those that are."
        return Refusal("unknown_role", f"The role {missing[0]} is not in the table of roles: {hint}")
