"""Making an account, whoever asked for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.server.errors import Refusal
from gatepass.server.events import NOWHERE
from gatepass.server.ids import new_id
from gatepass.server.passwords.policy import check_new_password
from gatepass.server.recording import record
from gatepass.server.users import User, normalise_email

if TYPE_CHECKING:
    from gatepass.server.events import Where
    from gatepass.server.passwords.hashing import PasswordHasher
    from gatepass.server.settings import Settings
    from gatepass.server.transaction import Database, Transaction


class Registration:
    """Makes accounts that are proved by a password."""

    def __init__(self, database: Database, hasher: PasswordHasher, settings: Settings) -> None:
        self._database = database
        self._hasher = hasher
        self._min_length = settings.password_min_length

    async def add(
        self,
        email: str,
        password: str,
        roles: tuple[str, ...] = (),
        *,
        actor: str | None = None,
        where: Where = NOWHERE,
    ) -> User:
        """Write the account; without an `actor` it was made by its owner.

        Raises:
            Refusal: `invalid_email`, `password_too_short`, `password_too_long` or `email_taken`.
        """
        address = normalise_email(email)
        password_hash = await self.hash(password)

        async def unit(tx: Transaction) -> User | None:
            user = User(id=new_id("usr"), email=address, created_at=tx.now, roles=roles)
            if not await tx.users.add(user):
                return None
            await tx.passwords.put(user.id, password_hash, tx.now)
            await record(tx, "account_created", user.id, actor=actor, where=where)
            return user

        user = await self._database.transaction(unit)
        if user is None:
            raise Refusal("email_taken", "There is an account with this address.")
        return user

    async def hash(self, password: str) -> str:
        """Hash a password that may be set.

        Raises:
            Refusal: `password_too_short` or `password_too_long`.
        """
        check_new_password(password, min_length=self._min_length)
        return await self._hasher.hash(password)
