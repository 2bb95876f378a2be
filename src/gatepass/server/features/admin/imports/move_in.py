"""Creating the account of an imported user, whole or not at all."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

from gatepass.server.base.errors import Refusal
from gatepass.server.base.ids import new_id
from gatepass.server.domain.accounts.linked_identity import Identity
from gatepass.server.domain.accounts.profile import UserProfile
from gatepass.server.domain.accounts.registration import check_new_id
from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.hooks.gates import create_account

if TYPE_CHECKING:
    from gatepass.server.domain.accounts.imports import ImportedUser
    from gatepass.server.domain.ports import Transaction


class RolledBack(Exception):
    """Ends the transaction of a dry run, so that nothing is written."""

    def __init__(self, outcomes: list[Refusal | None]) -> None:
        super().__init__("a dry run")
        self.outcomes = outcomes


def undo(outcomes: list[Refusal | None]) -> NoReturn:
    """End the transaction of a dry run. Nothing is lost: there is no revocation or count among what it undoes."""
    raise RolledBack(outcomes)


async def move_in(tx: Transaction, imported: ImportedUser, *, actor: str) -> Refusal | None:
    """Create the account, unless its address, id or one of its connected accounts is taken: then nothing is written."""
    user = User(
        id=imported.id or new_id("usr"),
        email=imported.email,
        created_at=tx.now if imported.created_at is None else float(imported.created_at),
        roles=imported.roles,
        email_verified_at=tx.now if imported.email_verified else None,
        disabled_at=tx.now if imported.disabled else None,
        origin="import",
    )
    for each in imported.identities:
        if await tx.identities.find(each.issuer, each.subject) is not None:
            return Refusal("identity_taken", f"The account at {each.provider} is connected to another user.")
    if imported.id is not None and (refused := await check_new_id(tx, imported.id)):
        return refused
    if refused := await create_account(tx, user, method="operator", actor=actor, reason="imported"):
        return refused
    await _add_what_is_theirs(tx, user, imported)
    return None


async def _add_what_is_theirs(tx: Transaction, user: User, imported: ImportedUser) -> None:
    if imported.profile != UserProfile():
        await tx.profiles.put(user.id, imported.profile)
    if imported.password_hash is not None:
        await tx.passwords.put(user.id, imported.password_hash, tx.now)
    for each in imported.identities:
        identity = Identity(
            id=new_id("idn"),
            user_id=user.id,
            provider=each.provider,
            issuer=each.issuer,
            subject=each.subject,
            email=each.email,
            created_at=tx.now,
            used_at=None,
        )
        await tx.identities.add(identity)
