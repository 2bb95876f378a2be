"""PostgreSQL: the same statements over `asyncpg`, from any number of nodes.

A unit has the same guarantees as on SQLite, where units are serialized: it holds a lock, so that what it has read is
still true when it writes. One about a person holds that person's, and shares the lock of the whole database, which one
about anything else holds alone. Units that only add rows share both. A refresh, the most frequent operation, is a
single statement, which is its own transaction and locks only its row.

What a unit revokes is written in one message with the commit, so that the row that counts revocations, the only thing
that all of them take, is held for as long as that takes, and not for round trips. See docs/adr/0047.

That single statement must not mix two snapshots. At READ COMMITTED it would: after waiting for the grant's row it would
see the new row, but in its sub-selects the user's roles from before the wait. So lone statements run at REPEATABLE
READ, where PostgreSQL refuses such a mix, and are run again. Units run at READ COMMITTED, because at a higher level
their first statement, which takes the lock, would fix their snapshot before they have the lock.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
import time
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import cache
from typing import TYPE_CHECKING, Any, TypeVar, cast

import asyncpg

from gatepass.server.base.errors import Refusal, StartupError, StoreUnavailable, Unavailable, no_data
from gatepass.server.domain.ports import Condition
from gatepass.server.store.measured_clock import MeasuredClock
from gatepass.server.store.migrations import all_migrations
from gatepass.server.store.postgres_pool import NoConnection, Pool
from gatepass.server.store.sql_transaction import SqlTransaction, write_something

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    from gatepass.server.base.clock import Clock
    from gatepass.server.base.errors import Cause
    from gatepass.server.domain.ports import Person, Transaction
    from gatepass.server.store.connection import Row, Value

T = TypeVar("T")

CHANNEL = "gatepass"
POLL_SECONDS = 0.5
"""How often a node polls for changes without a notification."""

_KNOWN_SECONDS = 1.0
"""The maximum age of a reading of the log to be used without asking again."""
_CONNECT_SECONDS = 3.0
_STATEMENT_SECONDS = 10.0
_MOST_TRIES = 12
"""Each refusal means that a concurrent statement succeeded, so retries make progress."""
_MIGRATION_TRIES = 12

_LOCK = "SELECT pg_advisory_xact_lock(1734440037, 1)"
_LOCK_SHARED = "SELECT pg_advisory_xact_lock_shared(1734440037, 1)"
_BEGIN = f"BEGIN ISOLATION LEVEL READ COMMITTED; {_LOCK}"
_BEGIN_SHARED = f"BEGIN ISOLATION LEVEL READ COMMITTED; {_LOCK_SHARED}"
_NOTIFY = f"NOTIFY {CHANNEL}"
_MIGRATION_LOCK = "SELECT pg_advisory_xact_lock(1734440037, 2)"

_SESSION = {
    "application_name": "gatepass",
    "default_transaction_isolation": "repeatable read",
    "statement_timeout": "10s",
    "lock_timeout": "5s",
    # A node that hangs in a unit must not block the others.
    "idle_in_transaction_session_timeout": "5s",
    "jit": "off",
}

# The history that a server continues: another cluster, or another timeline after a failover or restore.
_LINE = (
    "SELECT (SELECT system_identifier FROM pg_control_system())::text || '/'"
    " || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"
)

_CONFLICT = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_AWAY = (
    OSError,  # TimeoutError is one
    NoConnection,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.PostgresSystemError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.IdleInTransactionSessionTimeoutError,
    asyncpg.LockNotAvailableError,
    asyncpg.InvalidAuthorizationSpecificationError,
    asyncpg.InvalidCatalogNameError,
    asyncpg.ObjectNotInPrerequisiteStateError,  # a standby, asked for something that only a primary knows
)
_PLACE = re.compile(r"\?(\d+)")


@cache
def translated(sql: str) -> str:
    """Write numbered parameters, and the order of octets, as PostgreSQL does."""
    return _PLACE.sub(r"$\1", sql).replace("COLLATE BINARY", 'COLLATE "C"')


class PooledConnection:
    """`gatepass.server.store.connection.Connection`: one of PostgreSQL's, lent by the pool for a unit at a time."""

    def __init__(self, raw: Any, clock: Clock) -> None:  # noqa: ANN401 - asyncpg's connection has no public type
        self.raw = raw
        self.transaction = SqlTransaction(self, clock)
        self._is_alone = self._has_run = False

    async def rows(self, sql: str, *values: Value) -> list[Row]:
        """Run and fetch all."""
        if self._is_alone:
            await self._begin_with_the_second()
        return cast("list[Row]", await self.raw.fetch(translated(sql), *values))

    async def row(self, sql: str, *values: Value) -> Row | None:
        """Run and fetch the first."""
        found = await self.rows(sql, *values)
        return found[0] if found else None

    @contextmanager
    def alone(self) -> Generator[None]:
        """Let the first statement be its own transaction, and the second begin another."""
        self._is_alone, self._has_run = True, False
        try:
            yield
        finally:
            self._is_alone = False

    async def _begin_with_the_second(self) -> None:
        if self._has_run:
            self._is_alone = False
            await self.raw.execute(_BEGIN)
        self._has_run = True

    def is_in_transaction(self) -> bool:
        """Whether there is something to commit."""
        found: bool = self.raw.is_in_transaction()
        return found

    def is_closed(self) -> bool:
        """Whether the connection is closed."""
        closed: bool = self.raw.is_closed()
        return closed

    def terminate(self) -> None:
        """Hang up."""
        self.raw.terminate()


