"""Sessions: what was over long ago goes away by itself, and nothing else does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.server import NOON

from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.domain.sessions.grant import Grant
from gatepass.server.domain.sessions.session import Session

if TYPE_CHECKING:
    from gatepass.server.domain.ports import Database, Transaction

ANN = User(id="usr_ann", email="ann@example.test", created_at=NOON, roles=())


def session(number: int, expires_at: float) -> Session:
    """One of Ann's sign-ins."""
    return Session(
        id=f"ses_{number}",
        user_id=ANN.id,
        auth_time=NOON,
        acr="1",
        amr=("pwd",),
        address="192.0.2.1",
        user_agent="test",
        expires_at=expires_at,
    )


def grant(number: int, expires_at: float) -> Grant:
    """What an application holds of it."""
    return Grant(
        id=f"gnt_{number}",
        session_id=f"ses_{number}",
        user_id=ANN.id,
        client_id="first-party",
        audience=("https://a.test",),
        scope=(),
        secret_digest=b"d" * 32,
        current=1,
        status=StatusIndex(1, number),
        touched_at=NOON,
        expires_at=expires_at,
    )


def test_sessions_are_forgotten_when_their_lifetime_is_long_over(database: Database) -> None:
    """The oldest first, so many at once, with their grants; whose lifetime is not over stays."""

    async def fill(tx: Transaction) -> None:
        await tx.users.add(ANN)
        for number in range(5):
            await tx.sessions.add(session(number, NOON + number))
            await tx.grants.add(grant(number, NOON + number))

    async def forget(tx: Transaction) -> int:
        return await tx.sessions.forget_expired(NOON + 3, most=2)

    async def left(tx: Transaction) -> list[str]:
        return [grant_id for grant_id, _ in await tx.grants.live_of_user(ANN.id, NOON - 1)]

    async def run() -> None:
        await database.transaction(fill)
        assert [await database.transaction(forget) for _ in range(3)] == [2, 1, 0]
        assert sorted(await database.read(left)) == ["gnt_3", "gnt_4"]

    asyncio.run(run())
