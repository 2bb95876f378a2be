"""Between the server and PostgreSQL: too few connections for all, and PgBouncer in front (Debian's package)."""

from __future__ import annotations

import asyncio
import os
import shutil
import socket
import subprocess
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import asyncpg
import httpx
import pytest
from tests.support.postgres import binaries, postgres
from tests.support.server import ANN, running_server
from tests.support.wait import eventually

from gatepass.server.base.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.postgres import Postgres

PGBOUNCER = shutil.which("pgbouncer") or shutil.which("pgbouncer", path="/usr/sbin")
needs_pgbouncer = pytest.mark.skipif(PGBOUNCER is None, reason="no pgbouncer here: scripts/apt-install pgbouncer")


async def take_all_connections(url: str) -> list[asyncpg.Connection]:
    """Connect until PostgreSQL takes no more."""
    taken = []
    while True:
        try:
            taken.append(await asyncpg.connect(url))
        except asyncpg.TooManyConnectionsError:
            return taken


def test_callers_share_the_connections_that_there_are(tmp_path: Path) -> None:
    """Others hold all but those that the server has: of 40 refreshes at once none is refused, and all go on after."""
    with postgres(binaries()["18"]) as store:
        store.run("ALTER SYSTEM SET max_connections = 12")
        store.stop()
        store.start()
        with running_server(tmp_path, database=store.url()) as server:
            with server.client() as api:
                assert api.post("/signup", json=ANN).status_code == 201
                pair = api.post("/login", json=ANN).json()

            async def refresh_at_once() -> list[int]:
                taken = await take_all_connections(store.url())
                assert taken
                limits = httpx.Limits(max_connections=40)
                async with httpx.AsyncClient(base_url=server.url, limits=limits, timeout=30) as client:
                    body = {"refresh_token": pair["refresh_token"]}
                    answers = await asyncio.gather(*(client.post("/refresh", json=body) for _ in range(40)))
                for each in taken:
                    await each.close()
                return [answer.status_code for answer in answers]

            assert asyncio.run(refresh_at_once()) == [200] * 40
            assert asyncio.run(refresh_at_once()) == [200] * 40


@contextmanager
def pgbouncer(store: Postgres, database: str, mode: str) -> Generator[str]:
    """Run PgBouncer before a database; the URL to connect to."""
    folder = Path(tempfile.mkdtemp(prefix="gatepass-pgbouncer-"))
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "users.txt").write_text('"gatepass" ""\n')
    (folder / "pgbouncer.ini").write_text(
        f"[databases]\n{database} = host=127.0.0.1 port={store.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
        f"listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users.txt\n"
        f"pool_mode = {mode}\nlogfile = {folder}/log\npidfile = {folder}/pid\n"
    )
    for each in (folder, *folder.iterdir()):
        os.chmod(each, 0o777)  # noqa: PTH101, S103 - PgBouncer does not run as root
    user = ["-u", "nobody"] if os.geteuid() == 0 else []
    process = subprocess.Popen([str(PGBOUNCER), "-q", *user, f"{folder}/pgbouncer.ini"])
    try:
        eventually(lambda: _is_open(port))
        yield f"postgresql://gatepass@127.0.0.1:{port}/{database}"
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


def _is_open(port: int) -> bool:
    with socket.socket() as tried:
        return tried.connect_ex(("127.0.0.1", port)) == 0


@needs_pgbouncer
@pytest.mark.parametrize("mode", ["transaction", "statement"])
def test_a_pooler_that_lends_for_a_transaction_is_refused(tmp_path: Path, postgres18: Postgres, mode: str) -> None:
    """With the reason and the cure, before anything is written."""
    name = urlsplit(postgres18.new_database()).path.lstrip("/")
    with (
        pgbouncer(postgres18, name, mode) as url,
        pytest.raises(StartupError, match="uses transaction mode") as caught,
        running_server(tmp_path / "data", database=url),
    ):
        pass
    assert "pool_mode = session" in caught.value.hint
    assert postgres18.run("SELECT to_regclass('migrations')", name) == [(None,)]


@needs_pgbouncer
def test_a_pooler_that_leaves_connections_alone_works(tmp_path: Path, postgres18: Postgres) -> None:
    """Session mode: people sign in and refresh at once, our settings hold, and another node hears by NOTIFY."""
    name = urlsplit(postgres18.new_database()).path.lstrip("/")
    with (
        pgbouncer(postgres18, name, "session") as url,
        running_server(tmp_path / "data", database=url) as server,
        server.client() as api,
    ):
        assert api.post("/signup", json=ANN).status_code == 201
        pair = api.post("/login", json=ANN).json()
        assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 200
        assert api.get("/ready").status_code == 200
        (master,) = (tmp_path / "data").glob("master.key")
        with (
            running_server(
                tmp_path / "other",
                database=postgres18.url(name),
                master_key=master.read_text().strip(),
                issuer=server.url,
            ) as other,
            other.client() as there,
        ):
            bearer = {"authorization": f"Bearer {pair['token']}"}
            assert there.get("/me", headers=bearer).status_code == 200
            began = time.monotonic()
            assert api.post("/logout", json={"refresh_token": pair["refresh_token"]}).status_code == 204
            eventually(lambda: there.get("/me", headers=bearer).status_code == 401)
            assert time.monotonic() - began < 2
