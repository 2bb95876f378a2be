"""SQLite: one writer thread that commits in batches, with concurrent reads.

A unit of work on SQLite never suspends, because its statements are plain calls; so the writer thread runs it to its end
in one step, inside its own savepoint. All waiting units share one BEGIN IMMEDIATE … COMMIT and one disk sync, and their
callers get their results after that.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (apsw's stubs name a type that Python 3.11 does not have)
from __future__ import annotations

import asyncio
import errno
import os
import queue
import tempfile
import threading
import time
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

import apsw

from gatepass.server.base.errors import StartupError, StoreUnavailable, cause_of, hint_for
from gatepass.server.domain.ports import Condition
from gatepass.server.store.migrations import all_migrations
from gatepass.server.store.sql_transaction import SqlTransaction, write_something
from gatepass.server.store.sqlite_checkpoints import Checkpoints

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator
    from pathlib import Path

    from gatepass.server.base.clock import Clock
    from gatepass.server.domain.ports import Person, Transaction
    from gatepass.server.store.connection import Row, Value

T = TypeVar("T")

BUSY_SECONDS = 5.0
"""How long to wait for another process's write lock before giving up."""
MOST_WAITING = 4_096
"""Units that may wait for the writer; if another process holds the lock, more would only fill the memory."""
_BATCH = 256
_SWITCH_SECONDS = 0.01
"""How often to try to switch to the write-ahead log while another process does."""
_WATCH_SECONDS = 0.1
"""How often to check for changes by other processes; a check takes some microseconds."""


