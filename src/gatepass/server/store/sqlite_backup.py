"""Backing up a SQLite database while it is served, and restoring it."""

# pyright: reportUnknownMemberType=false
# (apsw's stubs name a type that Python 3.11 does not have)
from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from gatepass.server.base.errors import StartupError
from gatepass.server.store.sqlite import SqliteDatabase, startup_errors

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from gatepass.server.base.clock import Clock

_PAGES_AT_ONCE = 1_000


def back_up(path: Path, target: Path) -> None:
    """Copy the database as of one moment into a new file that only we can read; writers continue meanwhile.

    Raises:
        StartupError: when there is no database, or the target exists or cannot be written.
    """
    if not path.exists():
        raise StartupError(f"There is no database {path}.", "Name the server's --data-dir or --database.")
    try:
        os.close(os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    except OSError as error:
        raise StartupError(
            f"Cannot write {target}: {error.strerror}.", "Name a file that does not exist yet."
        ) from error
    with startup_errors(path):
        _copy(path, target)


async def put_back(
    source: Path, path: Path, clock: Clock, prepare: Callable[[SqliteDatabase], Awaitable[None]]
) -> None:
    """Replace the database's content by a backup, in one step, even under running servers.

    Args:
        source: the backup.
        path: the database, made when absent.
        clock: the time.
        prepare: what is done to the copy before it is used.

    Raises:
        StartupError: when the backup is no database of ours or from a newer version, or the database cannot be written.
    """
    if not source.is_file():  # noqa: ASYNC240 - a command runs nothing else
        raise StartupError(f"There is no file {source}.", "Name a file that `gatepass backup` wrote.")
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        copy = Path(folder) / "restoring.db"
        with startup_errors(source):
            _copy(source, copy)
            _check_ours(copy, source)
        database = SqliteDatabase(copy, clock)
        try:
            await prepare(database)
        finally:
            database.close()
        SqliteDatabase(path, clock).close()  # creates it with the right modes if absent
        with startup_errors(path):
            _copy(copy, path)


def _copy(source: Path, target: Path) -> None:
    """Copy with SQLite's backup API: the target changes as a whole, or not at all."""
    reading = apsw.Connection(str(source), flags=apsw.SQLITE_OPEN_READONLY)
    writing = apsw.Connection(str(target))
    try:
        with writing.backup("main", reading, "main") as copying:
            while not copying.done:
                copying.step(_PAGES_AT_ONCE)
    finally:
        writing.close()
        reading.close()


def _check_ours(copy: Path, source: Path) -> None:
    connection = apsw.Connection(str(copy))
    try:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
    finally:
        connection.close()
    if not {"migrations", "users", "keys"} <= tables:
        raise StartupError(f"{source} is not a backup of Gatepass.", "Name a file that `gatepass backup` wrote.")
