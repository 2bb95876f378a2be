"""People of other systems move in whole or not at all, on every database; a dry run leaves nothing behind."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.domain.accounts.imports import ImportedUser
from gatepass.server.domain.accounts.linked_identity import Claimed
from gatepass.server.domain.accounts.profile import UserProfile
from gatepass.server.features.admin.imports.move_in import RolledBack, move_in, undo

if TYPE_CHECKING:
    from gatepass.server.base.errors import Refusal
    from gatepass.server.domain.ports import Database, Transaction

GOOGLE = Claimed(
    provider="google",
    issuer="https://accounts.google.com",
    subject="1150",
    email="ann@gmail.com",
    email_is_verified=False,
)
ANN = ImportedUser(
    id="auth0|1",
    email="ann@example.test",
    password_hash="a hash",
    email_verified=True,
    disabled=False,
    roles=("editor",),
    created_at=1_600_000_000,
    profile=UserProfile(name="Ann", app_metadata={"plan": "pro"}),
    identities=(GOOGLE,),
)
BOB = msgspec.structs.replace(ANN, id="auth0|2", email="bob@example.test")


def moved(database: Database, *people: ImportedUser, is_dry: bool = False) -> list[str]:
    """Import them in one transaction; the codes of those who are refused."""

    async def unit(tx: Transaction) -> list[Refusal | None]:
        outcomes = [await move_in(tx, each, actor="operator") for each in people]
        if is_dry:
            undo(outcomes)
        return outcomes

    async def run() -> list[Refusal | None]:
        try:
            return await database.transaction(unit)
        except RolledBack as dry:
            return dry.outcomes

    return ["" if each is None else each.code for each in asyncio.run(run())]


def kept(database: Database) -> tuple[list[str], int, list[str]]:
    """Who is there, how many accounts are connected, and what happened."""

    async def unit(tx: Transaction) -> tuple[list[str], int, list[str]]:
        users = await tx.users.all()
        return (
            [each.email for each in users],
            sum([len(await tx.identities.of(each.id)) for each in users]),
            [each.kind for each in await tx.events.after("")],
        )

    return asyncio.run(database.read(unit))


def test_people_move_in_whole_or_not_at_all(database: Database) -> None:
    """A dry run tells what the import then does, and leaves nothing behind; what is taken refuses all of a person."""
    assert moved(database, ANN, BOB, is_dry=True) == ["", "identity_taken"]
    assert kept(database) == ([], 0, [])
    no_google = msgspec.structs.replace(BOB, identities=())
    taken = [
        msgspec.structs.replace(no_google, id=ANN.id),
        msgspec.structs.replace(no_google, email=ANN.email),
        BOB,
    ]
    assert moved(database, ANN, *taken, no_google) == ["", "email_taken", "email_taken", "identity_taken", ""]
    assert kept(database) == (["ann@example.test", "bob@example.test"], 1, ["account_created"] * 2)
