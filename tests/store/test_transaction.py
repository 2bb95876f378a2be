"""Units of work: all or nothing, one after the other, and each answered after the commit."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.ports import decide

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatepass.server.domain.ports import Database, Transaction


def user(name: str) -> User:
    """Somebody."""
    return User(id=f"usr_{name}", email=f"{name}@example.test", created_at=1.5, roles=("a", "b"))


def adding(name: str) -> Callable[[Transaction], Awaitable[bool]]:
    """A unit that adds somebody."""

    async def unit(tx: Transaction) -> bool:
        return await tx.users.add(user(name))

    return unit


async def finding(tx: Transaction) -> list[str]:
    """A unit that lists everybody."""
    return [each.email for each in await tx.users.all()]


def test_what_a_unit_wrote_is_there_for_the_next(database: Database) -> None:
    """A unit's result is what it returned, and its writes are seen by units and by reads."""

    async def run() -> None:
        assert await database.transaction(adding("ann")) is True
        assert await database.transaction(adding("ann")) is False
        assert await database.transaction(finding) == await database.read(finding) == ["ann@example.test"]

    asyncio.run(run())


def test_a_unit_that_refuses_has_written(database: Database) -> None:
    """A refusal is raised after the commit, so what the unit wrote beside it is there; else a thief could try again."""

    async def refusing(tx: Transaction) -> User | Refusal:
        await tx.users.add(user("bob"))
        return Refusal("not_found", "on purpose")

    async def run() -> None:
        for is_lone_statement in (False, True):
            with pytest.raises(Refusal, match="on purpose"):
                await decide(database, refusing, is_lone_statement=is_lone_statement)
        assert await database.read(finding) == ["bob@example.test"]

    asyncio.run(run())


def test_a_unit_that_raises_writes_nothing(database: Database) -> None:
    """The caller gets the unit's own exception, and the other units of the same moment are not touched."""

    async def failing(tx: Transaction) -> None:
        await tx.users.add(user("bob"))
        raise Refusal("not_found", "on purpose")

    async def run() -> None:
        results = await asyncio.gather(
            database.transaction(adding("ann")),
            database.transaction(failing),
            database.transaction(adding("cid")),
            return_exceptions=True,
        )
        assert results[0] is results[2] is True
        assert isinstance(results[1], Refusal)
        assert await database.read(finding) == ["ann@example.test", "cid@example.test"]

    asyncio.run(run())


def test_a_unit_with_a_wrong_statement_fails_alone(database: Database) -> None:
    """A violated constraint is that unit's own failure; its neighbours commit."""

    async def orphan(tx: Transaction) -> None:
        await tx.passwords.put("usr_nobody", "hash", 0)

    async def run() -> None:
        results = await asyncio.gather(
            database.transaction(adding("ann")), database.transaction(orphan), return_exceptions=True
        )
        assert results[0] is True
        assert isinstance(results[1], Exception)
        assert await database.read(finding) == ["ann@example.test"]

    asyncio.run(run())


def test_many_at_once_are_all_there(database: Database) -> None:
    """A thousand units at the same moment, each answered, each written."""

    async def run() -> None:
        results = await asyncio.gather(*(database.transaction(adding(f"p{number}")) for number in range(1_000)))
        assert all(results)
        assert len(await database.read(finding)) == 1_000

    asyncio.run(run())


def test_a_unit_outlives_its_caller(database: Database) -> None:
    """A caller that is cancelled while waiting leaves no half-written unit and no stuck queue."""

    async def run() -> None:
        task = asyncio.create_task(database.transaction(adding("ann")))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert await database.transaction(adding("bob")) is True
        # What PostgreSQL had not been asked for yet is not asked for any more.
        assert await database.read(finding) in (["ann@example.test", "bob@example.test"], ["bob@example.test"])

    asyncio.run(run())


def test_a_user_comes_back_as_it_went_in(database: Database) -> None:
    """Every field, by id and by address."""

    async def run() -> None:
        await database.transaction(adding("ann"))

        async def both(tx: Transaction) -> tuple[User | None, User | None]:
            return await tx.users.by_id("usr_ann"), await tx.users.by_email("ann@example.test")

        assert await database.read(both) == (user("ann"), user("ann"))

    asyncio.run(run())
