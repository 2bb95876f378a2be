"""What an operator changes of an account, inside a transaction that has found it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.export import collect
from gatepass.server.domain.accounts.operator_enrollment import new_enrollment_code
from gatepass.server.domain.accounts.ownership import erase
from gatepass.server.domain.accounts.profile import changed_members, differ_at
from gatepass.server.domain.accounts.user import OPERATOR_ROLE
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.hooks.gates import change_address
from gatepass.server.domain.sessions.client import FIRST_PARTY
from gatepass.server.domain.sessions.revoke import (
    drop_factors,
    end_session,
    end_sessions_of,
    end_tokens_of,
    replace_password,
    withdraw_consent,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from gatepass.server.domain.accounts.export import Exported
    from gatepass.server.domain.accounts.profile import UserProfile
    from gatepass.server.domain.accounts.role_table import RoleTable
    from gatepass.server.domain.accounts.user import User
    from gatepass.server.domain.events.event import EventKind, Origin
    from gatepass.server.domain.ports import Transaction
    from gatepass.server.domain.revocation.status_indexes import ListKeys
    from gatepass.server.domain.sessions.operator import Operator
    from gatepass.server.domain.sessions.session import EndReason


class Roles(msgspec.Struct, frozen=True):
    """A user's roles, and the code that a new operator needs for the first factor, which is shown once."""

    roles: tuple[str, ...]
    enrollment_code: str | None = None

    def __repr__(self) -> str:
        """Without the code."""
        return f"Roles(roles={self.roles!r})"


@dataclass(frozen=True, slots=True)
class AccountChanges:
    """The changes; each is recorded with who made it, and from where."""

    by: Operator
    where: Origin
    lists: ListKeys
    roles: RoleTable
    in_tokens: Collection[tuple[str, ...]] = ()
    """The paths in `app_metadata` that live tokens may carry."""

    async def disable(self, tx: Transaction, user: User) -> int:
        """Disable the user, and end their sessions; return how many."""
        await tx.users.set_disabled(user.id, tx.now)
        await self._record(tx, "account_disabled", user.id)
        return await self.end_sessions(tx, user, "user_disabled")

    async def enable(self, tx: Transaction, user: User) -> None:
        """Enable the user."""
        await tx.users.set_disabled(user.id, None)
        await self._record(tx, "account_enabled", user.id)

    def check_roles(self, user: User, roles: Collection[str]) -> Refusal | None:
        """Whether the operator may give these, and the table has those that are new."""
        new = {*roles} - {*user.roles, OPERATOR_ROLE}
        return self.by.check_may_change(_with_roles(user, roles)) or self.roles.unknown(new)

    async def set_roles(self, tx: Transaction, user: User, roles: Collection[str]) -> Roles | Refusal:
        """Replace the roles.

        When one is removed, the user's access tokens are revoked; the sessions stay, and a refresh brings the remaining
        roles. One that is not in the table of roles can be kept, but not given. A new operator loses every factor
        and session from before, and gets the code that the first factor needs.
        """
        if refused := self.check_roles(user, roles):
            return refused
        after = _with_roles(user, roles)
        await tx.users.set_roles(user.id, after.roles)
        for role in sorted(set(after.roles) ^ set(user.roles)):
            await self._record(tx, "role_given" if role in after.roles else "role_taken", user.id, reason=role)
        if not set(user.roles) <= set(after.roles):
            await end_tokens_of(tx, user.id, self.lists)
        if not after.is_operator or user.is_operator:
            return Roles(after.roles)
        _, code = await self.reset_factors(tx, after)
        return Roles(after.roles, code)

    async def set_profile(self, tx: Transaction, user: User, after: UserProfile) -> None:
        """Replace the profile. When something changes that live tokens carry, they are revoked, as for a role."""
        before = await tx.profiles.of(user.id)
        if not (changed := changed_members(before, after)):
            return
        await tx.profiles.put(user.id, after)
        await self._record(tx, "profile_changed", user.id, reason=" ".join(changed))
        if differ_at(self.in_tokens, before.app_metadata, after.app_metadata):
            await end_tokens_of(tx, user.id, self.lists)

    async def set_password(self, tx: Transaction, user: User, password_hash: str) -> int:
        """Set a new password, and end the user's sessions; return how many."""
        await replace_password(tx, user.id, password_hash)
        await tx.users.set_locked(user.id, None)
        await tx.codes.forget_openers(user.id)
        await self._record(tx, "password_changed", user.id)
        return await self.end_sessions(tx, user, "password_changed")

    async def set_email(self, tx: Transaction, user: User, address: str, *, is_verified: bool) -> Refusal | None:
        """Change the address, or whether it is verified. Codes that were mailed to the former one no longer work."""
        was_verified = user.email_verified_at is not None
        if address == user.email and is_verified == was_verified:
            return None
        if refused := await change_address(
            tx, user, address, is_verified=is_verified, actor=self.by.id, where=self.where
        ):
            return refused
        if address != user.email:
            await tx.codes.forget_openers(user.id)
            await self._record(tx, "email_changed", user.id)
        if is_verified:
            await self._record(tx, "email_verified", user.id)
        return None

    async def reset_factors(self, tx: Transaction, user: User) -> tuple[int, str | None]:
        """Remove the user's second factors and passkeys, and end their sessions.

        Returns how many sessions ended, and for an operator the code that the next first factor needs.
        """
        await drop_factors(tx, user.id)
        await self._record(tx, "factor_removed", user.id, reason="all")
        code = await new_enrollment_code(tx, user) if user.is_operator else None
        return await self.end_sessions(tx, user, "factors_reset"), code

    async def end_sessions(self, tx: Transaction, user: User, reason: EndReason) -> int:
        """End the user's sessions; return how many."""
        return await end_sessions_of(tx, user.id, reason, actor=self.by.id, where=self.where)

    async def end_session(self, tx: Transaction, user: User, session_id: str) -> Refusal | None:
        """End one of them."""
        has_ended = await end_session(
            tx, session_id, user.id, "logged_out_by_admin", actor=self.by.id, where=self.where
        )
        return None if has_ended else Refusal("session_not_found", "There is no active session with this id.")

    async def disconnect(self, tx: Transaction, user: User, client_id: str) -> Refusal | None:
        """End all that an application has of the user; it asks them anew."""
        # The built-in client is this server's own sign-in, which is ended with its sessions.
        if client_id != FIRST_PARTY and await withdraw_consent(
            tx, user.id, client_id, actor=self.by.id, where=self.where
        ):
            return None
        return Refusal("consent_not_found", "No application of this id has access to the account.")

    async def export(self, tx: Transaction, user: User) -> Exported:
        """Record the export, and return all that is kept of the user, which includes that event."""
        await self._record(tx, "data_exported", user.id)
        return await collect(tx, user)

    async def remove(self, tx: Transaction, user: User) -> None:
        """Delete the account: end its sessions, remove all its data; what stays is that some account was deleted."""
        await self.end_sessions(tx, user, "account_deleted")
        await erase(tx, user.id)
        await self._record(tx, "account_deleted")

    async def _record(self, tx: Transaction, kind: EventKind, user_id: str = "", *, reason: str = "") -> None:
        await record(tx, kind, user_id, actor=self.by.id, reason=reason, where=self.where)


def _with_roles(user: User, roles: Collection[str]) -> User:
    return msgspec.structs.replace(user, roles=tuple(sorted(set(roles))))
