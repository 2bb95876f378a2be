"""Units about one person wait for each other, and not for those about others; what they revoke is in commit order.

THREATS 8: with locks per person, ids must not come out of commit order, and nothing may be minted beside what ends it.
"""

from __future__ import annotations

import asyncio
import random
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest
from tests.support.server import NOON

from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.domain.sessions.grant import Grant
from gatepass.server.domain.sessions.revoke import end_sessions_of
from gatepass.server.domain.sessions.session import Session
from gatepass.server.store.postgres import PostgresDatabase

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

    from tests.support.postgres import Postgres

    from gatepass.server.domain.ports import Database, Transaction

    Unit = Callable[[Transaction], Awaitable[None]]


@asynccontextmanager
async def opened(url: str) -> AsyncGenerator[PostgresDatabase]:
    """An empty database in its first epoch."""
    database = await PostgresDatabase.open(url, lambda: NOON)
    try:
        await database.transaction(lambda tx: tx.revocations.open_epoch())
        yield database
    finally:
        await database.close()


class Paused:
    """A unit that stops in its middle until it is let go on; only PostgreSQL's may."""

    def __init__(self, revoked: StatusIndex | None = None) -> None:
        self.has_begun, self.may_end = asyncio.Event(), asyncio.Event()
        self._revoked = revoked

    async def __call__(self, tx: Transaction) -> None:
        """Revoke, if there is something, and wait."""
        if self._revoked is not None:
            await tx.revocations.revoke_indexes([self._revoked], NOON)
        await tx.users.all()
        self.has_begun.set()
        await self.may_end.wait()


async def nothing(tx: Transaction) -> None:
    """Look, and change nothing."""
    await tx.users.all()


async def whose(tx: Transaction) -> str:
    """Find out whom a unit is about, by reading."""
    await tx.users.all()
    return "ann"


async def is_waiting(database: PostgresDatabase) -> bool:
    """Whether somebody waits for an advisory lock, which is asked of PostgreSQL itself."""
    sql = "SELECT COUNT(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"
    async with database.connection() as connection:
        return bool(await connection.raw.fetchval(sql))


def test_only_what_is_about_others_runs_beside_it(postgres18: Postgres) -> None:
    """Beside a unit about Ann one about Bob is done; about Ann, alone or shared, and about everything, all wait."""
    url = postgres18.migrated_database()

    async def run() -> None:
        async with opened(url) as database:
            for about, shared in (("ann", False), ("ann", True), (whose, True), ("", False)):
                ann = Paused()
                first = asyncio.create_task(database.transaction(ann, about="ann"))
                await ann.has_begun.wait()
                await database.transaction(nothing, about="bob")
                await database.transaction(nothing, about="bob", shared=True)
                await database.transaction(nothing, shared=True)
                second = asyncio.create_task(database.transaction(nothing, about=about, shared=shared))
                while not await is_waiting(database):
                    assert not second.done(), (about, shared)
                ann.may_end.set()
                await asyncio.gather(first, second)

    asyncio.run(run())


def test_two_that_add_for_one_person_run_beside_each_other(postgres18: Postgres) -> None:
    """Two sign-ins of one person."""
    url = postgres18.migrated_database()

    async def run() -> None:
        async with opened(url) as database:
            ann = Paused()
            first = asyncio.create_task(database.transaction(ann, about="ann", shared=True))
            await ann.has_begun.wait()
            await database.transaction(nothing, about="ann", shared=True)
            ann.may_end.set()
            await first

    asyncio.run(run())


