"""The server's side of a simulation: the model in a dictionary, or the real SQL on the real SQLite."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, assert_never

from tests.refresh.model import PACE, Row, advance
from tests.support.server import NOON, SettableClock

from gatepass.server.domain.accounts.user import User
from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.domain.sessions.grant import (
    Advanced,
    Ended,
    Grant,
    RefreshCredential,
    Reissued,
    Same,
    Stolen,
    Unknown,
)
from gatepass.server.domain.sessions.rotation import advance as advance_in
from gatepass.server.domain.sessions.session import Session
from gatepass.server.store.measured_clock import MeasuredClock
from gatepass.server.store.postgres import PostgresDatabase
from gatepass.server.store.sql_transaction import SqlTransaction
from gatepass.server.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    import asyncio

    from tests.refresh.model import Verdict
    from tests.support.postgres import Postgres

    from gatepass.server.domain.events.event import Event
    from gatepass.server.domain.ports import Database, Transaction
    from gatepass.server.domain.sessions.grant import Advance, RotationPolicy

FIRST = 1
"""The serial of a grant's first refresh token."""

_DIGEST = b"d" * 32


class Server(Protocol):
    """What the owners of a simulation talk to. Times count from the beginning, in seconds."""

    def open(self, grant: int, now: float) -> None:
        """Begin a grant at serial `FIRST`."""
        ...

    def present(self, grant: int, serial: int, now: float) -> tuple[Verdict, int]:
        """Refresh: the verdict, and the serial that is current then."""
        ...

    def keep(self) -> None:
        """Stop, take a copy of the store, and start again."""
        ...

    def go_back(self) -> None:
        """Put the last copy in the place of the store: what was committed since is lost."""
        ...


class ModelServer:
    """The model."""

    def __init__(self) -> None:
        self._rows: dict[int, Row] = {}
        self._copy: dict[int, Row] = {}

    def open(self, grant: int, now: float) -> None:
        """Begin a row."""
        self._rows[grant] = Row(0, FIRST, now, now)

    def present(self, grant: int, serial: int, now: float) -> tuple[Verdict, int]:
        """Ask the model."""
        verdict, row = advance(self._rows[grant], serial, now, PACE)
        self._rows[grant] = row
        return verdict, row.current

    def keep(self) -> None:
        """Copy the rows."""
        self._copy = dict(self._rows)

    def go_back(self) -> None:
        """Take the copy's rows."""
        self._rows |= self._copy


class SqliteServer:
    """Two processes' worth of connections to one file, which take turns; every refresh is a durable transaction."""

    def __init__(self, folder: Path, runner: asyncio.Runner) -> None:
        self._path = folder / "gatepass.db"
        self._runner = runner
        self._clock = SettableClock()
        self._writers: list[SqliteDatabase] = []
        self._start()

    def open(self, grant: int, now: float) -> None:
        """Begin a person, a session and a grant."""

        async def unit(tx: Transaction) -> None:
            if not (await tx.revocations.head()).epoch:
                await tx.revocations.open_epoch()
            await tx.users.add(User(id=f"usr_{grant}", email=f"{grant}@example.test", created_at=tx.now))
            await tx.sessions.add(_session(grant, tx.now))
            await tx.grants.add(_grant(grant, tx.now))

        self._clock.now = NOON + now
        self._runner.run(self._next_writer().transaction(unit))

    def present(self, grant: int, serial: int, now: float, pace: RotationPolicy = PACE) -> tuple[Verdict, int]:
        """Refresh through one writer, and then through the other."""
        presented = RefreshCredential(
            grant_id=f"gnt_{grant}", client_id="first-party", secret_digest=_DIGEST, serial=serial
        )

        async def unit(tx: Transaction) -> Advance:
            return await advance_in(tx, presented, pace=pace)

        self._clock.now = NOON + now
        return _verdict(self._runner.run(self._next_writer().statement(unit)))

    def row(self, grant: int) -> Row:
        """What the table keeps of a grant."""

        async def unit(tx: Transaction) -> Row:
            assert isinstance(tx, SqlTransaction)
            found = await tx.grants._connection.row(
                "SELECT spent, current, touched_at - ?2, answered_at - ?2, ended_at IS NOT NULL"
                " FROM grants WHERE id = ?1",
                f"gnt_{grant}",
                NOON,
            )
            spent, current, touched, answered, ended = [float(value or 0) for value in found or ()]
            return Row(int(spent), int(current), touched, answered, bool(ended))

        return self._runner.run(self._next_writer().read(unit))

    def events(self, grant: int) -> list[str]:
        """What was recorded of a grant's session, in order."""

        async def unit(tx: Transaction) -> list[Event]:
            return await tx.events.of_session(f"ses_{grant}")

        return [event.kind for event in self._runner.run(self._next_writer().read(unit))]

    def keep(self) -> None:
        """Close, copy the file, and open again."""
        self.close()
        shutil.copyfile(self._path, self._path.with_suffix(".copy"))
        self._start()

    def go_back(self) -> None:
        """Close, put the copy in the file's place, and open again."""
        self.close()
        shutil.copyfile(self._path.with_suffix(".copy"), self._path)
        self._start()

    def close(self) -> None:
        """Stop the writers."""
        for writer in self._writers:
            writer.close()

    def _start(self) -> None:
        self._writers = [SqliteDatabase(self._path, self._clock) for _ in range(2)]

    def _next_writer(self) -> Database:
        self._writers.reverse()
        return self._writers[0]


