"""Several processes behind one socket: the parent only starts and stops them.

The parent forks before it has any thread or event loop, so a child begins with everything imported. A child that ends
is replaced; a child whose parent ends, stops.
"""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

import msgspec
import structlog
import uvloop

from gatepass.server.base.errors import StartupError
from gatepass.server.process.serving import listen, serve, started

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from gatepass.server.base.settings import Settings

log = structlog.get_logger("gatepass")

_READY = b"ready"
_WITHOUT_A_WORD = ("A worker ended at its start.", "What it wrote to standard error says why.")
_PAUSE_SECONDS = 1.0
"""How long to wait before replacing a child that ended, so that one that cannot start does not loop."""


def serve_with_workers(settings: Settings, *, on_ready: Callable[[Settings], None]) -> None:
    """Serve with as many processes as are set, until SIGTERM or SIGINT.

    Raises:
        StartupError: when the address is taken, or the first process cannot start.
    """
    sockets = listen(settings.host, settings.port)
    try:
        settings = started(settings, sockets)  # one key for all of them
        with tempfile.TemporaryDirectory(prefix="gatepass-") as shared:
            _Parent(settings, sockets, Path(shared)).run(on_ready)
    finally:
        for each in sockets:
            each.close()


class _Parent:
    def __init__(self, settings: Settings, sockets: list[socket.socket], shared: Path) -> None:
        self._settings = settings
        self._sockets = sockets
        self._shared = shared
        self._numbers: dict[int, int] = {}
        """The number of each worker, by process id."""
        self._is_stopping = False
        self._lifeline, self._held = os.pipe()
        """A pipe that closes when the parent is gone, for whatever reason."""

    def run(self, on_ready: Callable[[Settings], None]) -> None:
        """Start the first, which initializes a new store, then the others; replace them until told to stop."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, self._stop)
        try:
            for number in range(self._settings.workers):
                self._start(number)
            on_ready(self._settings)
            while self._numbers:
                self._replace(*os.wait())
        finally:
            self._stop(signal.SIGTERM)
            while self._numbers:
                self._numbers.pop(os.wait()[0], None)
            os.close(self._held)
            os.close(self._lifeline)

    def _stop(self, number: int, _frame: object = None) -> None:
        self._is_stopping = True
        for pid in self._numbers:
            with suppress(ProcessLookupError):
                os.kill(pid, number)

    def _replace(self, pid: int, status: int) -> None:
        number = self._numbers.pop(pid, None)
        if number is None or self._is_stopping:
            return
        log.error("a worker has ended and is replaced", worker=number, pid=pid, status=status)
        time.sleep(_PAUSE_SECONDS)
        if not self._is_stopping:
            try:
                self._start(number)
            except StartupError as error:
                log.error("a worker could not be replaced", worker=number, reason=error.message)  # noqa: TRY400 - no defect
                if not self._numbers:
                    raise

    def _start(self, number: int) -> None:
        """Fork, and wait until the child serves."""
        reading, writing = os.pipe()
        pid = os.fork()
        if pid == 0:
            os.close(reading)
            os.close(self._held)
            self._work(number, writing)
        os.close(writing)
        self._numbers[pid] = number
        with os.fdopen(reading, "rb") as told:
            answer = told.read()
        if answer != _READY:
            message, hint = (
                msgspec.msgpack.decode(answer) if answer else ("A worker ended at its start.", "See the log.")
            )
            raise StartupError(message, hint)

    def _work(self, number: int, writing: int) -> NoReturn:
        """Run as a child, until the end."""
        for each in (signal.SIGTERM, signal.SIGINT):
            signal.signal(each, signal.SIG_DFL)

        def tell(_settings: Settings) -> None:
            os.write(writing, _READY)
            os.close(writing)

        status = 1
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(
                    serve(
                        self._settings,
                        on_ready=tell,
                        sockets=self._sockets,
                        lifeline=self._lifeline,
                        shared=self._shared / f"{number}",
                    )
                )
            status = 0
        except StartupError as error:
            with suppress(OSError):
                os.write(writing, msgspec.msgpack.encode((error.message, error.hint)))
        finally:
            os._exit(status)  # the frames below belong to the parent