def test_commits_reversed_hide_no_revocation(postgres18: Postgres) -> None:
    """Ann's end revokes first and commits last: a reader that has seen Bob's in between still finds hers after it."""
    url = postgres18.migrated_database()

    async def run() -> None:
        async with opened(url) as database:
            ann, bobs = Paused(StatusIndex(1, 1)), StatusIndex(1, 2)
            first = asyncio.create_task(database.transaction(ann, about="ann"))
            await ann.has_begun.wait()
            await database.transaction(lambda tx: tx.revocations.revoke_indexes([bobs], NOON), about="bob")
            seen = await database.read(lambda tx: tx.revocations.head())
            ann.may_end.set()
            await first
            later = await database.read(lambda tx: tx.revocations.after(seen.event_id, NOON))
            assert [entry.status for entry in later] == [StatusIndex(1, 1)]

    asyncio.run(run())


def test_what_a_unit_revoked_before_it_failed_is_not_published(database: Database) -> None:
    """Neither by its own transaction nor by the next one of the same connection; a retry publishes it once."""

    async def failing(tx: Transaction) -> None:
        await tx.revocations.revoke_indexes([StatusIndex(1, 1)], NOON)
        await tx.revocations.revoke_token("at_1", client_id="app", expires_at=NOON + 60)
        raise LookupError

    async def run() -> None:
        await database.transaction(lambda tx: tx.revocations.open_epoch())
        for about in ("ann", ""):
            with pytest.raises(LookupError):
                await database.transaction(failing, about=about)
        await database.transaction(lambda tx: tx.revocations.revoke_key("k", NOON), about="ann")
        entries = await database.read(lambda tx: tx.revocations.after(0, NOON))
        assert [(entry.id, entry.status, entry.jti, entry.kid) for entry in entries] == [(1, None, None, "k")]

    asyncio.run(run())


def signing_in(name: str, number: int) -> Unit:
    """A sign-in: it reads whether the account is open, and then adds a session and a grant."""

    async def unit(tx: Transaction) -> None:
        user = await tx.users.by_id(name)
        assert user is not None
        if user.closed is not None:
            return
        await tx.sessions.add(
            Session(
                id=f"{name}-s{number}",
                user_id=name,
                auth_time=NOON,
                acr="1",
                amr=("pwd",),
                address="",
                user_agent="",
                expires_at=NOON + 1e9,
            )
        )
        await tx.grants.add(
            Grant(
                id=f"{name}-g{number}",
                session_id=f"{name}-s{number}",
                user_id=name,
                client_id="first-party",
                audience=("a",),
                scope=(),
                secret_digest=b"d",
                current=1,
                status=StatusIndex(1, 10 * int(name[1:]) + number),
                touched_at=NOON,
                expires_at=NOON + 1e9,
            )
        )

    return unit


def disabling(name: str) -> Unit:
    """What closes an account ends everything of it."""

    async def unit(tx: Transaction) -> None:
        await tx.users.set_disabled(name, NOON)
        await end_sessions_of(tx, name, "user_disabled")

    return unit


@pytest.mark.soak
def test_no_sign_in_survives_what_closes_the_account(database: Database, effort: int) -> None:
    """Sign-ins and a disabling at once, of several people at once, in random order: no grant of theirs is alive after.

    100 rounds of three people; under `make soak` fifty times as many.
    """
    chance = random.Random(20_261_129)  # noqa: S311 - the same each time

    async def run(number: int) -> None:
        names = [f"p{3 * number + each}" for each in range(3)]
        for name in names:
            await database.transaction(
                lambda tx, name=name: tx.users.add(User(id=name, email=name, created_at=NOON))  # type: ignore[misc]
            )
        works = [database.transaction(disabling(name), about=name) for name in names] + [
            database.transaction(signing_in(name, each), about=name, shared=True) for name in names for each in range(3)
        ]
        chance.shuffle(works)
        await asyncio.gather(*works)
        for name in names:
            alive = await database.read(lambda tx, name=name: tx.grants.live_of_user(name, NOON))  # type: ignore[misc]
            assert alive == [], name

    async def many() -> None:
        await database.transaction(lambda tx: tx.revocations.open_epoch())
        for number in range(100 * effort):
            await run(number)

    asyncio.run(many())
