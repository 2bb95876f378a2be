"""Administration of roles, by the command line and by the operators' API; each operation is one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings.tokens import NAME
from gatepass.server.domain.accounts.role_table import Role
from gatepass.server.domain.accounts.user import UserFilter, check_role
from gatepass.server.domain.events.event import NOWHERE
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.organizations.organization import ADMIN_ROLE
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.operator import COMMAND_LINE
from gatepass.server.domain.sessions.revoke import end_tokens_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection

    from gatepass.server.domain.accounts.role_table import RoleTable
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.events.event import EventKind, Origin
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import ListKeys
    from gatepass.server.domain.sessions.operator import Operator

_AT_ONCE = 500


class RoleAdmin:
    """Operations on roles: a missing one is `role_not_found`, one of the settings `defined_in_configuration`.

    Args:
        database: The store.
        lists: The keys of status lists.
        table: The roles of the settings.
        by: Who administers.
        where: Where the request came from.
    """

    def __init__(
        self,
        database: Database,
        lists: ListKeys,
        table: RoleTable,
        *,
        by: Operator = COMMAND_LINE,
        where: Origin = NOWHERE,
    ) -> None:
        self._database = database
        self._lists = lists
        self._table = table
        self._by = by
        self._where = where

    async def all(self) -> list[Role]:
        """Every role of the settings and of the store, by name."""

        async def unit(tx: Transaction) -> list[Role]:
            return await tx.roles.all()

        return self._table.with_stored(await self._database.read(unit)).all()

    async def show(self, name: str) -> Role:
        """One role."""
        for role in await self.all():
            if role.name == name:
                return role
        raise _not_found()

    async def add(self, name: str, permissions: Collection[str]) -> Role:
        """Add a role.

        Raises:
            Refusal: `invalid_role`, `invalid_permission`, or `role_exists`.
        """
        return await self._put(name, permissions, is_new=True)

    async def change(self, name: str, permissions: Collection[str]) -> Role:
        """Replace what a role permits. Tokens that say more die.

        Raises:
            Refusal: `invalid_permission`.
        """
        return await self._put(name, permissions, is_new=False)

    async def set(self, name: str, permissions: Collection[str]) -> Role:
        """Add a role, or replace what it permits. Raises as `add` and `change`."""
        return await self._put(name, permissions, is_new=None)

    async def remove(self, name: str) -> None:
        """Remove a role, and take it from everybody, so that it means nothing if it is added again."""
        self._check_changeable(name)

        async def unit(tx: Transaction) -> Refusal | None:
            if await _find(tx, name) is None:
                return _not_found()
            await tx.roles.remove(name)
            await self._record(tx, "role_removed", reason=name)
            async for user in _holders(tx, name):
                await tx.users.set_roles(user.id, tuple(role for role in user.roles if role != name))
                await self._record(tx, "role_taken", user.id, reason=name)
                await end_tokens_of(tx, user.id, self._lists)
            if name != ADMIN_ROLE:  # that one is always there
                await self._take_in_organizations(tx, name)
            return None

        await decide(self._database, unit)

    async def _take_in_organizations(self, tx: Transaction, name: str) -> None:
        """From members, and from invitations that would give it later."""
        for member in await tx.members.with_role(name):
            kept = [role for role in member.roles if role != name]
            await tx.members.set_roles(member.organization_id, member.user_id, kept)
            await end_tokens_of(tx, member.user_id, self._lists)
        for invitation in await tx.invitations.with_role(name):
            roles = tuple(role for role in invitation.roles if role != name)
            await tx.invitations.put(msgspec.structs.replace(invitation, roles=roles))

    async def _put(self, name: str, permissions: Collection[str], *, is_new: bool | None) -> Role:
        self._check_changeable(check_role(name))
        role = Role(name=name, permissions=_checked(permissions))

        async def unit(tx: Transaction) -> Role | Refusal:
            before = await _find(tx, name)
            if is_new is False and before is None:
                return _not_found()
            if is_new and before is not None:
                return Refusal("role_exists", f"There is a role {name} already.")
            await tx.roles.put(role)
            said = " ".join((name, *role.permissions))
            await self._record(tx, "role_added" if before is None else "role_changed", reason=said)
            if before is not None and not set(before.permissions) <= set(role.permissions):
                await self._end_tokens_with(tx, name)
            return role

        return await decide(self._database, unit)

    async def _end_tokens_with(self, tx: Transaction, name: str) -> None:
        """What a token says that is true no more dies with it; a refresh brings another."""
        holders = {user.id async for user in _holders(tx, name)}
        holders |= {member.user_id for member in await tx.members.with_role(name)}
        for user_id in sorted(holders):
            await end_tokens_of(tx, user_id, self._lists)

    def _check_changeable(self, name: str) -> None:
        if self._table.is_configured(name):
            raise Refusal("defined_in_configuration", f"The settings define the role {name}: change it there.")

    async def _record(self, tx: Transaction, kind: EventKind, user_id: str = "", *, reason: str) -> None:
        await record(tx, kind, user_id, actor=self._by.id, reason=reason, where=self._where)


async def _find(tx: Transaction, name: str) -> Role | None:
    return next((role for role in await tx.roles.all() if role.name == name), None)


async def _holders(tx: Transaction, role: str) -> AsyncIterator[User]:
    """Everybody who has it, by pages."""
    after = ""
    while True:
        page = await tx.users.page(UserFilter(role=role, after=after, limit=_AT_ONCE))
        for user in page:
            yield user
        if len(page) < _AT_ONCE:
            return
        after = page[-1].email


def _checked(permissions: Collection[str]) -> tuple[str, ...]:
    """Sorted, each once. Raises Refusal: `invalid_permission`."""
    for permission in permissions:
        if not NAME.fullmatch(permission):
            raise Refusal(
                "invalid_permission", "A permission is ASCII without spaces or quotes, such as articles:write."
            )
    return tuple(sorted(set(permissions)))


def _not_found() -> Refusal:
    return Refusal("role_not_found", "There is no such role in the table of roles.")