class SqliteConnection:
    """`gatepass.server.store.connection.Connection` whose coroutines never suspend."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._execute = connection.execute

    async def rows(self, sql: str, *values: Value) -> list[Row]:
        """Run and fetch all."""
        return self._execute(sql, values).fetchall()

    async def row(self, sql: str, *values: Value) -> Row | None:
        """Run to the end, and fetch the first row."""
        found = self._execute(sql, values).fetchall()
        return found[0] if found else None


class _Job(NamedTuple):
    unit: Callable[[Transaction], Awaitable[Any]]
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class _Outcome(NamedTuple):
    job: _Job
    result: Any
    error: BaseException | None


class SqliteDatabase:
    """`gatepass.server.domain.ports.Database` on one file. `close()` it when done."""

    def __init__(self, path: Path, clock: Clock, *, vfs: str | None = None) -> None:
        """Open the file, create or migrate it, and start the writer.

        Raises:
            StartupError: when the file cannot be used: locked, read-only, not a database, or from a newer version.
        """
        self._path = path
        with startup_errors(path):
            path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            _create(path)
            self._writer = _connect(path, vfs)
            _migrate(self._writer, path)
            self._reader = _connect(path, vfs)
            self._reader.pragma("query_only", value=True)
            self._seen_version = self._reader.pragma("data_version")
        self._writer_errno = partial(getattr, self._writer, "system_errno")
        self.clock = clock
        self._checkpoints = Checkpoints(lambda: _connect(path, vfs))
        self._checkpoints.attend(self._writer)
        self._write = SqlTransaction(SqliteConnection(self._writer), clock)
        self._read = SqlTransaction(SqliteConnection(self._reader), clock)
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._collected: dict[asyncio.AbstractEventLoop, list[_Job]] = {}
        self._is_closed = False
        self._closing = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="sqlite-writer", daemon=True)
        self._thread.start()

    async def transaction(
        self,
        unit: Callable[[Transaction], Awaitable[T]],
        *,
        about: Person = "",  # noqa: ARG002 - there is one writer
        shared: bool = False,  # noqa: ARG002 - there is one writer
    ) -> T:
        """Give the unit to the writer; see the port."""
        return await self.statement(unit)

    async def statement(self, unit: Callable[[Transaction], Awaitable[T]]) -> T:
        """Give the unit to the writer: here all of it is one transaction, which costs no more."""
        if self._is_closed:
            raise _closed()
        loop = asyncio.get_running_loop()
        collected = self._collected.get(loop)
        if collected is None:
            self._forget_ended_loops()
            collected = self._collected[loop] = []
            loop.call_soon(self._hand_over, loop)
        if self._jobs.qsize() + len(collected) >= MOST_WAITING:
            raise _unavailable()
        job = _Job(unit, loop.create_future(), loop)
        collected.append(job)
        result: T = await job.future
        return result

    def _hand_over(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give the writer what has come up in one turn of a loop: one commit, and one change of threads, for all."""
        jobs = self._collected.pop(loop, ())
        with self._closing:
            if not self._is_closed:
                for job in jobs:
                    self._jobs.put(job)
                return
        _resolve([_Outcome(job, None, _closed()) for job in jobs])

    def _forget_ended_loops(self) -> None:
        """Drop what loops have left that ended in the same turn: nobody waits for it."""
        for loop in tuple(self._collected):
            if loop.is_closed():
                self._collected.pop(loop, None)

    async def read(self, unit: Callable[[Transaction], Awaitable[T]]) -> T:
        """Run the unit at once: in WAL mode a reader never waits, and a look-up by key takes microseconds."""
        if self._is_closed:
            raise _closed()
        try:
            return _drive(unit, self._read)
        except apsw.Error as error:
            raise _unavailable(error, self._reader.system_errno) from error

    def still_holds(self, read_at: float) -> bool:  # noqa: ARG002 - the port's
        """Always read again: it takes some microseconds, and is exact."""
        return False

    async def changed(self) -> None:
        """Check every 100 ms whether another connection has committed; see the port."""
        while (version := self.data_version()) == self._seen_version:  # noqa: ASYNC110 - SQLite has no notifications
            await asyncio.sleep(_WATCH_SECONDS)
        self._seen_version = version

    def check_settled(self) -> None:
        """Do nothing: what SQLite has committed is on disk; see the port."""

    async def condition(self) -> Condition:
        """Write a short-lived row; see the port."""
        await self.statement(write_something)
        return Condition(is_migrated=True, is_clock_right=True)

    def data_version(self) -> int:
        """A number that changes whenever another connection, of any process, has committed.

        Raises:
            Unavailable: as `transaction`.
        """
        try:
            version = self._reader.pragma("data_version")
        except apsw.Error as error:
            raise _unavailable(error, self._reader.system_errno) from error
        assert isinstance(version, int)
        return version

    def close(self) -> None:
        """Finish the waiting units, and close the file; what comes later is refused with `StoreUnavailable`."""
        self._forget_ended_loops()
        for loop in tuple(self._collected):
            self._hand_over(loop)
        with self._closing:
            self._is_closed = True
            self._jobs.put(None)
        self._thread.join()
        self._checkpoints.close()
        self._reader.close()
        self._writer.close()

    def _run(self) -> None:
        while (first := self._jobs.get()) is not None:
            batch, more = self._gather(first)
            _answer(self._commit(batch))
            self._checkpoints.keep_short(self._writer)
            if not more:
                return

    def _gather(self, first: _Job) -> tuple[list[_Job], bool]:
        """Take waiting units, up to a batch; False if the end of the queue was among them."""
        batch = [first]
        while len(batch) < _BATCH:
            try:
                job = self._jobs.get_nowait()
            except queue.Empty:
                break
            if job is None:
                return batch, False
            batch.append(job)
        return batch, True

    def _commit(self, batch: list[_Job]) -> list[_Outcome]:
        """Run the batch in one transaction. If that fails as a whole, no caller is told that its unit succeeded."""
        execute = self._writer.execute
        try:
            execute("BEGIN IMMEDIATE")
            outcomes = [self._run_one(job) for job in batch]
            execute("COMMIT")
        except apsw.Error as error:
            number = self._writer_errno()
            if self._writer.in_transaction:
                with suppress(apsw.Error):  # the next batch will not begin, and retries; this thread must keep running
                    execute("ROLLBACK")
            return [_Outcome(job, None, _unavailable(error, number)) for job in batch]
        return outcomes

    def _run_one(self, job: _Job) -> _Outcome:
        execute = self._writer.execute
        execute("SAVEPOINT unit")
        try:
            self._write.revocations.begin()
            outcome = _Outcome(job, _drive(job.unit, self._write), None)
            _drive(lambda tx: self._write.revocations.publish(), self._write)  # noqa: ARG005 - a unit takes one
        except (apsw.ConstraintError, apsw.SQLError) as error:
            outcome = self._undo(job, error)
        except apsw.Error:
            raise  # the disk or a lock: it affects the whole batch
        except Exception as error:  # noqa: BLE001 - the caller's own, and it gets it back
            outcome = self._undo(job, error)
        execute("RELEASE unit")
        return outcome

    def _undo(self, job: _Job, error: Exception) -> _Outcome:
        self._writer.execute("ROLLBACK TO unit")
        return _Outcome(job, None, error)


def _number_of(path: Path) -> int | None:
    """The `errno` of why the file cannot be written, which SQLite does not report when it cannot open a file."""
    try:
        with tempfile.TemporaryFile(dir=path.parent):
            return None if os.access(path, os.W_OK) else errno.EACCES
    except OSError as error:
        return error.errno


def _drive(unit: Callable[[Transaction], Awaitable[T]], tx: Transaction) -> T:
    """Run a coroutine that never suspends."""
    coroutine = unit(tx).__await__()
    try:
        next(coroutine)
    except StopIteration as done:
        result: T = done.value
        return result
    coroutine.close()
    raise RuntimeError("a unit of work awaited something other than its transaction")


def _answer(outcomes: list[_Outcome]) -> None:
    """Wake the callers, with one call per event loop."""
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = {}
    for outcome in outcomes:
        by_loop.setdefault(outcome.job.loop, []).append(outcome)
    for loop, of_loop in by_loop.items():
        if not loop.is_closed():
            loop.call_soon_threadsafe(_resolve, of_loop)


