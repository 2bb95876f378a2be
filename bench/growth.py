"""How calls slow down as sessions pile up: 1,000, 100,000 and 1,000,000 of them in the store.

Refreshing walks over grants all over the table, each time another one's row. With `--write` the figures and their plot
go to docs/reference/growth.md.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
import random
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import apsw

from _load import CYCLE, PERSON, POST, ROTATE, check_tools, gatepass, wrk
from gatepass.server.base.ids import encode_id
from gatepass.server.base.settings import load
from gatepass.server.domain.keys.rotation import pace_of, provide_keys
from gatepass.server.store.opening import open_store
from gatepass.tokens import refresh_token
from gatepass.tokens.refresh_token import RefreshToken

if TYPE_CHECKING:
    from collections.abc import Iterable

    from _load import Load, Running
    from gatepass.tokens.refresh_token import RefreshKey

SIZES: tuple[int, ...] = tuple(json.loads(os.environ.get("SIZES", "[1000, 100000, 1000000]")))
WALKED = 20_000
"""Grants that are refreshed, of those in the store."""
REFERENCE = Path(__file__).parents[1] / "docs" / "reference"


class Row(NamedTuple):
    """What one size of store does: answers a second by call, the megabytes of the file, the seconds to start."""

    sessions: int
    loads: dict[str, Load]
    file_mb: float
    start_seconds: float


def grant_of(number: int) -> RefreshToken:
    """The refresh token of a session in the store, before it is authenticated; its secret is no secret."""
    return RefreshToken(grant_id=number.to_bytes(16, "big"), serial=1, secret=b"s" * 16, in_cookie=False)


def fill(database: Path, count: int, issuer: str) -> None:
    """Write sessions, each of a person of its own and with a grant, as the server would have left them."""
    now = time.time()
    connection = apsw.Connection(str(database))
    connection.pragma("synchronous", value="off")
    digest = hashlib.sha256(b"s" * 16).digest()
    with connection:
        for number in range(count):
            user, session = f"usr_bench{number:08}", f"ses_bench{number:08}"
            grant = f"gnt_{encode_id(grant_of(number).grant_id)}"
            connection.execute(
                "INSERT INTO users (id, email, roles, created_at) VALUES (?1, ?2, '', ?3)",
                (user, f"{user}@example.test", now),
            )
            connection.execute(
                "INSERT INTO sessions (id, user_id, auth_time, acr, amr, address, user_agent, expires_at)"
                " VALUES (?1, ?2, ?3, '1', 'pwd', '', '', ?4)",
                (session, user, now, now + 1_000_000),
            )
            connection.execute(
                "INSERT INTO grants (id, session_id, user_id, client_id, audience, scope, secret_digest, current,"
                " spent, touched_at, answered_at, verdict, status_list, status_idx, expires_at)"
                " VALUES (?1, ?2, ?3, 'first-party', ?4, '', ?5, 1, 0, ?6, ?6, 'new', ?7, ?8, ?9)",
                (grant, session, user, issuer, digest, now, 1_000 + number // 1_048_576, number, now + 1_000_000),
            )
    connection.pragma("wal_checkpoint(truncate)")
    connection.close()


async def refresh_key(data_dir: Path) -> RefreshKey:
    """The key under which the server of this data authenticates refresh tokens."""
    settings = load(flags={"data_dir": str(data_dir)})
    async with open_store(settings) as (database, data_key):
        keys = await provide_keys(database, data_key, pace_of(settings), alg=settings.alg, now=time.time(), outside=())
        return keys.current.refresh_key


def write_lines(file: Path, lines: Iterable[str]) -> str:
    """Write a file for a load; its name."""
    file.write_text("\n".join(lines) + "\n")
    return str(file)


def measure(folder: Path, count: int) -> Row:
    """Every call on a store of this size."""
    data_dir = folder / str(count)
    with gatepass(data_dir) as server, server.client() as api:
        issuer = server.url
        api.post("/signup", json=PERSON)
        credentials = server.register()
    fill(data_dir / "gatepass.db", count, issuer)
    key = asyncio.run(refresh_key(data_dir))
    chosen = random.Random(count).sample(range(count), min(count, WALKED))  # noqa: S311 - no secret
    refreshing = write_lines(folder / "refresh", (refresh_token.mint(grant_of(number), key) for number in chosen))
    begin = time.perf_counter()
    with gatepass(data_dir, issuer=issuer, refresh_quiet_seconds=0) as server:
        started = time.perf_counter() - begin
        loads = load_each_call(folder, server, refreshing, credentials)
    return Row(count, loads, (data_dir / "gatepass.db").stat().st_size / 1e6, started)


def load_each_call(folder: Path, server: Running, refreshing: str, credentials: tuple[str, str]) -> dict[str, Load]:
    """One call after the other."""
    basic = "Basic " + base64.b64encode(":".join(credentials).encode()).decode()
    form = {"BODY": "grant_type=client_credentials", "TYPE": "application/x-www-form-urlencoded"}
    with server.client() as api, Path(refreshing).open() as tokens:
        answers = [api.post("/refresh", json={"refresh_token": next(tokens).strip()}).json() for _ in range(500)]
        refreshing = write_lines(folder / "rest", [*(line.strip() for line in tokens)])
    seen = {"TOKENS": write_lines(folder / "access", (answer["token"] for answer in answers)), "BASIC": basic}
    url = server.url
    return {
        "/refresh": wrk(url, folder, script=ROTATE, warm_up=False, environment={"TOKENS": refreshing}),
        "/me": wrk(f"{url}/me", folder, script=CYCLE, environment={**seen, "EXPECT": "@example.test"}),
        "/oauth/introspect": wrk(
            f"{url}/oauth/introspect",
            folder,
            script=CYCLE,
            environment={**seen, "EXPECT": '"active":true', "FORM": "token=@"},
        ),
        "/oauth/token": wrk(
            f"{url}/oauth/token", folder, script=POST, headers=(f"Authorization: {basic}",), environment=form
        ),
        "/login": wrk(f"{url}/login", folder, script=POST, environment={"BODY": json.dumps(PERSON)}),
        "JWKS": wrk(f"{url}/.well-known/jwks.json", folder),
    }


def table(rows: list[Row]) -> str:
    """Answers a second and 99th percentile of each call, by size."""
    calls = list(rows[0].loads)
    lines = ["| sessions | " + " | ".join(calls) + " | file | start |", "|---:" * (len(calls) + 3) + "|"]
    for row in rows:
        cells = [f"{load.per_second:,.0f}/s, p99 {load.p99_ms:.0f} ms" for load in row.loads.values()]
        lines.append(
            f"| {row.sessions:,} | " + " | ".join(cells) + f" | {row.file_mb:,.0f} MB | {row.start_seconds:.2f} s |"
        )
    return "\n".join(lines)


def plot(rows: list[Row]) -> str:
    """The time that an answer takes the server, beside that with the fewest sessions, as an SVG."""
    left, top, width, height = 60, 20, 460, 220
    tallest = max(2.0, *(_relative(rows, call, row) for call in rows[0].loads for row in rows))
    colours = ("#1a7f5a", "#2563eb", "#b45309", "#9333ea", "#dc2626", "#64748b")
    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 700 280" font-family="sans-serif" font-size="13">',
        "<title>Time for an answer by the number of sessions, 1 being the time with the fewest</title>",
        f'<path d="M{left} {top}V{top + height}H{left + width}" fill="none" stroke="currentColor"/>',
    ]
    for value in (1.0, tallest):
        y = top + height * (1 - value / tallest)
        lines.append(f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end" fill="currentColor">{value:.1f} x</text>')
    places = [left + width * number / max(1, len(rows) - 1) for number in range(len(rows))]
    for x, row in zip(places, rows, strict=True):
        label = f"{row.sessions:,}"
        lines.append(
            f'<text x="{x:.0f}" y="{top + height + 20}" text-anchor="middle" fill="currentColor">{label}</text>'
        )
    for number, call in enumerate(rows[0].loads):
        points = " ".join(
            f"{x:.0f},{top + height * (1 - _relative(rows, call, row) / tallest):.0f}"
            for x, row in zip(places, rows, strict=True)
        )
        y = top + 20 + 20 * number
        lines.append(f'<polyline points="{points}" fill="none" stroke="{colours[number]}" stroke-width="2"/>')
        lines.append(f'<text x="560" y="{y}" fill="{colours[number]}">{call}</text>')
    return "\n".join((*lines, "</svg>", ""))


def _relative(rows: list[Row], call: str, row: Row) -> float:
    return rows[0].loads[call].per_second / row.loads[call].per_second


PAGE = """<!-- Written by `python bench/growth.py --write`; change it there. -->

# How calls grow with the sessions in the store

One server on one core, SQLite, 32 connections, every write durable, the quiet time 0, so that each refresh advances and
writes. The refreshes walk over {walked:,} grants spread over the table; a login costs one Argon2id hash. Repeat it with
`make bench ARGS=growth`.

{table}

![Time for an answer by the number of sessions](growth.svg)
"""


def main() -> None:
    """Measure each size, and print a table."""
    check_tools()
    with tempfile.TemporaryDirectory() as folder:
        rows = [measure(Path(folder), count) for count in SIZES]
    print("\n" + table(rows))
    wrong = sum(load.wrong for row in rows for load in row.loads.values())
    if "--write" in sys.argv:
        (REFERENCE / "growth.md").write_text(PAGE.format(walked=WALKED, table=table(rows)))
        (REFERENCE / "growth.svg").write_text(plot(rows))
    if wrong:
        sys.exit(f"error: {wrong} wrong answers\nhint: run it again with the server's log")


if __name__ == "__main__":
    main()
