"""PostgreSQL's own side of the contract: what it does when it is away, full, asked by many at once, or newer."""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any

import asyncpg
import pytest
from tests.store.test_sessions import ANN, grant, session
from tests.support.postgres import binaries, postgres
from tests.support.server import NOON, SettableClock

from gatepass.server.base.errors import StartupError, Unavailable
from gatepass.server.domain.accounts.user import User
from gatepass.server.store import postgres as store_module
from gatepass.server.store.migrations import Migration, all_migrations
from gatepass.server.store.postgres import _SESSION, PostgresDatabase

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable, Generator

    from tests.support.postgres import Postgres

    from gatepass.server.domain.ports import Transaction


@pytest.fixture
def url(postgres18: Postgres) -> str:
    """An empty database."""
    return postgres18.new_database()


@pytest.fixture
def own_postgres() -> Generator[Postgres]:
    """A PostgreSQL that the test may stop."""
    with postgres(binaries()["18"]) as server:
        yield server


@asynccontextmanager
async def opened(url: str, *, connections: int = 4) -> AsyncGenerator[PostgresDatabase]:
    """Open a database for the length of a block."""
    database = await PostgresDatabase.open(url, SettableClock(), connections=connections)
    try:
        yield database
    finally:
        await database.close()


def adding(name: str) -> Callable[[Transaction], Awaitable[bool]]:
    """A unit of one statement."""

    async def unit(tx: Transaction) -> bool:
        return await tx.users.add(User(id=f"usr_{name}", email=name, created_at=NOON))

    return unit


async def finding(tx: Transaction) -> list[str]:
    """A unit that reads."""
    return [user.email for user in await tx.users.all()]


def test_whatever_came_before_a_connection_is_free_again(url: str) -> None:
    """One connection serves a lone statement, two, a unit, one that raises, and a read: none leaves a lock behind."""

    async def two(tx: Transaction) -> None:
        await tx.users.add(User(id="usr_c", email="c", created_at=NOON))
        await tx.users.add(User(id="usr_d", email="d", created_at=NOON))

    async def raising(tx: Transaction) -> None:
        await two(tx)
        raise LookupError

    async def run() -> None:
        async with opened(url, connections=1) as database, opened(url, connections=1) as other:
            await database.statement(adding("a"))
            await database.read(finding)
            with pytest.raises(LookupError):
                await database.transaction(raising)
            assert await database.read(finding) == ["a"]
            await other.transaction(adding("b"))
            await database.statement(two)
            await other.transaction(adding("e"))
            assert await other.read(finding) == await database.read(finding) == ["a", "b", "c", "d", "e"]

    asyncio.run(run())


def test_what_follows_a_lone_statement_is_all_or_nothing(url: str) -> None:
    """The first statement stands when the unit raises later; of the others nothing does."""

    async def raising(tx: Transaction) -> None:
        for name in ("a", "b", "c"):
            await adding(name)(tx)
        raise LookupError

    async def run() -> None:
        async with opened(url, connections=1) as database:
            with pytest.raises(LookupError):
                await database.statement(raising)
            assert await database.read(finding) == ["a"]

    asyncio.run(run())


def test_a_unit_that_overlooks_an_error_is_not_called_done(url: str) -> None:
    """PostgreSQL answers its COMMIT with ROLLBACK: the caller hears of it, and the next unit is as any other."""

    async def overlooking(tx: Transaction) -> None:
        await adding("a")(tx)
        users: Any = tx.users
        with suppress(asyncpg.PostgresError):
            await users._connection.rows("SELECT 1 / 0")

    async def run() -> None:
        async with opened(url) as database:
            with pytest.raises(RuntimeError, match="went on after an error"):
                await database.transaction(overlooking, about="usr_a")
            assert await database.read(finding) == []
            assert await database.transaction(adding("b"))

    asyncio.run(run())


