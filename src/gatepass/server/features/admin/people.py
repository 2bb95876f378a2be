"""Administration of users, so far for the command line only; each operation is one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.user import User, check_role, normalise_email
from gatepass.server.domain.events.event import OPERATOR
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.ports import decide
from gatepass.server.domain.sessions.revoke import drop_factors, end_sessions_of, end_tokens_of, replace_password

if TYPE_CHECKING:
    from collections.abc import Sequence

    from gatepass.server.domain.accounts.imports import ImportedUser
    from gatepass.server.domain.accounts.registration import Registration
    from gatepass.server.domain.events.event import Event
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_indexes import ListKeys
    from gatepass.server.domain.sessions.session import SessionInUse


T = TypeVar("T")


class UserView(msgspec.Struct, frozen=True):
    """A user and their sessions."""

    user: User
    sessions: list[SessionInUse]


class Admin:
    """Operations on users. A missing email address is refused as `user_not_found`."""

    def __init__(self, database: Database, registration: Registration, lists: ListKeys, *, idle_seconds: float) -> None:
        self._database = database
        self._registration = registration
        self._lists = lists
        self._idle_seconds = idle_seconds

    async def add(self, email: str, password: str, roles: tuple[str, ...], *, is_verified: bool = False) -> User:
        """Create an account. Raises as `Registration.add`, and `invalid_role`."""
        checked = tuple(map(check_role, roles))
        return await self._registration.add(email, password, checked, by_operator=True, is_verified=is_verified)

    async def import_users(self, imported: Sequence[ImportedUser]) -> list[bool]:
        """Create accounts for imported users; returns which were created: the others' addresses or ids are taken."""

        async def unit(tx: Transaction) -> list[bool]:
            return [await _move_in(tx, imported) for imported in imported]

        return await self._database.transaction(unit)

    async def all(self) -> list[User]:
        """All users, by email address."""

        async def unit(tx: Transaction) -> list[User]:
            return await tx.users.all()

        return await self._database.read(unit)

    async def show(self, email: str) -> UserView:
        """One user and their sessions."""
        address = normalise_email(email)

        async def unit(tx: Transaction) -> UserView | None:
            user = await tx.users.by_email(address)
            if user is None:
                return None
            return UserView(user, await tx.sessions.live_of(user.id, now=tx.now, idle_seconds=self._idle_seconds))

        return _found(await self._database.read(unit))

    async def disable(self, email: str) -> int:
        """Disable the user, and end their sessions; return how many."""
        address = normalise_email(email)

        async def unit(tx: Transaction) -> int | Refusal:
            user = await tx.users.by_email(address)
            if user is None:
                return _not_found()
            await tx.users.set_disabled(user.id, tx.now)
            await record(tx, "account_disabled", user.id, actor=OPERATOR)
            return await end_sessions_of(tx, user.id, "user_disabled", actor=OPERATOR)

        return await decide(self._database, unit)

    async def enable(self, email: str) -> None:
        """Enable the user."""
        address = normalise_email(email)

        async def unit(tx: Transaction) -> Refusal | None:
            user = await tx.users.by_email(address)
            if user is None:
                return _not_found()
            await tx.users.set_disabled(user.id, None)
            await record(tx, "account_enabled", user.id, actor=OPERATOR)
            return None

        await decide(self._database, unit)

    async def set_role(self, email: str, role: str, *, has: bool) -> tuple[str, ...]:
        """Add or remove a role; return the user's roles.

        When one is removed, the user's access tokens are revoked; the sessions stay, and a refresh brings the remaining
        roles.
        """
        address, checked = normalise_email(email), check_role(role)

        async def unit(tx: Transaction) -> tuple[str, ...] | Refusal:
            user = await tx.users.by_email(address)
            if user is None:
                return _not_found()
            others = tuple(each for each in user.roles if each != checked)
            roles = tuple(sorted((*others, checked))) if has else others
            await tx.users.set_roles(user.id, roles)
            await record(tx, "role_given" if has else "role_taken", user.id, actor=OPERATOR, reason=checked)
            if not set(user.roles) <= set(roles):
                await end_tokens_of(tx, user.id, self._lists)
            return roles

        return await decide(self._database, unit)

    async def set_password(self, email: str, password: str) -> int:
        """Set a new password, and end the user's sessions; return how many."""
        address = normalise_email(email)
        password_hash = await self._registration.hash(password, email=address)

        async def unit(tx: Transaction) -> int | Refusal:
            user = await tx.users.by_email(address)
            if user is None:
                return _not_found()
            await replace_password(tx, user.id, password_hash)
            await tx.users.set_locked(user.id, None)
            await tx.codes.forget_openers(user.id)
            await record(tx, "password_changed", user.id, actor=OPERATOR)
            return await end_sessions_of(tx, user.id, "password_changed", actor=OPERATOR)

        return await decide(self._database, unit)

    async def reset_factors(self, email: str) -> int:
        """Remove the user's second factors and passkeys, and end their sessions; return how many."""
        address = normalise_email(email)

        async def unit(tx: Transaction) -> int | Refusal:
            user = await tx.users.by_email(address)
            if user is None:
                return _not_found()
            await drop_factors(tx, user.id)
            await record(tx, "factor_removed", user.id, actor=OPERATOR, reason="all")
            return await end_sessions_of(tx, user.id, "factors_reset", actor=OPERATOR)

        return await decide(self._database, unit)

    async def logout(self, email: str) -> int:
        """End the user's sessions; return how many."""
        address = normalise_email(email)

        async def unit(tx: Transaction) -> int | Refusal:
            user = await tx.users.by_email(address)
            return (
                _not_found()
                if user is None
                else await end_sessions_of(tx, user.id, "logged_out_by_admin", actor=OPERATOR)
            )

        return await decide(self._database, unit)

    async def events_of(self, email: str) -> list[Event]:
        """A user's events, oldest first."""
        address = normalise_email(email)

        async def unit(tx: Transaction) -> list[Event] | None:
            user = await tx.users.by_email(address)
            return None if user is None else list(await tx.events.after("", user_id=user.id))

        return _found(await self._database.read(unit))

    async def events_after(self, event_id: str) -> Sequence[Event]:
        """A page of events after an event, oldest first."""

        async def unit(tx: Transaction) -> Sequence[Event]:
            return await tx.events.after(event_id)

        return await self._database.read(unit)


async def _move_in(tx: Transaction, imported: ImportedUser) -> bool:
    now = tx.now
    user = User(
        id=imported.id or new_id("usr"),
        email=imported.email,
        created_at=now if imported.created_at is None else float(imported.created_at),
        roles=imported.roles,
        email_verified_at=now if imported.email_verified else None,
        disabled_at=now if imported.disabled else None,
        origin="import",
    )
    if imported.id is not None and await tx.users.by_id(imported.id) is not None:
        return False
    if not await tx.users.add(user):
        return False
    if imported.password_hash is not None:
        await tx.passwords.put(user.id, imported.password_hash, now)
    await record(tx, "account_created", user.id, actor=OPERATOR, reason="imported")
    return True


def _found(result: T | None) -> T:
    if result is None:
        raise _not_found()
    return result


def _not_found() -> Refusal:
    return Refusal("user_not_found", "No user has this email address.")
