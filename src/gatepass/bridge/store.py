"""What a bridge keeps: entries, and which notices it has taken. One SQLite file, of one process."""

from __future__ import annotations

import asyncio
import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from gatepass.bridge.settings import BridgeSettingsError
from gatepass.tokens.bridge_entry import BridgeEntry

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from gatepass.tokens.bridge_entry import FeedSecret

FILE = "bridge.db"

_SCHEMA = """
CREATE TABLE IF NOT EXISTS entries (
    digest TEXT PRIMARY KEY, before INTEGER NOT NULL, until INTEGER NOT NULL, transmitter TEXT NOT NULL DEFAULT ''
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS notices (
    transmitter TEXT NOT NULL, jti TEXT NOT NULL, until INTEGER NOT NULL, PRIMARY KEY (transmitter, jti)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""
_TAKE_NOTICE = "INSERT INTO notices (transmitter, jti, until) VALUES (?, ?, ?) ON CONFLICT DO NOTHING"
_ADD_ENTRY = """
INSERT INTO entries (digest, before, until, transmitter) VALUES (?, ?, ?, ?)
ON CONFLICT DO UPDATE SET before = max(before, excluded.before), until = max(until, excluded.until)
"""

T = TypeVar("T")


class TakenNotice(NamedTuple):
    """A notice, as it is remembered so that it counts once.

    Attributes:
        transmitter: Who sent it.
        jti: A digest of its `jti`.
        until: Until when it could be sent again, in seconds since 1970.
    """

    transmitter: str
    jti: str
    until: int


class BridgeStore:
    """The file. Everything runs in one thread of its own, and is on the disk when it returns."""

    def __init__(self, folder: Path, secret: FeedSecret) -> None:
        """Open it, or make it.

        Raises:
            BridgeSettingsError: Another process has it, or it was written with another secret.
            OSError: The folder cannot be made.
        """
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        path = folder / FILE
        path.touch(mode=0o600, exist_ok=True)
        self._thread = ThreadPoolExecutor(1, "gatepass-bridge-store")
        self._connection = sqlite3.connect(path, timeout=0.5, isolation_level=None, check_same_thread=False)
        try:
            self._open()
            self._check_secret(secret.digest_of_data("bridge.db"), path)
        except sqlite3.Error as error:
            self._connection.close()
            raise BridgeSettingsError(
                f"{path} cannot be opened: {error}.", "Another bridge may have it open: one process has one data_dir."
            ) from None
        except BaseException:
            self._connection.close()
            raise

    def _open(self) -> None:
        for pragma in ("locking_mode = EXCLUSIVE", "journal_mode = WAL", "synchronous = FULL"):
            self._connection.execute(f"PRAGMA {pragma}")
        self._connection.executescript(_SCHEMA)
        columns = {name for _, name, *_ in self._connection.execute("PRAGMA table_info (entries)")}
        if "transmitter" not in columns:  # the file of an earlier version; those entries count for nobody
            self._connection.execute("ALTER TABLE entries ADD COLUMN transmitter TEXT NOT NULL DEFAULT ''")

    def _check_secret(self, check: str, path: Path) -> None:
        """Refuse to go on with another secret: the digests would name nobody, and revoked tokens would live again."""
        self._connection.execute("INSERT INTO facts VALUES ('secret', ?) ON CONFLICT DO NOTHING", (check,))
        [[kept]] = self._connection.execute("SELECT value FROM facts WHERE name = 'secret'")
        if kept != check:
            raise BridgeSettingsError(
                f"{path} was written with another feed secret.",
                f"Use that one again; or delete {path}: what is revoked in it is then accepted until it expires.",
            )

    async def entries(self) -> dict[str, BridgeEntry]:
        """Return every entry."""

        def work() -> dict[str, BridgeEntry]:
            rows = self._connection.execute("SELECT digest, before, until FROM entries")
            return {digest: BridgeEntry(before, until) for digest, before, until in rows}

        return await self._run(work)

    async def owners(self) -> dict[str, str]:
        """Return which transmitter has entered what first, by its digest."""

        def work() -> dict[str, str]:
            return dict(self._connection.execute("SELECT digest, transmitter FROM entries").fetchall())

        return await self._run(work)

    async def take(self, transmitter: str, notice: TakenNotice | None, entries: Mapping[str, BridgeEntry]) -> bool:
        """Add entries, unless the notice was taken before; return whether they were added.

        Args:
            transmitter: Who enters them.
            notice: The notice, if it can be told from others.
            entries: What it revokes.

        Raises:
            sqlite3.Error: Nothing was added.
        """

        def work() -> bool:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                is_new = notice is None or self._connection.execute(_TAKE_NOTICE, notice).rowcount == 1
                if is_new:
                    rows = [(digest, *each, transmitter) for digest, each in entries.items()]
                    self._connection.executemany(_ADD_ENTRY, rows)
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:
                    self._connection.execute("ROLLBACK")
                raise
            return is_new

        return await self._run(work)

    async def forget_ended(self, now: float) -> None:
        """Drop what has no effect any more."""

        def work() -> None:
            for table in ("entries", "notices"):
                self._connection.execute(f"DELETE FROM {table} WHERE until <= ?", (int(now),))  # noqa: S608 - our names

        await self._run(work)

    async def is_there(self) -> bool:
        """Whether it can be read."""

        def work() -> bool:
            with closing(self._connection.execute("SELECT value FROM facts LIMIT 1")) as rows:
                return rows.fetchone() is not None

        try:
            return await self._run(work)
        except sqlite3.Error:
            return False

    def close(self) -> None:
        """Close it, after what is under way."""
        self._thread.submit(self._connection.close)
        self._thread.shutdown()

    async def _run(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