def _resolve(outcomes: list[_Outcome]) -> None:
    for (_, future, _), result, error in outcomes:
        if future.done():
            continue  # its caller is gone; the unit was committed anyway
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)


def examine(path: Path) -> list[str]:
    """The problems of a database's pages and indexes, in SQLite's words; empty if there are none.

    Raises:
        StartupError: when it cannot be read at all.
    """
    with startup_errors(path):
        connection = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READWRITE)
        try:
            connection.set_busy_timeout(int(BUSY_SECONDS * 1_000))
            found = [str(text) for (text,) in connection.execute("PRAGMA integrity_check(10)")]
        except apsw.CorruptError as error:
            return [str(error)]
        finally:
            connection.close()
    return [] if found == ["ok"] else found


def _create(path: Path) -> None:
    """Create a file that only we can read; SQLite leaves that to the umask. Its log and index get the same mode."""
    with suppress(FileExistsError):
        path.touch(mode=0o600, exist_ok=False)  # never opens an existing one: closing it would release SQLite's locks


def _connect(path: Path, vfs: str | None) -> apsw.Connection:
    connection = apsw.Connection(str(path), vfs=vfs)
    connection.set_busy_timeout(int(BUSY_SECONDS * 1_000))
    _use_wal(connection)
    # FULL: a commit is on disk before it is answered. WAL's usual NORMAL may lose the last commits in a power failure.
    connection.pragma("synchronous", value="full")
    connection.pragma("foreign_keys", value=True)
    return connection


def _use_wal(connection: apsw.Connection) -> None:
    """Switch to the write-ahead log, which SQLite refuses at once, without waiting, while another process does."""
    latest = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            connection.pragma("journal_mode", value="wal")
        except apsw.BusyError:
            if time.monotonic() > latest:
                raise
            time.sleep(_SWITCH_SECONDS)
        else:
            return


def _migrate(connection: apsw.Connection, path: Path) -> None:
    """Migrate the schema under the write lock, so that only one of two processes that start at once does it."""
    migrations = all_migrations()
    with _exclusive(connection):
        connection.execute("CREATE TABLE IF NOT EXISTS migrations (number INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        applied = {number for (number,) in connection.execute("SELECT number FROM migrations")}
        if any(number > migrations[-1].number for number in applied):
            raise StartupError(
                f"{path} was made by a newer version of Gatepass.", "Install that version, or restore an older backup."
            )
        for migration in migrations:
            if migration.number not in applied:
                for statement in migration.statements:
                    connection.execute(statement)
                connection.execute("INSERT INTO migrations VALUES (?1, ?2)", (migration.number, migration.name))


@contextmanager
def _exclusive(connection: apsw.Connection) -> Generator[None]:
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
    except BaseException:
        connection.execute("ROLLBACK")
        raise
    connection.execute("COMMIT")


def _unavailable(error: apsw.Error | None = None, number: int = 0) -> StoreUnavailable:
    """A full queue or disk, a lock, a read-only file: named for the operator, and temporary for the caller.

    `number` is the system's `errno`, where SQLite reports only an input or output error.
    """
    if error is None:
        return StoreUnavailable(private="too many wait for the writer")
    if isinstance(error, apsw.FullError):
        number = errno.ENOSPC
    elif isinstance(error, apsw.ReadOnlyError):
        number = errno.EROFS
    elif not isinstance(error, (apsw.IOError, apsw.CantOpenError)):
        number = 0  # left over from something else
    system = f" ({errno.errorcode[number]}: {os.strerror(number)})" if number in errno.errorcode else ""
    return StoreUnavailable(cause=cause_of(number), private=f"{error}{system}")


def _closed() -> StoreUnavailable:
    return StoreUnavailable(private="the database was closed")


@contextmanager
def startup_errors(path: Path) -> Generator[None]:
    """Explain to the operator why the file cannot be used."""
    try:
        yield
    except (apsw.BusyError, apsw.LockedError) as error:
        raise StartupError(
            f"{path} is locked by another program.", "Stop the program that locks it; `fuser` on the file shows which."
        ) from error
    except (apsw.ReadOnlyError, apsw.PermissionsError, apsw.CantOpenError) as error:
        raise StartupError(f"Cannot write {path}: {error}.", hint_for(_number_of(path))) from error
    except apsw.FullError as error:
        raise StartupError(f"Cannot write {path}: {error}.", hint_for(errno.ENOSPC)) from error
    except OSError as error:
        raise StartupError(f"Cannot write {path}: {error.strerror}.", hint_for(error.errno)) from error
    except (apsw.NotADBError, apsw.CorruptError) as error:
        raise StartupError(
            f"{path} is not an SQLite database, or is damaged.", "Restore a backup, or name another file."
        ) from error
    except apsw.Error as error:
        raise StartupError(f"Cannot use {path}: {error}.", "Check the file and its disk.") from error
