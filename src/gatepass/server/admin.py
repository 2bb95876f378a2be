"""What an operator does to accounts. So far from the command line only; each is one transaction."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec

from gatepass.server.ending import end_sessions_of, end_tokens_of
from gatepass.server.errors import Refusal
from gatepass.server.users import check_role, normalise_email

if TYPE_CHECKING:
    from gatepass.server.registration import Registration
    from gatepass.server.revocations.status_indexes import ListKeys
    from gatepass.server.sessions import SessionInUse
    from gatepass.server.transaction import Database, Transaction
    from gatepass.server.users import User


T = TypeVar("T")


class Shown(msgspec.Struct, frozen=True):
    """A person and where they are signed in."""

    user: User
    sessions: list[SessionInUse]


class Admin:
    """The operator's calls. An e-mail address that nobody has is refused as `user_not_found`."""

    def __init__(self, database: Database, registration: Registration, lists: ListKeys, *, idle_seconds: float) -> None:
        self._database = database
        self._registration = registration
        self._lists = lists
        self._idle_seconds = idle_seconds

    async def add(self, email: str, password: str, roles: tuple[str, ...]) -> User:
        """Make an account. Raises as `Registration.add`, and `invalid_role`."""
        return await self._registration.add(email, password, tuple(map(check_role, roles)))

    async def all(self) -> list[User]:
        """Everybody, by e-mail address."""

        async def unit(tx: Transaction) -> list[User]:
            return await tx.users.all()

        return await self._database.read(unit)

    async def show(self, email: str) -> Shown:
        """One person and their sessions."""
        address = normalise_email(email)

        async def unit(tx: Transaction) -> Shown | None:
            user = await tx.users.by_email(address)
            if user is None:
                return None
            return Shown(user, await tx.sessions.live_of(user.id, now=tx.now, idle_seconds=self._idle_seconds))

        return _found(await self._database.read(unit))

    async def disable(self, email: str) -> int:
        """Keep the person from signing in, and end their sessions; how many those were."""
        address = normalise_email(email)

        async def unit(tx: Transaction) -> int | None:
            user = await tx.users.by_email(address)
            if user is None:
                return None
            await tx.users.set_disabled(user.id, tx.now)
            return await end_sessions_of(tx, user.id, "user_disabled")

        return _found(await self._database.transaction(unit))

    async def enable(self, email: str) -> None:
        """Let the person sign in again."""
        address = normalise_email(email)

        async def unit(tx: Transaction) -> User | None:
            user = await tx.users.by_email(address)
            if user is not None:
                await tx.users.set_disabled(user.id, None)
            return user

        _found(await self._database.transaction(unit))

    async def set_role(self, email: str, role: str, *, has: bool) -> tuple[str, ...]:
        """Give or take a role; the roles that the person has now.

        When one is taken, the person's access tokens are dead; the sessions live, and a refresh carries what is left.
        """
        address, checked = normalise_email(email), check_role(role)

        async def unit(tx: Transaction) -> tuple[str, ...] | None:
            user = await tx.users.by_email(address)
            if user is None:
                return None
            others = tuple(each for each in user.roles if each != checked)
            roles = tuple(sorted((*others, checked))) if has else others
            await tx.users.set_roles(user.id, roles)
            if not set(user.roles) <= set(roles):
                await end_tokens_of(tx, user.id, self._lists)
            return roles

        return _found(await self._database.transaction(unit))

    async def set_password(self, email: str, password: str) -> int:
        """Set a new password, and end the person's sessions; how many those were."""
        address = normalise_email(email)
        password_hash = await self._registration.hash(password)

        async def unit(tx: Transaction) -> int | None:
            user = await tx.users.by_email(address)
            if user is None:
                return None
            await tx.passwords.put(user.id, password_hash, tx.now)
            return await end_sessions_of(tx, user.id, "password_changed")

        return _found(await self._database.transaction(unit))

    async def logout(self, email: str) -> int:
        """End the person's sessions; how many those were."""
        address = normalise_email(email)

        async def unit(tx: Transaction) -> int | None:
            user = await tx.users.by_email(address)
            return None if user is None else await end_sessions_of(tx, user.id, "logged_out_by_admin")

        return _found(await self._database.transaction(unit))


def _found(result: T | None) -> T:
    if result is None:
        raise Refusal("user_not_found", "Nobody has this e-mail address.")
    return result
