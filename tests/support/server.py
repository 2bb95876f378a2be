"""A real server on a real socket, in a thread or a process of its own."""

from __future__ import annotations

import asyncio
import io
import os
import queue
import re
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import httpx
from tests.support.sqlite import migrated_sqlite

from gatepass.server.base.settings import load
from gatepass.server.process.serving import serve
from gatepass.server.web.cookies import cookie_name

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence
    from typing import IO

    from gatepass.server.base.settings import Settings
    from gatepass.server.domain.keys.signer import OutsideKey

_URL = re.compile(r"https?://[\w.]+:\d+")

CHEAP_ARGON2 = {"argon2_memory_kib": 8, "argon2_passes": 1}
"""For tests that are about something else than the cost of a hash."""

ANN = {"email": "ann@example.test", "password": "correct horse battery"}

OUTBOX_KEY = "the key that serve would print"
OUTBOX = f"/pages/outbox?key={quote(OUTBOX_KEY)}"
"""Where a server of the tests shows the mails that it does not send."""

AUTHORITIES = httpx.create_ssl_context()
"""For clients of the tests: reading the public authorities again for each would take longer than most tests."""

NOON = float(int(time.time()))
"""Where a test's clock begins, in seconds since 1970: at the real time, since commands beside the server go by that."""


class SettableClock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: float = NOON) -> None:
        self.now = now

    def __call__(self) -> float:
        """The time that it was set to."""
        return self.now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds


class RunningClock(SettableClock):
    """The time of this machine, moved by what a test has let pass."""

    def __init__(self) -> None:
        super().__init__(0)

    def __call__(self) -> float:
        """Now."""
        return time.time() + self.now


@dataclass(frozen=True)
class RunningServer:
    """A server in a thread of this process, and its clock."""

    settings: Settings
    clock: SettableClock

    @property
    def url(self) -> str:
        """Its name, where it also listens unless a test set another issuer."""
        return self.settings.issuer_url

    @property
    def address(self) -> str:
        """Where it listens."""
        return f"{'https' if self.settings.tls_cert else 'http'}://localhost:{self.settings.port}"

    def cookie(self, name: str = "gatepass-refresh") -> str:
        """What one of its cookies is called."""
        return cookie_name(name, self.settings)

    @property
    def place(self) -> tuple[str, ...]:
        """The options of commands that work on its data."""
        where = ("--database", self.settings.database) if self.settings.database else ()
        return ("--data-dir", self.settings.data_dir, *where)

    def client(self, **options: Any) -> httpx.Client:  # noqa: ANN401 - httpx's own options
        """A client of its own connections and cookies."""
        return httpx.Client(base_url=self.address, timeout=30, **{"verify": AUTHORITIES, **options})


@contextmanager
def running_server(
    data_dir: Path,
    clock: SettableClock | None = None,
    *,
    outside_keys: Sequence[OutsideKey] = (),
    is_awaited: bool = True,
    **settings: object,
) -> Generator[RunningServer]:
    """Run a server on a free port until the block ends; any setting may be given.

    `is_awaited` may be false where nobody needs its data folder afterwards: then the block does not wait for its end,
    which takes uvicorn a fifth of a second.
    """
    clock = clock or SettableClock()
    if not settings.get("database"):
        migrated_sqlite(data_dir / "gatepass.db")
    flags = {"port": 0, "data_dir": str(data_dir), "outbox_key": OUTBOX_KEY, **CHEAP_ARGON2, **settings}
    told: queue.SimpleQueue[Settings | BaseException] = queue.SimpleQueue()
    loop = asyncio.new_event_loop()
    stop = asyncio.Event()

    def run() -> None:
        try:
            served = serve(load(flags=flags), on_ready=told.put, stop=stop, clock=clock, outside_keys=outside_keys)
            loop.run_until_complete(served)
        except BaseException as error:  # noqa: BLE001 - handed to the test's own thread
            told.put(error)
        finally:
            loop.close()

    thread = threading.Thread(target=run, name="server")
    thread.start()
    try:
        first = told.get(timeout=30)
        if isinstance(first, BaseException):
            raise first
        yield RunningServer(first, clock)
    finally:
        if not loop.is_closed():
            loop.call_soon_threadsafe(stop.set)
        if is_awaited:
            thread.join(timeout=30)
            assert not thread.is_alive(), f"the server does not end: {_stacks(loop)}"


def _stacks(loop: asyncio.AbstractEventLoop) -> str:
    """What each task of a loop waits for."""
    out = io.StringIO()
    for task in asyncio.all_tasks(loop):
        task.print_stack(file=out)
    return out.getvalue()


@contextmanager
def gatepass_serve(
    data_dir: Path, *arguments: str, under: Sequence[str] = (), **environment: str
) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Run `gatepass serve` on a free port as a process of its own; gives the process and the URL that it prints.

    `under` is a command that runs it, `prlimit` say.
    """
    with _serving(data_dir, arguments, environment, subprocess.PIPE, under) as process:
        yield process, first_url(process)


@contextmanager
def gatepass_serve_logging(
    log: Path, data_dir: Path, *arguments: str, **environment: str
) -> Generator[tuple[subprocess.Popen[str], str]]:
    """Do the same with what it says in a file: nobody empties a pipe, and a server that says much would wait for it."""
    with log.open("w") as out, _serving(data_dir, arguments, environment, out) as process:
        yield process, _url_in(log, process)


@contextmanager
def _serving(
    data_dir: Path,
    arguments: Sequence[str],
    environment: Mapping[str, str],
    stderr: IO[str] | int,
    under: Sequence[str] = (),
) -> Generator[subprocess.Popen[str]]:
    command = [str(Path(sys.executable).with_name("gatepass")), "serve", "--port", "0", "--data-dir", str(data_dir)]
    settings = {f"GATEPASS_{name.upper()}": str(value) for name, value in CHEAP_ARGON2.items()}
    settings["GATEPASS_OUTBOX_KEY"] = OUTBOX_KEY
    process = subprocess.Popen(
        [*under, *command, *arguments], stderr=stderr, text=True, env={**os.environ, **settings, **environment}
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


def _url_in(log: Path, process: subprocess.Popen[str]) -> str:
    """Wait for the URL in the file that a program writes."""
    deadline = time.monotonic() + 60
    while not (found := _URL.search(log.read_text().rpartition("\n")[0])):
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    return found[0]


def first_url(process: subprocess.Popen[str]) -> str:
    """Read a program's standard error up to the URL that it says it listens on."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        if found := _URL.search(line):
            return found[0]
    raise AssertionError(f"the program ended before it listened: {said}")