def test_many_at_one_row_are_tried_again(url: str) -> None:
    """Sixteen at once change one row by statements of their own: each gets its turn."""

    async def unit(tx: Transaction) -> None:
        await tx.users.set_roles("usr_a", ("r",))

    async def run() -> None:
        async with opened(url, connections=16) as database:
            await database.statement(adding("a"))
            await asyncio.gather(*(database.statement(unit) for _ in range(16)))

    asyncio.run(run())


def test_nodes_that_forget_the_same_sessions_at_once(url: str) -> None:
    """While one node forgets the oldest, another waits for the same rows and then takes none whose grants are left."""

    async def fill(tx: Transaction) -> None:
        await tx.users.add(ANN)
        for number in range(100):
            await tx.sessions.add(session(number, NOON + number))
            await tx.grants.add(grant(number, NOON + number))

    async def forget(tx: Transaction) -> int:
        return await tx.sessions.forget_expired(NOON + 1_000, most=5)

    async def run() -> None:
        async with opened(url, connections=8) as database:
            await database.transaction(fill)
            gone = 0
            for _ in range(20):
                gone += sum(await asyncio.gather(*(database.transaction(forget, shared=True) for _ in range(4))))
            assert gone == 100

    asyncio.run(run())


def test_a_full_pool_is_a_pause(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """While every connection is lent, callers wait for a while and then get `store_unavailable`; later all is well."""
    monkeypatch.setattr("gatepass.server.store.postgres_pool.WAIT_SECONDS", 0.1)

    async def run() -> None:
        async with opened(url, connections=2) as database:
            async with database.connection(), database.connection():
                with pytest.raises(Unavailable) as caught:
                    await database.statement(adding("a"))
                assert caught.value.retry_after
                waiting = asyncio.create_task(database.statement(adding("b")))
                await asyncio.sleep(0)
            assert await waiting is True
            assert await database.read(finding) == ["b"]

    asyncio.run(run())


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGQUIT])
def test_a_restart_of_postgresql_is_a_pause(own_postgres: Postgres, how: int) -> None:
    """While it is away every call is `store_unavailable`, at once; when it is back, so are we, with what was there."""

    async def run() -> None:
        async with opened(own_postgres.url()) as database:
            await database.statement(adding("a"))
            await asyncio.to_thread(own_postgres.stop, how)
            for call in (database.statement(adding("b")), database.transaction(adding("b")), database.read(finding)):
                with pytest.raises(Unavailable, match="cannot reach its store"):
                    await call
            await asyncio.to_thread(own_postgres.start)
            assert await _until_it_works(lambda: database.read(finding)) == ["a"]
            assert await database.statement(adding("b"))

    asyncio.run(run())


async def _until_it_works(call: Callable[[], Awaitable[list[str]]]) -> list[str]:
    while True:
        try:
            return await call()
        except Unavailable:
            await asyncio.sleep(0.05)


