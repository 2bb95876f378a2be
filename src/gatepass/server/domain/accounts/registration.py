"""Creating accounts, for sign-up and for the operator."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.user import User, check_user_id, normalise_email
from gatepass.server.domain.credentials.passwords.leaked import LeakedPasswordRanges
from gatepass.server.domain.credentials.passwords.policy import check_new_password
from gatepass.server.domain.events.event import NOWHERE
from gatepass.server.domain.events.recording import record
from gatepass.server.domain.hooks.gates import create_account
from gatepass.server.domain.ports import decide

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.accounts.profile import UserProfile
    from gatepass.server.domain.credentials.passwords.hashing import PasswordHasher
    from gatepass.server.domain.credentials.passwords.policy import LeakedPasswords
    from gatepass.server.domain.events.event import Origin
    from gatepass.server.domain.hooks.requests import SignupMethod
    from gatepass.server.domain.ports import Database, Transaction


PASSWORD_PROBLEMS = ("password_too_short", "password_too_long", "password_too_common", "password_leaked", "busy")
"""The error codes of a new password."""


class Registration:
    """Creates accounts with a password."""

    def __init__(
        self, database: Database, hasher: PasswordHasher, settings: Settings, *, leaked: LeakedPasswords | None = None
    ) -> None:
        self._database = database
        self._hasher = hasher
        self._leaked = leaked
        self._issuer = settings.issuer_url
        self._min_length = settings.password_min_length
        self._min_length_with_factor = min(settings.password_min_length_with_factor, settings.password_min_length)

    async def add(  # noqa: PLR0913 - what an account is made of, and who makes it
        self,
        email: str,
        password: str | None,
        roles: tuple[str, ...] = (),
        *,
        by: str | None = None,
        is_verified: bool = False,
        user_id: str | None = None,
        where: Origin = NOWHERE,
        method: SignupMethod = "password",
        password_hash: str | None = None,
        profile: UserProfile | None = None,
        count: Callable[[Transaction], Awaitable[Refusal | None]] | None = None,
    ) -> User:
        """Create an account, for the user or for the operator (`by`), who may also declare the address verified.

        An operator may leave the password out or give its hash, in our stored format, and give the id that the user
        has elsewhere. `count` counts the new
        account where there are limits, or refuses it. `method` is how it comes to be, for hooks.

        Raises:
            Refusal: `email_taken`, also for the id, `invalid_user_id`, `user_id_deleted`, `invalid_email`,
                `signup_denied`, what `count` returns, or as `hash`.
        """
        address = normalise_email(email)
        if user_id is not None:
            check_user_id(user_id)
        if password is not None:
            password_hash = await self.hash(password, email=address)

        async def unit(tx: Transaction) -> User | Refusal:
            user = User(
                id=user_id or new_id("usr"),
                email=address,
                created_at=tx.now,
                roles=roles,
                email_verified_at=tx.now if is_verified else None,
                origin="self" if by is None else "operator",
            )
            if await tx.users.by_email(address) is None and count is not None and (refused := await count(tx)):
                return refused
            if user_id is not None and (refused := await check_new_id(tx, user_id)):
                return refused
            if refused := await create_account(tx, user, method=method, actor=by, where=where):
                return refused
            if password_hash is not None:
                await tx.passwords.put(user.id, password_hash, tx.now)
            if profile is not None:
                await tx.profiles.put(user.id, profile)
            if is_verified:
                await record(tx, "email_verified", user.id, actor=by, where=where)
            return user

        return await decide(self._database, unit, shared=True)

    def is_short(self, password: str) -> bool:
        """Whether the password is long enough only together with a second factor."""
        return len(password) < self._min_length

    async def hash(self, password: str, *, email: str, has_factor: bool = False) -> str:
        """Check and hash a new password; with a second factor it may be shorter.

        Raises:
            Refusal: `password_too_short`, `password_too_long`, `password_too_common` or `password_leaked`.
        """
        min_length = self._min_length_with_factor if has_factor else self._min_length
        check_new_password(password, min_length=min_length, context=(email, self._issuer))
        if self._leaked is not None and await self._leaked.has(password):
            raise Refusal("password_leaked", "This password appeared in a data leak: choose another one.")
        return await self._hasher.hash(password)


async def check_new_id(tx: Transaction, user_id: str) -> Refusal | None:
    """Refuse an id that another user has, or had: applications may keep data under it, which is not the new user's."""
    if await tx.users.by_id(user_id) is not None:
        return Refusal("email_taken", "There is already a user with this id.")
    if await tx.users.was_deleted(user_id):
        return Refusal("user_id_deleted", "A deleted user had this id, and no other user gets it.")
    return None


def new_registration(database: Database, hasher: PasswordHasher, settings: Settings) -> Registration:
    """The registration for these settings, with the service that knows leaked passwords if one is configured."""
    url = settings.leaked_passwords_url
    return Registration(database, hasher, settings, leaked=LeakedPasswordRanges(url) if url else None)
