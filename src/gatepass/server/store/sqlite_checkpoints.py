"""Copying SQLite's write-ahead log back into the database file, concurrently with the writer.

By default, SQLite does it in the commit that makes the log a thousand pages long, and all callers wait while scattered
pages are written and synced: a quarter of a second with a million sessions.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false
# (apsw's stubs name a type that Python 3.11 does not have)
from __future__ import annotations

import threading
from contextlib import suppress
from typing import TYPE_CHECKING

import apsw

if TYPE_CHECKING:
    from collections.abc import Callable

_PAGES = 500
"""Pages of 4 KiB that may be in the log and not yet in the file.

Few, because commits wait while a checkpoint is synced. With a million sessions, 4,000 scattered pages delayed all
callers by 150 to 300 ms; 500 take 10 to 30, at a fifth less write throughput.
"""
_MOST_PAGES = 65_536
"""Pages in the log at which the writer copies the rest itself, so that the log starts over: 256 MiB."""


class Checkpoints:
    """Makes checkpoints in a separate thread and connection, from the first time that one is due."""

    def __init__(self, connect: Callable[[], apsw.Connection]) -> None:
        self._connect = connect
        self._pages = 0
        self._copied = 0
        self._is_due = threading.Event()
        self._is_closing = False
        self._thread: threading.Thread | None = None

    def attend(self, writer: apsw.Connection) -> None:
        """Track the growth of the log by this connection's commits; SQLite itself makes no checkpoints in them."""
        writer.set_wal_hook(self._on_commit)

    def keep_short(self, writer: apsw.Connection) -> None:
        """Copy the rest between two commits, if concurrent copying has not reached the end of the log for long.

        Only the writer can: another thread would have to wait for a moment without writes.
        """
        if self._pages >= _MOST_PAGES:
            with suppress(apsw.Error):  # another process reads or writes; tried again after the next commit
                writer.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_RESTART)
                self._pages = 0

    def close(self) -> None:
        """Stop the thread; the last process to close the file copies the rest."""
        self._is_closing = True
        self._is_due.set()
        if self._thread is not None:
            self._thread.join()

    def _on_commit(self, _connection: apsw.Connection, _schema: str, pages: int) -> int:
        """Note how many pages are in the log."""
        self._pages = pages
        if pages < self._copied:
            self._copied = 0  # the log has started over
        if pages - self._copied >= _PAGES and not self._is_due.is_set():
            self._is_due.set()
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="sqlite-checkpoints", daemon=True)
                self._thread.start()
        return apsw.SQLITE_OK

    def _run(self) -> None:
        connection = self._connect()
        while self._is_due.wait():
            self._is_due.clear()  # first, so that later signals are not missed
            if self._is_closing:
                break
            with suppress(
                apsw.Error
            ):  # a full disk, for example: commits report it, and the next one makes it due again
                _, self._copied = connection.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        connection.close()