class _PoolAsConnection:
    """`gatepass.server.store.connection.Connection` whose every statement may run on another one. For reading."""

    def __init__(self, database: PostgresDatabase) -> None:
        self._database = database

    async def rows(self, sql: str, *values: Value) -> list[Row]:
        """Run and fetch all."""
        async with self._database.connection() as connection:
            return await connection.rows(sql, *values)

    async def row(self, sql: str, *values: Value) -> Row | None:
        """Run and fetch the first."""
        found = await self.rows(sql, *values)
        return found[0] if found else None


class PostgresDatabase:
    """`gatepass.server.domain.ports.Database` on PostgreSQL 15 or newer; made by `open`."""

    def __init__(self, url: str, clock: Clock, *, connections: int, rest_seconds: float) -> None:
        self._url = url
        self.clock = clock
        self._rest_seconds = rest_seconds
        self._rests_until = float("-inf")
        self._line = ""
        self._pool: Pool[PooledConnection] = Pool(self._new_connection, size=connections, is_full=_is_full)
        self._read = SqlTransaction(_PoolAsConnection(self), clock)
        self._woken = asyncio.Event()
        self._committed_at = float("-inf")
        """When this process last committed a change that notifies others, by `time.monotonic`."""
        self._listener: Any = None

    @classmethod
    async def open(
        cls,
        url: str,
        clock: Clock | None = None,
        *,
        connections: int = 16,
        rest_seconds: float = 30,
        must_exist: bool = False,
    ) -> PostgresDatabase:
        """Connect, and migrate the schema.

        Args:
            url: `postgresql://user:password@host:port/database`, as libpq reads it.
            clock: another time than the database's, for tests.
            connections: how many there are at most.
            rest_seconds: how long nothing is refreshed after PostgreSQL may have lost its last commits.
            must_exist: refuse, and make nothing, where there is no data yet.

        Raises:
            StartupError: when the database cannot be reached or used, or is from a newer version.
        """
        database = cls(url, clock or MeasuredClock(), connections=connections, rest_seconds=rest_seconds)
        try:
            async with database.connection() as connection:
                with suppress(Unavailable):  # the poll is enough, only later
                    await database._listen()
                    await _check_that_connections_stay(connection.raw, database._listener)
                if must_exist:
                    await _check_not_empty(connection.raw)
                await _migrate(connection.raw)
                await database._follow_line(connection, await connection.raw.fetchval(_LINE))
        except Unavailable as error:
            await database.close()
            raise StartupError(
                f"Cannot use the PostgreSQL database: {error.private}.",
                "Check that PostgreSQL is running and accepts this user; the password can also be in ~/.pgpass.",
            ) from error
        except BaseException:
            await database.close()
            raise
        return database

    async def transaction(
        self, unit: Callable[[Transaction], Awaitable[T]], *, about: Person = "", shared: bool = False
    ) -> T:
        """Run the unit between BEGIN and COMMIT, under its locks; see the port."""
        person = about if isinstance(about, str) else await self.read(about)
        begin = _BEGIN_SHARED if person or shared else _BEGIN
        if person:
            begin = f"{begin}; {_lock_of(person, shared=shared)}"
        return await self._tried(lambda: self._in_transaction(unit, begin))

    async def statement(self, unit: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run the unit without BEGIN up to its second statement; see the port."""
        return await self._tried(lambda: self._alone(unit))

    async def read(self, unit: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run each statement by itself, on whichever connection is free; see the port."""
        return await unit(self._read)

    def still_holds(self, read_at: float) -> bool:
        """Skip the round trip while a reading is recent enough; see the port."""
        return read_at > self._committed_at and time.monotonic() - read_at <= _KNOWN_SECONDS

    async def changed(self) -> None:
        """Wait for a notification, or half a second; and read the database's time."""
        with suppress(Unavailable):  # the poll is enough, only later
            await self._listen()
        with suppress(TimeoutError):
            async with asyncio.timeout(POLL_SECONDS):  # `wait_for` of Python 3.11 may lose a cancellation
                await self._woken.wait()
        self._woken.clear()
        if isinstance(self.clock, MeasuredClock):
            async with self.connection() as connection:
                await _measure(connection.raw, self.clock)

    async def condition(self) -> Condition:
        """Read the schema's version, and write a short-lived row; see the port."""
        async with self.connection() as connection:
            newest, is_read_only = await connection.raw.fetchrow(
                "SELECT (SELECT MAX(number) FROM migrations), pg_is_in_recovery()"
            )
        if is_read_only:
            raise StoreUnavailable(cause="read_only", private="PostgreSQL is a standby")
        await self.statement(write_something)
        clock = self.clock
        return Condition(
            is_migrated=newest >= all_migrations()[-1].number,
            is_clock_right=clock.is_right if isinstance(clock, MeasuredClock) else True,
        )

    def check_settled(self) -> None:
        """Refuse until requests in flight at a failover must have arrived; see the port."""
        left = self._rests_until - self.clock()
        if left > 0:
            raise Unavailable(
                "store_settling",
                "The database has just failed over: try again shortly.",
                retry_after=int(left) + 1,
            )

    async def close(self) -> None:
        """Hang up."""
        self._pool.close()
        if self._listener is not None:
            self._listener.terminate()

    @asynccontextmanager
    async def connection(self) -> AsyncGenerator[PooledConnection]:
        """Borrow a connection. Errors that mean PostgreSQL is unreachable become `store_unavailable` and close it."""
        try:
            connection = await self._pool.acquire()
        except _AWAY as error:
            raise _unavailable(error) from error
        try:
            yield connection
        except asyncpg.CharacterNotInRepertoireError as error:
            raise Refusal("malformed_request", "A text has a zero byte, which is not allowed.") from error
        except _AWAY as error:
            connection.terminate()
            if isinstance(error, ValueError):
                raise  # asyncpg's error for a value of the wrong type: a defect
            raise _unavailable(error) from error
        except asyncio.CancelledError:
            connection.terminate()  # in the middle of an operation
            raise
        finally:
            if not connection.is_closed() and connection.is_in_transaction():
                connection.terminate()
            self._pool.give_back(connection)

    async def _tried(self, attempt: Callable[[], Awaitable[T]]) -> T:
        """Retry what was refused because of a concurrent change or a deadlock."""
        for _ in range(_MOST_TRIES - 1):
            with suppress(*_CONFLICT):
                return await attempt()
        try:
            return await attempt()
        except _CONFLICT as error:
            raise _unavailable(error) from error

    async def _in_transaction(self, unit: Callable[[Transaction], Awaitable[T]], begin: str) -> T:
        async with self.connection() as connection, _or_rollback(connection):
            connection.transaction.revocations.begin()
            await connection.raw.execute(begin)
            result = await unit(connection.transaction)
            await self._commit(connection, notifies=begin is _BEGIN)
        return result

    async def _alone(self, unit: Callable[[Transaction], Awaitable[T]]) -> T:
        async with self.connection() as connection, _or_rollback(connection):
            connection.transaction.revocations.begin()
            with connection.alone():
                result = await unit(connection.transaction)
            if connection.transaction.revocations.has_news and not connection.is_in_transaction():
                await connection.raw.execute(_BEGIN)
            if connection.is_in_transaction():
                await self._commit(connection, notifies=True)
        return result

    async def _commit(self, connection: PooledConnection, *, notifies: bool) -> None:
        """Publish what the unit has revoked, and commit.

        Other processes are notified of that, and where the unit had the whole database, because it may have changed
        what they cache; a sign-in or a refresh does not wake them.
        """
        revocations = connection.transaction.revocations
        notifies = notifies or revocations.has_news
        await revocations.publish_names()
        statements = (*revocations.indexes_statements(), *((_NOTIFY,) if notifies else ()), "COMMIT")
        done = await connection.raw.execute("; ".join(statements))
        if done != "COMMIT":  # PostgreSQL's answer after an error that nobody let through
            raise RuntimeError("a unit of work went on after an error of the database")
        if notifies:
            self._committed_at = time.monotonic()

    async def _new_connection(self) -> PooledConnection:
        raw = await _connect(self._url)
        connection = PooledConnection(raw, self.clock)
        try:
            if isinstance(self.clock, MeasuredClock):
                await _measure(raw, self.clock)
            if self._line and (line := await raw.fetchval(_LINE)) != self._line:
                await self._follow_line(connection, line)
        except BaseException:
            raw.terminate()
            raise
        return connection

    async def _follow_line(self, connection: PooledConnection, line: str) -> None:
        """Continue on another timeline. The first process that notices starts a new epoch, before anything else.

        The last commits on the old timeline may be lost: events that readers have seen, and status indexes that tokens
        name. A new epoch has new lists, so that no index is used twice.
        """
        raw = connection.raw
        async with raw.transaction(isolation="read_committed"):
            await raw.execute(_LOCK)
            known = await raw.fetchrow("SELECT line, since FROM store_line WHERE one = 1")
            since = known["since"] if known else float("-inf")
            if known is None:
                await raw.execute("INSERT INTO store_line (one, line, since) VALUES (1, $1, '-infinity')", line)
            elif known["line"] != line:
                since = self.clock()
                await raw.execute("UPDATE store_line SET line = $1, since = $2 WHERE one = 1", line, since)
                await connection.transaction.revocations.open_epoch()
        self._line, self._rests_until = line, since + self._rest_seconds

    def _wake(self, *_: object) -> None:
        self._woken.set()

    async def _listen(self) -> None:
        """Open a connection for notifications by other nodes. Without it, polling is enough, only slower."""
        if self._listener is not None and not self._listener.is_closed():
            return
        try:
            raw = await _connect(self._url)
            await raw.add_listener(CHANNEL, self._wake)
        except (*_AWAY, asyncpg.PostgresError) as error:
            raise _unavailable(error) from error
        self._listener = raw
        self._woken.set()  # notifications may have been missed


async def _connect(url: str) -> Any:  # noqa: ANN401 - asyncpg's connection
    """Connect, and apply our settings by SET, the only way that works through a pooler."""
    try:
        raw = await asyncpg.connect(
            url, timeout=_CONNECT_SECONDS, command_timeout=_STATEMENT_SECONDS, statement_cache_size=500
        )
    except ValueError as error:
        if isinstance(error, asyncpg.InterfaceError):
            raise
        raise StartupError(  # without the URL: the unreadable part may be the password
            "The database URL is not valid.",
            "Write it like postgresql://user:password@host:5432/database, with the password percent-encoded.",
        ) from None
    try:
        await raw.execute("; ".join(f"SET {name} = '{value}'" for name, value in _SESSION.items()))
    except BaseException:
        raw.terminate()
        raise
    return raw


async def _check_that_connections_stay(one: Any, other: Any) -> None:  # noqa: ANN401 - asyncpg's connections
    """Refuse a pooler in transaction mode, which may switch connections between transactions, as PgBouncer can.

    LISTEN, prepared statements and our settings belong to a connection. Through such a pooler, two of our connections
    can share one.
    """
    try:
        found = {await each.fetchval("SELECT pg_backend_pid()") for each in (one, other, one)}
    except (asyncpg.InvalidSQLStatementNameError, asyncpg.DuplicatePreparedStatementError):
        found = set[int]()
    if len(found) != len((one, other)):
        raise StartupError(
            "A connection pooler in front of PostgreSQL uses transaction mode (PgBouncer's pool_mode = transaction).",
            "Connect to PostgreSQL directly, or set pool_mode = session for this database: LISTEN, prepared statements"
            " and settings need lasting connections.",
        )


def _is_full(error: Exception) -> bool:
    """Whether PostgreSQL has reached its connection limit."""
    return isinstance(error, asyncpg.TooManyConnectionsError)


@asynccontextmanager
async def _or_rollback(connection: PooledConnection) -> AsyncGenerator[None]:
    try:
        yield
    except Exception:
        if not connection.is_closed() and connection.is_in_transaction():
            with suppress(*_AWAY, asyncpg.PostgresError):
                await connection.raw.execute("ROLLBACK")
        raise


async def _measure(raw: Any, clock: MeasuredClock) -> None:  # noqa: ANN401 - asyncpg's connection
    sent = clock.local()
    time = await raw.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8")
    clock.observe(sent, time, clock.local())


async def _check_not_empty(raw: Any) -> None:  # noqa: ANN401 - asyncpg's connection
    if await raw.fetchval("SELECT to_regclass('migrations')") is None:
        raise no_data("the PostgreSQL database is empty")


async def _migrate(raw: Any) -> None:  # noqa: ANN401 - asyncpg's connection
    """Migrate the schema under a lock, so that only one of several nodes that start at once does it.

    A migration waits for a table's users, and later users wait for the migration: so it waits only briefly, lets the
    others through, and tries again.
    """
    for _ in range(_MIGRATION_TRIES):
        with suppress(asyncpg.LockNotAvailableError):
            return await _migrate_once(raw)
    return await _migrate_once(raw)


async def _migrate_once(raw: Any) -> None:  # noqa: ANN401 - asyncpg's connection
    migrations = all_migrations()
    async with raw.transaction(isolation="read_committed"):
        await raw.execute(_MIGRATION_LOCK)
        await raw.execute("CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        applied = {number for (number,) in await raw.fetch("SELECT number FROM migrations")}
        if any(number > migrations[-1].number for number in applied):
            raise StartupError(
                "The database was made by a newer version of Gatepass.",
                "Install that version, or restore an older backup.",
            )
        for migration in migrations:
            if migration.number not in applied:
                for statement in migration.statements:
                    await raw.execute(translated(statement))
                await raw.execute("INSERT INTO migrations VALUES ($1, $2)", migration.number, migration.name)


def _lock_of(name: str, *, shared: bool) -> str:
    """The lock of a person. That two may have the same number only makes them wait for each other."""
    number = int.from_bytes(hashlib.blake2b(name.encode(), digest_size=8).digest(), "big", signed=True)
    return f"SELECT pg_advisory_xact_lock{'_shared' if shared else ''}({number:d})"


def _unavailable(error: Exception) -> StoreUnavailable:
    cause: Cause = "unavailable"
    if isinstance(error, asyncpg.DiskFullError):
        cause = "full"
    elif isinstance(error, asyncpg.ReadOnlySQLTransactionError):
        cause = "read_only"
    return StoreUnavailable(cause=cause, private=f"{type(error).__name__}: {error}")
