"""Refreshes in flight while something is revoked: whatever the order, no token that should be dead escapes its bit.

An access token is minted from what a refresh has read, after its commit. So a token may come to be signed when the
revocation is long committed; then it must have been read before it, and its place must be among those revoked.
"""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import pytest
from tests.support.server import NOON

from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.revocation.status_indexes import ListKeys
from gatepass.server.domain.sessions.grant import (
    Advanced,
    Ended,
    Grant,
    RefreshCredential,
    Reissued,
    RotationPolicy,
    Same,
)
from gatepass.server.domain.sessions.revoke import end_grant, end_session, end_sessions_of, end_tokens_of
from gatepass.server.domain.sessions.rotation import advance
from gatepass.server.domain.sessions.session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.revocation.status_index import StatusIndex
    from gatepass.server.domain.sessions.grant import TokenSubject

T = TypeVar("T")

PACE = RotationPolicy(quiet=0, grace=30, idle=1_000_000)
LISTS = ListKeys(lambda key, _: key, lambda key, _: key)


class Person(NamedTuple):
    """Somebody with two sessions, the first of which has two grants."""

    name: str
    grants: tuple[Grant, ...]


async def make_person(database: Database, number: int) -> Person:
    """Write somebody with a role."""

    async def unit(tx: Transaction) -> Person:
        name = f"p{number}"
        await tx.users.add(User(id=name, email=name, created_at=NOON, roles=("admin", "staff")))
        block = await tx.status_lists.reserve(3, new_sealed_key=LISTS.new_sealed_key, now=NOON)
        grants: list[Grant] = []
        for place, session_id in zip(LISTS.indexes(block), (f"{name}-s1", f"{name}-s1", f"{name}-s2"), strict=True):
            if not any(grant.session_id == session_id for grant in grants):
                session = Session(
                    id=session_id, user_id=name, auth_time=NOON, acr="1", amr=("pwd",),
                    address="", user_agent="", expires_at=NOON + 1e9,
                )  # fmt: skip
                await tx.sessions.add(session)
            grant = Grant(
                id=f"{name}-g{len(grants)}", session_id=session_id, user_id=name, client_id="first-party",
                audience=("a",), scope=(), secret_digest=b"d", current=1, status=place,
                touched_at=NOON, expires_at=NOON + 1e9,
            )  # fmt: skip
            grants.append(grant)
            await tx.grants.add(grant)
        return Person(name, tuple(grants))

    return await database.transaction(unit)


class Outcome(NamedTuple):
    """What a refresh answered."""

    grant: Grant
    bearer: TokenSubject | None


def refreshing(grant: Grant, serial: int) -> Callable[[Transaction], Awaitable[Outcome]]:
    """A refresh."""

    async def unit(tx: Transaction) -> Outcome:
        presented = RefreshCredential(grant_id=grant.id, client_id="first-party", secret_digest=b"d", serial=serial)
        outcome = await advance(tx, presented, pace=PACE)
        bearer = outcome.subject if isinstance(outcome, Advanced | Same | Reissued) else None
        assert bearer is not None or isinstance(outcome, Ended)
        return Outcome(grant, bearer)

    return unit


KILLS = ("grant", "session", "person", "roles")


def killing(person: Person, kind: str) -> Callable[[Transaction], Awaitable[None]]:
    """A revocation."""

    async def unit(tx: Transaction) -> None:
        if kind == "grant":
            await end_grant(tx, person.grants[0].id)
        elif kind == "session":
            await end_session(tx, person.grants[0].session_id, person.name, "logout")
        elif kind == "person":
            await end_sessions_of(tx, person.name, "user_disabled")
        else:
            await tx.users.set_roles(person.name, ("staff",))
            await end_tokens_of(tx, person.name, LISTS)

    return unit


def is_hit(kind: str, person: Person, grant: Grant) -> bool:
    """Whether the revocation is about this grant."""
    if kind == "grant":
        return grant.id == person.grants[0].id
    if kind == "session":
        return grant.session_id == person.grants[0].session_id
    return True


@pytest.mark.soak
def test_no_token_escapes_its_bit(request: pytest.FixtureRequest, database: Database, effort: int) -> None:
    """Random interleavings of refreshes and a revocation of each kind: 2,000 on SQLite, 300 on each PostgreSQL.

    Under `make soak` fifty times as many. Whatever a refresh has read, its token is dead, or says what is true now.
    """
    chance = random.Random(20_261_124)  # noqa: S311 - the same interleavings each time
    on_sqlite = "sqlite" in request.node.name

    async def run(number: int) -> None:
        person, kind = await make_person(database, number), chance.choice(KILLS)
        works = [
            database.statement(refreshing(grant, 1)) for grant in person.grants for _ in range(chance.randint(0, 2))
        ]
        kill = database.transaction(killing(person, kind))
        everything: list[Coroutine[Any, Any, Outcome | None]] = [*works]
        everything.insert(chance.randint(0, len(works)), kill)
        # Each arrives when it likes: some together in a batch, some after it.
        answers = await asyncio.gather(*(_after(chance.randint(0, 3), work) for work in everything))
        revoked = await database.read(_revoked)
        for answer in answers:
            if answer is not None and answer.bearer is not None:
                says_what_was = answer.bearer.roles != ("staff",)
                must_die = is_hit(kind, person, answer.grant) and (kind != "roles" or says_what_was)
                assert (answer.bearer.status in revoked) == must_die, (kind, answer)

    async def many() -> None:
        await database.transaction(_open_epoch)
        for number in range((1_000 if on_sqlite else 300) * effort):
            await run(number)

    asyncio.run(many())


async def _after(steps: int, work: Awaitable[T]) -> T:
    for _ in range(steps):
        await asyncio.sleep(0)
    return await work


async def _open_epoch(tx: Transaction) -> None:
    await tx.revocations.open_epoch()


async def _revoked(tx: Transaction) -> set[StatusIndex]:
    head = await tx.revocations.head()
    entries = await tx.revocations.after(max(0, head.event_id - 10), NOON)
    return {entry.status for entry in entries if entry.status is not None}
