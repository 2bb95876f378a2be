"""The refresh table, row by row, on every database: what a presented serial means, and what it changes."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.support.server import NOON

from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.domain.sessions.grant import (
    Advanced,
    Ended,
    Grant,
    RefreshCredential,
    Reissued,
    RotationPolicy,
    Same,
    Stolen,
    TokenSubject,
    Unknown,
)
from gatepass.server.domain.sessions.rotation import advance
from gatepass.server.domain.sessions.session import Session

if TYPE_CHECKING:
    from tests.support.server import SettableClock

    from gatepass.server.domain.events.event import Event
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.grant import (
        Advance,
    )
    from gatepass.server.store.connection import Row, Value

PACE = RotationPolicy(quiet=60, grace=30, idle=10_000)
DIGEST = b"d" * 32


@pytest.fixture
def grant(database: Database) -> Grant:
    """A grant of a session of a user, at serial 1 since NOON."""
    user = User(id="usr_ann", email="ann@example.test", created_at=NOON, roles=("staff", "admin"))
    session = Session(
        id="ses_1",
        user_id=user.id,
        auth_time=NOON,
        acr="1",
        amr=("pwd",),
        address="192.0.2.1",
        user_agent="test",
        expires_at=NOON + 1_000_000,
    )
    made = Grant(
        id="gnt_1",
        session_id=session.id,
        user_id=user.id,
        client_id="first-party",
        audience=("https://a.test", "https://b.test"),
        scope=("read", "write"),
        secret_digest=DIGEST,
        current=1,
        status=StatusIndex(1, 7),
        touched_at=NOON,
        expires_at=NOON + 1_000_000,
    )

    async def unit(tx: Transaction) -> None:
        await tx.revocations.open_epoch()
        await tx.users.add(user)
        await tx.sessions.add(session)
        await tx.grants.add(made)

    asyncio.run(database.transaction(unit))
    return made


class Walk:
    """Presents serials at times, counted from NOON in seconds."""

    def __init__(self, database: Database, clock: SettableClock) -> None:
        self._database = database
        self._clock = clock

    def __call__(self, at: float, serial: int, *, digest: bytes = DIGEST, grant_id: str = "gnt_1") -> Advance:
        """Present a serial; the outcome."""
        self._clock.now = NOON + at
        presented = RefreshCredential(grant_id=grant_id, client_id="first-party", secret_digest=digest, serial=serial)

        async def unit(tx: Transaction) -> Advance:
            return await advance(tx, presented, pace=PACE)

        return asyncio.run(self._database.transaction(unit))

    def serial(self, at: float, serial: int) -> tuple[type, int]:
        """Present a serial that is taken; the kind of outcome, and the serial that comes back."""
        outcome = self(at, serial)
        assert isinstance(outcome, Advanced | Same | Reissued)
        return type(outcome), outcome.serial

    def events(self) -> list[Event]:
        """What was recorded of the session."""

        async def unit(tx: Transaction) -> list[Event]:
            return await tx.events.of_session("ses_1")

        return asyncio.run(self._database.read(unit))


@pytest.fixture
def walk(database: Database, clock: SettableClock, grant: Grant) -> Walk:
    """A walk over the grant."""
    assert grant.id == "gnt_1"
    return Walk(database, clock)


def test_current_and_quiet_advances(walk: Walk) -> None:
    """`current`, and nothing touched for M: the owner moves on."""
    assert walk.serial(60, 1) == (Advanced, 2)
    assert walk.serial(120, 2) == (Advanced, 3)


def test_current_and_sooner_is_the_same(walk: Walk) -> None:
    """`current`, sooner than M: the same current; M is counted from the last move, not from this answer."""
    assert walk.serial(59, 1) == (Same, 1)
    assert walk.serial(60, 1) == (Advanced, 2)


def test_spent_within_the_grace_is_the_same(walk: Walk) -> None:
    """`spent`, within G of the last answer: the current one; each such answer prolongs both G and M."""
    walk(60, 1)
    assert walk.serial(90, 1) == (Same, 2)
    assert walk.serial(120, 1) == (Same, 2)
    assert walk.serial(179, 2) == (Same, 2)
    assert walk.serial(180, 2) == (Advanced, 3)


def test_spent_later_is_reissued_and_the_skipped_serial_is_poison(walk: Walk) -> None:
    """`spent`, later than G: the next serial; who presents the one that was skipped shows that two hold the grant."""
    walk(60, 1)
    assert walk.serial(91, 1) == (Reissued, 3)
    assert walk(92, 2) == Stolen("usr_ann", "ses_1")


def test_any_older_serial_ends_the_session(walk: Walk) -> None:
    """Below `spent`: theft. The grant and the session are over, and an event says why."""
    for step in range(1, 4):
        walk(60 * step, step)
    assert walk(200, 1) == Stolen("usr_ann", "ses_1")
    assert walk(201, 4) == Ended()
    assert walk(202, 1) == Ended()
    assert [event.kind for event in walk.events()] == ["refresh_token_reused"]


def test_a_serial_from_the_future_is_ours_all_the_same(walk: Walk) -> None:
    """Above `current` only after the store lost writes: current jumps ahead of it, a retry works, an event says so."""
    outcome = walk(10, 7)
    assert isinstance(outcome, Reissued)
    assert (outcome.serial, outcome.store_went_back) == (1_000_007, True)
    assert walk.serial(20, 7) == (Same, 1_000_007)
    assert walk.serial(80, 1_000_007) == (Advanced, 1_000_008)
    assert [event.kind for event in walk.events()] == ["store_went_back"]


def test_lifetimes(walk: Walk) -> None:
    """Idle for `idle` seconds since the last answer: ended."""
    assert walk.serial(9_999, 1) == (Advanced, 2)
    assert walk(19_999, 2) == Ended()


def test_wrong_secret_and_wrong_grant_are_unknown(walk: Walk) -> None:
    """A right grant with another secret changes nothing, and is not told from no grant at all."""
    assert walk(60, 1, digest=b"x" * 32) == Unknown()
    assert walk(60, 1, grant_id="gnt_2") == Unknown()
    assert walk.serial(60, 1) == (Advanced, 2)


def test_the_answer_carries_what_the_token_says(walk: Walk, grant: Grant) -> None:
    """The grant's own fields, the person's roles and the facts of the sign-in, from the one statement."""
    outcome = walk(60, 1)
    assert isinstance(outcome, Advanced)
    assert outcome.subject == TokenSubject(
        user_id="usr_ann",
        session_id="ses_1",
        client_id="first-party",
        audience=("https://a.test", "https://b.test"),
        scope=("read", "write"),
        roles=("staff", "admin"),
        auth_time=NOON,
        acr="1",
        amr=("pwd",),
        status=grant.status,
        expires_at=grant.expires_at,
    )


def test_a_refresh_is_one_statement(database: Database, grant: Grant) -> None:
    """An ordinary refresh asks the database once: one UPDATE … RETURNING and nothing else."""
    from gatepass.server.store.grants import SqlGrants  # noqa: PLC0415

    class Counting:
        """A connection that counts."""

        def __init__(self) -> None:
            self.statements: list[str] = []

        async def rows(self, sql: str, *values: Value) -> list[Row]:  # noqa: ARG002 - a connection's call
            self.statements.append(sql)
            return []

        async def row(self, sql: str, *values: Value) -> Row | None:
            return next(iter(await self.rows(sql, *values)), None)

    counting = Counting()
    presented = RefreshCredential(grant_id=grant.id, client_id="first-party", secret_digest=DIGEST, serial=1)
    assert asyncio.run(SqlGrants(counting).advance(presented, pace=PACE, now=NOON)) == Unknown()
    (statement,) = counting.statements
    assert statement.strip().startswith("UPDATE grants SET")