def test_a_change_elsewhere_wakes_who_waits(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A unit of another node is heard of well before the next look; a sign-in or a refresh wakes nobody."""
    monkeypatch.setattr(store_module, "POLL_SECONDS", 1)

    async def run() -> None:
        async with opened(url) as database, opened(url) as other:
            await database.changed()  # has a line to be woken by, from now on
            loop = asyncio.get_running_loop()
            for unit, wakes in ((other.transaction, True), (other.statement, False)):
                waiting = asyncio.create_task(database.changed())
                await asyncio.sleep(0.05)
                began = loop.time()
                await unit(adding(unit.__name__))
                await waiting
                assert (loop.time() - began < 0.8) == wakes

    asyncio.run(run())


def test_no_database_is_told_in_the_operators_words(url: str) -> None:
    """Nobody listens, the database is not there, the user may not: an error with a hint, and never a password."""
    for wrong in ("postgresql://ann:secret@127.0.0.1:9/gatepass", f"{url}_no", url.replace("gatepass@", "nobody@")):
        with pytest.raises(StartupError) as caught:
            asyncio.run(PostgresDatabase.open(wrong))
        assert caught.value.hint
        assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "wrong",
    [
        "postgresql://[",
        "postgresql://u:p@[::1/d",
        "postgresql://h:x/d",
        "postgresql://u:secret/x@h/d",
        "postgresql://a..b/d",
    ],
)
def test_a_url_that_cannot_be_read(wrong: str) -> None:
    """It is refused in the operator's words, and nothing of it is repeated: it may be the password."""
    with pytest.raises(StartupError, match="URL is not valid") as caught:
        asyncio.run(PostgresDatabase.open(wrong))
    assert "secret" not in f"{caught.value.message}{caught.value.__cause__}"


def test_a_newer_database_is_left_alone(url: str, postgres18: Postgres) -> None:
    """A migration that this version does not know: an error with a hint."""
    asyncio.run(_open_and_close(url))
    postgres18.run("INSERT INTO migrations VALUES (9999, 'from_the_future')", url.rpartition("/")[2])
    with pytest.raises(StartupError, match="newer version"):
        asyncio.run(_open_and_close(url))


async def _open_and_close(url: str) -> None:
    async with opened(url):
        pass


def test_nodes_that_start_at_once_migrate_once(url: str, postgres18: Postgres) -> None:
    """Four processes open a new database at the same moment: all succeed, and each migration ran once."""
    script = (
        "import asyncio, sys; from gatepass.server.store.postgres import PostgresDatabase\n"
        "async def main(): await (await PostgresDatabase.open(sys.argv[1])).close()\n"
        "asyncio.run(main())"
    )
    processes = [subprocess.Popen([sys.executable, "-c", script, url]) for _ in range(4)]
    assert [process.wait() for process in processes] == [0, 0, 0, 0]
    ((rows, numbers),) = postgres18.run(
        "SELECT COUNT(*), COUNT(DISTINCT number) FROM migrations", url.rpartition("/")[2]
    )
    assert rows == numbers == len(all_migrations())


def test_an_old_node_goes_on_while_the_next_version_migrates(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A new column and a new table appear under a node of this version, under load: no call of its fails."""
    next_version = Migration(
        all_migrations()[-1].number + 1,
        "next",
        ("ALTER TABLE users ADD COLUMN nickname TEXT", "CREATE TABLE pets (id TEXT PRIMARY KEY)"),
    )

    async def run() -> None:
        async with opened(url) as old:
            await old.statement(adding("before"))
            done = asyncio.Event()

            async def load(name: str) -> int:
                count = 0
                while not done.is_set() or count < 20:
                    count += 1
                    assert await old.transaction(adding(f"{name}{count}"), shared=True)
                    await old.read(finding)
                return count

            loads = [asyncio.create_task(load(name)) for name in "ab"]
            known = (*all_migrations(), next_version)
            monkeypatch.setattr("gatepass.server.store.postgres.all_migrations", lambda: known)
            await _open_and_close(url)
            done.set()
            assert min(await asyncio.gather(*loads)) >= 20
            assert (await old.condition()).is_migrated

    asyncio.run(run())


def test_a_migration_lets_others_through_while_it_waits(
    url: str, postgres18: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody holds a table that is to be changed: the change gives up its place in the queue, and comes again."""
    number = all_migrations()[-1].number + 1
    known = (*all_migrations(), Migration(number, "next", ("ALTER TABLE users ADD COLUMN nickname TEXT",)))
    monkeypatch.setitem(_SESSION, "lock_timeout", "100ms")

    async def run() -> None:
        async with opened(url) as old:
            monkeypatch.setattr("gatepass.server.store.postgres.all_migrations", lambda: known)
            async with old.connection() as holding, holding.raw.transaction():
                await holding.raw.execute("LOCK TABLE users IN ACCESS SHARE MODE")
                migrating = asyncio.create_task(_open_and_close(url))
                for _ in range(5):
                    assert await old.read(finding) == []
                    await asyncio.sleep(0.05)
                assert not migrating.done()
            await migrating

    asyncio.run(run())
