"""Units that ask hooks: undone until there is an answer, and asked with nothing locked."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from gatepass.server.base.errors import Unavailable
from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.hooks.asking import MOST_QUESTIONS, AskingDatabase, Decider, HookFailures
from gatepass.server.domain.hooks.gates import create_account
from gatepass.server.domain.hooks.requests import BeforeSignupRequest, Deny
from gatepass.server.domain.ports import decide

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatepass.server.base.errors import Refusal
    from gatepass.server.domain.hooks.requests import HookRequest
    from gatepass.server.domain.ports import Database, Transaction


def user(name: str) -> User:
    """Somebody."""
    return User(id=f"usr_{name}", email=f"{name}@example.test", created_at=1.5)


def joining(name: str) -> Callable[[Transaction], Awaitable[Refusal | None]]:
    """A unit that writes, and then makes an account."""

    async def unit(tx: Transaction) -> Refusal | None:
        await tx.used_once.use("dpop_proof", name, expires_at=tx.now + 60)
        return await create_account(tx, user(name), method="password")

    return unit


async def look(tx: Transaction) -> tuple[list[str], list[str]]:
    """Who there is, and what has happened."""
    return [each.id for each in await tx.users.all()], [each.kind for each in await tx.events.after("")]


def asking(database: Database, ask: Callable[[HookRequest], Awaitable[Deny | None]]) -> AskingDatabase:
    """The database of a server with a hook."""
    return AskingDatabase(database, [Decider("test", "before_signup", ask)], HookFailures(database))


def test_while_a_hook_is_asked_nothing_is_written_and_nothing_locked(database: Database) -> None:
    """Others read and write meanwhile; then the unit is run again, as if it had never been run before."""
    met: list[object] = []

    async def ask(request: HookRequest) -> None:
        met.append(request)
        met.append(await asyncio.wait_for(database.transaction(look), 2))

    async def run() -> None:
        await decide(asking(database, ask), joining("ann"))
        assert met == [
            BeforeSignupRequest(email="ann@example.test", email_verified=False, method="password"),
            ([], []),
        ]
        assert await database.read(look) == (["usr_ann"], ["account_created"])

    asyncio.run(run())


def test_a_denial_commits_what_goes_with_it_and_a_failure_nothing(database: Database) -> None:
    """A denial leaves an event, and failures one a minute. The command line asks nobody."""

    async def deny(_request: HookRequest) -> Deny:
        return Deny("no", "No.")

    async def fail(_request: HookRequest) -> None:
        raise Unavailable("hook_unavailable", "")

    async def run() -> None:
        with pytest.raises(Exception, match=r"No\."):
            await decide(asking(database, deny), joining("ann"))
        assert await database.read(look) == ([], ["signup_denied"])
        failing = asking(database, fail)
        for _ in range(3):
            with pytest.raises(Unavailable):
                await decide(failing, joining("bob"))
        assert await database.read(look) == ([], ["signup_denied", "hook_failed"])
        await decide(database, joining("ann"))  # as the command line does, on the same connection
        assert (await database.read(look))[0] == ["usr_ann"]

    asyncio.run(run())


def test_what_has_changed_meanwhile_is_asked_anew(database: Database) -> None:
    """The answer was about something else then; who changes it all the time is not let in."""
    names = iter(f"name{number}" for number in range(100))
    asked: list[HookRequest] = []

    async def ask(request: HookRequest) -> None:
        asked.append(request)

    async def unit(tx: Transaction) -> Refusal | None:
        return await create_account(tx, user(next(names)), method="password")

    async def run() -> None:
        with pytest.raises(Unavailable):
            await decide(asking(database, ask), unit)
        assert len(set(asked)) == MOST_QUESTIONS
        assert await database.read(look) == ([], [])

    asyncio.run(run())