class PostgresServer(SqliteServer):
    """Two nodes on one PostgreSQL, which take turns. Their own clocks are 90 s ahead of its clock, and 90 s behind."""

    SKEW = 90.0

    def __init__(self, server: Postgres, runner: asyncio.Runner) -> None:
        self._server = server
        self._url = server.migrated_database()
        self._nodes: list[tuple[PostgresDatabase, MeasuredClock]] = []
        super().__init__(Path(), runner)

    def keep(self) -> None:
        """Copy the database."""
        self.close()
        self._copy = self._server.new_database(template=self._url.rpartition("/")[2]).rpartition("/")[2]
        self._start()

    def go_back(self) -> None:
        """Go on with another copy of the copy."""
        self.close()
        self._url = self._server.new_database(template=self._copy)
        self._start()

    def close(self) -> None:
        """Hang up."""
        for node, _ in self._nodes:
            self._runner.run(node.close())

    def _start(self) -> None:
        self._nodes = [self._runner.run(self._node(skew)) for skew in (self.SKEW, -self.SKEW)]

    async def _node(self, skew: float) -> tuple[PostgresDatabase, MeasuredClock]:
        measured = MeasuredClock(lambda: self._clock() + skew)
        self._measure(measured)
        # By way of a function: measured by us, against the simulation's time, and not against PostgreSQL's.
        return await PostgresDatabase.open(self._url, lambda: measured(), connections=2), measured  # noqa: PLW0108

    def _measure(self, clock: MeasuredClock) -> None:
        clock.observe(clock.local(), self._clock(), clock.local())

    def _next_writer(self) -> Database:
        self._nodes.reverse()
        node, clock = self._nodes[0]
        self._measure(clock)
        return node


def _verdict(outcome: Advance) -> tuple[Verdict, int]:
    match outcome:
        case Advanced(serial):
            return "advanced", serial
        case Same(serial):
            return "same", serial
        case Reissued(serial, store_went_back=went_back):
            return "store_went_back" if went_back else "reissued", serial
        case Stolen():
            return "stolen", 0
        case Ended():
            return "ended", 0
        case Unknown():
            raise AssertionError
        case _:
            assert_never(outcome)


def _session(number: int, now: float) -> Session:
    return Session(
        id=f"ses_{number}",
        user_id=f"usr_{number}",
        auth_time=now,
        acr="1",
        amr=("pwd",),
        address="192.0.2.1",
        user_agent="test",
        expires_at=now + 10**9,
    )


def _grant(number: int, now: float) -> Grant:
    return Grant(
        id=f"gnt_{number}",
        session_id=f"ses_{number}",
        user_id=f"usr_{number}",
        client_id="first-party",
        audience=("https://a.test",),
        scope=("read",),
        secret_digest=_DIGEST,
        current=FIRST,
        status=StatusIndex(1, number),
        touched_at=now,
        expires_at=now + 10**9,
    )
