"""SQLite in particular: what makes a commit durable, and what happens when the file cannot be used."""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import apsw
import pytest
from tests.support.server import ANN, SettableClock, running_server

from gatepass.server.base.errors import StartupError, Unavailable
from gatepass.server.domain.accounts.user import User
from gatepass.server.store import sqlite, sqlite_checkpoints
from gatepass.server.store.migrations import all_migrations
from gatepass.server.store.sqlite import SqliteDatabase

if TYPE_CHECKING:
    from collections.abc import Generator

    from gatepass.server.domain.ports import Transaction


class CountingVfs(apsw.VFS):
    """The usual file system, counting syncs of the write-ahead log."""

    def __init__(self) -> None:
        self.log_syncs = 0
        super().__init__("counting", "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802 - its base names it
        """Open a file that counts."""
        return _CountingFile(self, name, flags)


class _CountingFile(apsw.VFSFile):
    def __init__(self, vfs: CountingVfs, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._vfs = vfs
        self._is_log = bool(flags[0] & apsw.SQLITE_OPEN_WAL)

    def xSync(self, flags: int) -> None:  # noqa: N802
        """Sync, and count it."""
        if self._is_log:
            self._vfs.log_syncs += 1
        super().xSync(flags)


def adding(name: str) -> Any:  # noqa: ANN401
    """A unit that adds somebody."""

    async def unit(tx: Transaction) -> bool:
        return await tx.users.add(User(id=name, email=name, created_at=0))

    return unit


async def keep_adding(database: SqliteDatabase) -> None:
    """Add people until that fails."""
    for number in range(10_000):
        await database.transaction(adding(f"{number}" * 20))


def test_every_commit_is_synced_before_it_is_answered(tmp_path: Path) -> None:
    """WAL with `synchronous=FULL`: one sync of the log for each commit, and not more for a batch than for one unit."""
    vfs = CountingVfs()
    database = SqliteDatabase(tmp_path / "gatepass.db", SettableClock(), vfs="counting")
    try:
        assert database._writer.pragma("synchronous") == 2
        assert database._writer.pragma("journal_mode") == "wal"

        async def one_by_one() -> None:
            for number in range(10):
                await database.transaction(adding(f"a{number}"))

        async def at_once() -> None:
            await asyncio.gather(*(database.transaction(adding(f"b{number}")) for number in range(200)))

        before = vfs.log_syncs
        asyncio.run(one_by_one())
        assert vfs.log_syncs - before >= 10
        before = vfs.log_syncs
        asyncio.run(at_once())
        assert 1 <= vfs.log_syncs - before <= 3  # what comes up in one turn of the loop is handed over together
    finally:
        database.close()


def test_a_unit_must_not_wait_for_anything_else(tmp_path: Path) -> None:
    """A unit that awaits something other than its transaction is a mistake, and says so; it writes nothing."""
    database = SqliteDatabase(tmp_path / "gatepass.db", SettableClock())

    async def waiting(tx: Transaction) -> None:
        await tx.users.add(User(id="a", email="a", created_at=0))
        await asyncio.sleep(0)

    async def run() -> list[User]:
        with pytest.raises(RuntimeError, match="awaited something other"):
            await database.transaction(waiting)

        async def everybody(tx: Transaction) -> list[User]:
            return await tx.users.all()

        return await database.read(everybody)

    try:
        assert asyncio.run(run()) == []
    finally:
        database.close()


@contextmanager
def another_process_holds(path: Path) -> Generator[None]:
    """Another process has the write lock."""
    script = (
        "import apsw, sys; c = apsw.Connection(sys.argv[1]); c.execute('BEGIN IMMEDIATE'); print('held', flush=True);"
        "sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        yield
        process.communicate()


def test_a_locked_database_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another program's lock: an error that says so, with a hint."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    path = tmp_path / "gatepass.db"
    SqliteDatabase(path, SettableClock()).close()
    with another_process_holds(path), pytest.raises(StartupError, match="locked by another program") as caught:
        SqliteDatabase(path, SettableClock())
    assert "Stop the program" in caught.value.hint


def test_a_locked_database_while_running(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """503 with Retry-After while another program holds the lock; reads go on; afterwards everything is as before."""
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    with running_server(tmp_path) as server, server.client() as api:
        api.post("/signup", json=ANN)
        pair = api.post("/login", json=ANN).json()
        with another_process_holds(tmp_path / "gatepass.db"):
            refused = api.post("/refresh", json={"refresh_token": pair["refresh_token"]})
            assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
            assert refused.headers["retry-after"] == "5"
            assert api.get("/ready").status_code == 503
            assert api.get("/me", headers={"authorization": f"Bearer {pair['token']}"}).status_code == 200
        assert api.get("/ready").status_code == 200
        assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 200


def test_a_full_disk_while_running(tmp_path: Path) -> None:
    """When the file cannot grow, writes get `store_unavailable` and what was there stays; with room, all goes on."""
    database = SqliteDatabase(tmp_path / "gatepass.db", SettableClock())

    async def fill() -> None:
        await database.transaction(adding("first"))
        pages = database._writer.pragma("page_count")
        database._writer.pragma("max_page_count", pages)
        with pytest.raises(Unavailable) as caught:
            await keep_adding(database)
        assert caught.value.code == "store_unavailable"
        database._writer.pragma("max_page_count", 1_000_000)
        assert await database.transaction(adding("last")) is True

    try:
        asyncio.run(fill())
    finally:
        database.close()


class FailingOnce:
    """A connection on which COMMIT and then ROLLBACK fail once, as on a disk that is pulled out and put back."""

    def __init__(self, connection: apsw.Connection) -> None:
        self._connection = connection
        self._failing = {"COMMIT", "ROLLBACK"}

    @property
    def in_transaction(self) -> bool:
        """Whether a transaction is open."""
        return self._connection.in_transaction

    def execute(self, sql: str) -> object:
        """Run the statement, or fail."""
        if sql in self._failing:
            self._failing.remove(sql)
            raise apsw.IOError(sql)
        return self._connection.execute(sql)


def test_the_writer_outlives_a_rollback_that_fails(tmp_path: Path) -> None:
    """Whoever was in that batch or comes too soon after it gets `store_unavailable`; nobody waits for ever."""
    database = SqliteDatabase(tmp_path / "gatepass.db", SettableClock())
    connection = database._writer

    async def trouble() -> bool:
        database._writer = cast("apsw.Connection", FailingOnce(connection))
        for _ in range(2):
            with pytest.raises(Unavailable):
                await asyncio.wait_for(database.transaction(adding("a")), 5)
        return await asyncio.wait_for(database.transaction(adding("a")), 5)

    try:
        assert asyncio.run(trouble()) is True
    finally:
        database._writer = connection
        database.close()


def test_a_file_size_limit_while_running(tmp_path: Path) -> None:
    """A real write error of the system (the file may not grow): units fail, the process lives, nothing is lost."""
    database = SqliteDatabase(tmp_path / "gatepass.db", SettableClock())
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    async def run() -> None:
        await database.transaction(adding("first"))
        largest = max(file.stat().st_size for file in tmp_path.iterdir())  # noqa: ASYNC240 - nobody else waits
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest + 4_096, hard))
        try:
            with pytest.raises(Unavailable):
                await keep_adding(database)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert await database.transaction(adding("last")) is True

        async def first(tx: Transaction) -> User | None:
            return await tx.users.by_id("first")

        assert await database.read(first) is not None

    try:
        asyncio.run(run())
    finally:
        database.close()


def test_a_newer_database_is_left_alone(tmp_path: Path) -> None:
    """A migration that this version does not know: an error with a hint, and the file is not touched."""
    path = tmp_path / "gatepass.db"
    SqliteDatabase(path, SettableClock()).close()
    connection = apsw.Connection(str(path))
    connection.execute("INSERT INTO migrations VALUES (9999, 'from_the_future')")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(StartupError, match="newer version"):
        SqliteDatabase(path, SettableClock())
    assert path.read_bytes() == before


def test_what_is_no_database_is_left_alone(tmp_path: Path) -> None:
    """Some other file of that name: an error, and its content stays."""
    path = tmp_path / "gatepass.db"
    path.write_bytes(b"my novel, chapter one. " * 1_000)
    with pytest.raises(StartupError, match="not an SQLite database, or is damaged"):
        SqliteDatabase(path, SettableClock())
    assert path.read_bytes().startswith(b"my novel")


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    """A path below a file, or on a read-only file system: an error with a hint."""
    (tmp_path / "file").write_text("x")
    with pytest.raises(StartupError):
        SqliteDatabase(tmp_path / "file" / "gatepass.db", SettableClock())
    with pytest.raises(StartupError) as caught:
        SqliteDatabase(Path("/proc/gatepass/gatepass.db"), SettableClock())
    assert caught.value.hint


@contextmanager
def as_nobody() -> Generator[None]:
    """Give up root's right to write everywhere, where the tests have it."""
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65_534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_read_only_database() -> None:
    """A file and a folder that this user may not write: an error with a hint, and the file is not touched."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "gatepass.db"
        SqliteDatabase(path, SettableClock()).close()
        before = path.read_bytes()
        path.chmod(0o444)
        path.parent.chmod(0o555)
        with as_nobody(), pytest.raises(StartupError, match="Cannot write") as caught:
            SqliteDatabase(path, SettableClock())
        assert "--data-dir" in caught.value.hint
        assert path.read_bytes() == before
        path.parent.chmod(0o755)


def test_two_processes_that_start_at_once_migrate_once(tmp_path: Path) -> None:
    """Two processes open a new database at the same moment: all succeed, and each migration ran once."""
    script = (
        "import sys; from pathlib import Path; from gatepass.server.store.sqlite import SqliteDatabase;"
        "print('imported', flush=True);"
        "[SqliteDatabase(Path(line.strip()), lambda: 0.0).close() for line in sys.stdin]"
    )
    command = [sys.executable, "-c", script]
    paths = [tmp_path / f"{number}.db" for number in range(8)]
    with ExitStack() as stack:
        processes = [
            stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True))
            for _ in range(2)
        ]
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "imported\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("\n".join(map(str, paths)))
            process.stdin.close()  # all of them go on before any is waited for
        assert [process.wait() for process in processes] == [0, 0]
    last = all_migrations()[-1].number
    for path in paths:
        connection = apsw.Connection(str(path))
        assert connection.execute("SELECT COUNT(*), COUNT(DISTINCT number) FROM migrations").get == (last, last)
        connection.close()


def test_a_commit_of_another_process_is_noticed(tmp_path: Path) -> None:
    """`data_version` changes when somebody else has committed, and not otherwise."""
    path = tmp_path / "gatepass.db"
    database, other = (SqliteDatabase(path, SettableClock()) for _ in range(2))
    try:
        before = database.data_version()
        assert database.data_version() == before
        asyncio.run(other.transaction(adding("a")))
        assert database.data_version() != before
    finally:
        database.close()
        other.close()


def test_the_log_is_copied_beside_the_writer_and_stays_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However long commits go on, another thread brings the log back into the file, and it begins anew."""
    monkeypatch.setattr(sqlite_checkpoints, "_PAGES", 20)
    monkeypatch.setattr(sqlite_checkpoints, "_MOST_PAGES", 100)
    path = tmp_path / "gatepass.db"

    async def fill(database: SqliteDatabase, looking: apsw.Connection) -> int:
        """Commit until there are fewer pages in the log than before; how many people there are by then."""
        most = 0
        assert looking.execute("SELECT COUNT(*) FROM users").get == 0
        for number in range(5_000):
            assert await database.transaction(adding(f"c{number}"))
            pages, _ = looking.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_NOOP)
            if pages < most:
                return number + 1
            most = pages
        raise AssertionError(f"{most} pages are in the log")

    with closing(SqliteDatabase(path, SettableClock())) as database, closing(apsw.Connection(str(path))) as looking:
        people = asyncio.run(fill(database, looking))
    with closing(apsw.Connection(str(path))) as connection:
        assert connection.execute("SELECT COUNT(*) FROM users").get == people


@pytest.mark.parametrize("method", ["transaction", "statement", "read"])
def test_a_closed_database_refuses_at_once(tmp_path: Path, method: str) -> None:
    """What comes after `close` is told so, as of a store that is away; nobody waits for a writer that has ended."""
    database = SqliteDatabase(tmp_path / "gatepass.db", SettableClock())
    database.close()

    async def ask() -> None:
        async with asyncio.timeout(5):
            await getattr(database, method)(adding("late"))

    with pytest.raises(Unavailable):
        asyncio.run(ask())


def test_what_comes_up_while_a_database_is_closed_is_answered(tmp_path: Path) -> None:
    """A unit that was taken before `close` is committed, also one that its loop has not handed to the writer yet."""
    database = SqliteDatabase(tmp_path / "gatepass.db", SettableClock())

    async def ask() -> bool:
        asking = asyncio.create_task(database.transaction(adding("early")))
        asyncio.get_running_loop().call_soon(database.close)  # after the unit has come up, before it is handed over
        async with asyncio.timeout(5):
            taken: bool = await asking
        return taken

    assert asyncio.run(ask())


def test_what_another_thread_closes_beneath_a_unit_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Closed after the unit has looked whether it is, and before it is handed over: there is no writer any more."""
    database = SqliteDatabase(tmp_path / "gatepass.db", SettableClock())

    def close() -> None:
        patch.undo()
        database.close()

    async def ask() -> None:
        async with asyncio.timeout(5):
            await database.transaction(adding("late"))

    with monkeypatch.context() as patch:
        patch.setattr(database, "_forget_ended_loops", close)
        with pytest.raises(Unavailable):
            asyncio.run(ask())


def test_nothing_is_kept_of_a_loop_that_has_ended(tmp_path: Path) -> None:
    """What came up in its last turn has no caller any more: it is not run, and it is forgotten with the loop."""
    with closing(SqliteDatabase(tmp_path / "gatepass.db", SettableClock())) as database:
        for number in range(3):
            ended = asyncio.new_event_loop()
            asking = ended.create_task(database.transaction(adding(f"{number}")))
            ended.call_soon(ended.stop)
            ended.run_forever()
            ended.close()
            assert not asking.done()
            cast("Any", asking)._log_destroy_pending = False
        assert asyncio.run(database.transaction(adding("next")))
        assert not database._collected
        with closing(apsw.Connection(str(tmp_path / "gatepass.db"))) as connection:
            assert connection.execute("SELECT id FROM users").fetchall() == [("next",)]
