"""Accounts elsewhere: each opens one account here, and what is one person's is nobody else's."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import msgspec
from tests.support.server import NOON

from gatepass.server.domain.accounts.linked_identity import Identity
from gatepass.server.domain.accounts.ownership import erase
from gatepass.server.domain.accounts.user import User

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction

ANN, BOB = "usr_1", "usr_2"
IDENTITY = Identity(
    id="idn_1",
    user_id=ANN,
    provider="corp",
    issuer="https://login.example.test",
    subject="1001",
    email="ann@example.test",
    created_at=NOON,
    used_at=None,
)


def test_an_account_elsewhere_is_one_person_s(database: Database) -> None:
    """Issuer and subject together are taken once; another person's is neither seen nor removed."""

    async def unit(tx: Transaction) -> None:
        for user_id in (ANN, BOB):
            await tx.users.add(User(id=user_id, email=f"{user_id}@example.test", created_at=NOON))
        assert await tx.identities.add(IDENTITY)
        assert not await tx.identities.add(msgspec.structs.replace(IDENTITY, id="idn_2", user_id=BOB))
        other = msgspec.structs.replace(IDENTITY, id="idn_3", user_id=BOB, issuer="https://other.example.test")
        assert await tx.identities.add(other)
        assert await tx.identities.find(IDENTITY.issuer, IDENTITY.subject) == IDENTITY
        assert await tx.identities.find(IDENTITY.issuer, "1002") is None
        await tx.identities.use(IDENTITY.id, email="new@example.test", now=NOON + 1)
        used = msgspec.structs.replace(IDENTITY, email="new@example.test", used_at=NOON + 1)
        assert await tx.identities.of(ANN) == [used]
        assert await tx.identities.remove(IDENTITY.id, BOB) is None
        assert await tx.identities.remove(IDENTITY.id, ANN) == used
        assert await tx.identities.remove(IDENTITY.id, ANN) is None
        await erase(tx, BOB)
        assert await tx.identities.find(other.issuer, other.subject) is None

    asyncio.run(database.transaction(unit))
