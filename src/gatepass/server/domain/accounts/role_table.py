"""The application's roles and what they permit: those of the settings, and those that operators keep in the store."""

from __future__ import annotations

import difflib
from copy import copy
from typing import TYPE_CHECKING, Protocol

import msgspec

from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from gatepass.server.base.settings.roles import RoleSettings
    from gatepass.server.domain.ports import Database, Transaction


class Role(msgspec.Struct, frozen=True, kw_only=True):
    """A role, and what it permits, sorted. `is_configured`: the settings define it, so that nothing else changes it."""

    name: str
    permissions: tuple[str, ...] = ()
    is_configured: bool = False


class StoredRoles(Protocol):
    """The store of the roles that operators keep."""

    async def all(self) -> list[Role]:
        """Every role, by name."""
        ...

    async def put(self, role: Role) -> None:
        """Add a role, or replace what it permits."""
        ...

    async def remove(self, name: str) -> None:
        """Remove a role."""
        ...


class RoleTable:
    """What is known of roles. Without a table every role can be given, and none permits anything.

    One that both define is as the settings have it. `learn` replaces what is known of the store, for checking names;
    what a token says is looked up in the store when it is issued (`with_stored`), so that none that is issued after a
    change says what was before.
    """

    def __init__(self, configured: Mapping[str, RoleSettings], stored: Iterable[Role] = ()) -> None:
        self._configured = {
            name: Role(name=name, permissions=tuple(sorted(set(role.permissions))), is_configured=True)
            for name, role in configured.items()
        }
        self.learn(stored)

    def learn(self, stored: Iterable[Role]) -> None:
        """Take over the roles of the store."""
        self._roles = {role.name: role for role in stored} | self._configured

    async def look(self, database: Database) -> None:
        """Learn what is in the store just now: a command or another node may have added a role a moment ago."""

        async def unit(tx: Transaction) -> list[Role]:
            return await tx.roles.all()

        self.learn(await database.read(unit))

    def with_stored(self, stored: Iterable[Role]) -> RoleTable:
        """The same settings over other roles of the store."""
        table = copy(self)
        table.learn(stored)
        return table

    def is_configured(self, name: str) -> bool:
        """Whether the settings define it."""
        return name in self._configured

    def permissions(self, roles: Collection[str]) -> tuple[str, ...]:
        """What these roles permit together, sorted. What the table does not name permits nothing."""
        known = [self._roles[role].permissions for role in roles if role in self._roles]
        return tuple(sorted(frozenset[str]().union(*known)))

    def all(self) -> list[Role]:
        """Every role, by name."""
        return [self._roles[name] for name in sorted(self._roles)]

    def unknown(self, roles: Collection[str]) -> Refusal | None:
        """The refusal of the first role that the table does not name, if there is a table, such as a typing error."""
        missing = sorted(set(roles) - self._roles.keys())
        if not self._roles or not missing:
            return None
        near = difflib.get_close_matches(missing[0], self._roles, n=1)
        hint = f"did you mean {near[0]}?" if near else "`gatepass role list` shows those that are."
        return Refusal("unknown_role", f"The role {missing[0]} is not in the table of roles: {hint}")
