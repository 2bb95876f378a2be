"""How calls slow down as sessions pile up: 1,000, 100,000 and 1,000,000 of them in the store."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

import apsw

from _load import PERSON, ROTATE, check_tools, gatepass, wrk

if TYPE_CHECKING:
    from _load import Load

SIZES = (1_000, 100_000, 1_000_000)
CHAINS = 64


def fill(database: Path, count: int, now: float) -> None:
    """Write sessions of other people, each with a grant, as the server would have left them."""
    connection = apsw.Connection(str(database))
    connection.pragma("synchronous", value="off")
    with connection:
        connection.execute("INSERT INTO status_lists VALUES (1000, x'00', 1048576, ?1)", (now,))
        for number in range(count):
            user, session, grant = f"usr_bench{number:08}", f"ses_bench{number:08}", f"gnt_bench{number:08}"
            later = now + 1_000_000
            connection.execute("INSERT INTO users VALUES (?1, ?1, NULL, '', ?2, NULL)", (user, now))
            connection.execute(
                "INSERT INTO sessions VALUES (?1, ?2, ?3, '1', 'pwd', '', '', ?4, NULL, NULL)",
                (session, user, now, later),
            )
            connection.execute(
                "INSERT INTO grants VALUES"
                " (?1, ?2, ?3, 'first-party', 'a', '', x'00', 1, 0, ?4, ?4, 'new', 1000, ?5, ?6, NULL)",
                (grant, session, user, now, number, later),
            )
    connection.close()


def measure(folder: Path, count: int) -> tuple[Load, Load, float]:
    """Refresh and `/me` on a store of this size, and the time to start on it."""
    data_dir = folder / str(count)
    with gatepass(data_dir) as server, server.client() as api:
        api.post("/signup", json=PERSON)
    fill(data_dir / "gatepass.db", count, time.time())
    begin = time.perf_counter()
    with gatepass(data_dir, refresh_quiet_seconds=0) as server, server.client() as api:
        started = time.perf_counter() - begin
        pairs = [api.post("/login", json=PERSON).json() for _ in range(CHAINS)]
        tokens = folder / "tokens"
        tokens.write_text("\n".join(pair["refresh_token"] for pair in pairs))
        refresh = wrk(server.url, folder, script=ROTATE, warm_up=False, environment={"TOKENS": str(tokens)})
        me = wrk(f"{server.url}/me", folder, headers=(f"Authorization: Bearer {pairs[0]['token']}",))
    return refresh, me, started


def main() -> None:
    """Measure each size, and print a table."""
    check_tools()
    sizes = json.loads(os.environ.get("SIZES", "null")) or SIZES
    print("\n| sessions | /refresh, durable | p99 | /me | p99 | start |")
    print("|---:|---:|---:|---:|---:|---:|")
    with tempfile.TemporaryDirectory() as folder:
        for count in sizes:
            refresh, me, started = measure(Path(folder), count)
            print(
                f"| {count:,} | {refresh.per_second:,.0f}/s | {refresh.p99_ms:.1f} ms "
                f"| {me.per_second:,.0f}/s | {me.p99_ms:.1f} ms | {started:.2f} s |",
                flush=True,
            )
            if refresh.wrong or me.wrong:
                sys.exit(f"error: {refresh.wrong + me.wrong} wrong answers\nhint: run it again with the server's log")


if __name__ == "__main__":
    main()
