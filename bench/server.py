"""Requests a second of the server on one core, beside a bare ASGI answer of the same size in the same run.

Passwords are hashed at the default cost; the quiet time is 0, so that each refresh advances and is written.
"""

from __future__ import annotations

import base64
import contextlib
import json
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from _load import CYCLE, PERSON, POST, ROTATE, Load, check_tools, end, gatepass, listening, pinned, wrk

if TYPE_CHECKING:
    from collections.abc import Generator

    from _load import Running

CHAINS = 64
SEEN, UNSEEN = 10_000, 40_000

BARE = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"SIZE")]})
    await send({"type": "http.response.body", "body": b"x" * SIZE})
"""


class Row(NamedTuple):
    """One line of the table."""

    name: str
    size: int
    load: Load


@contextlib.contextmanager
def bare(size: int, folder: Path) -> Generator[str]:
    """Run a bare ASGI application that answers with `size` bytes; its URL."""
    (folder / "bare.py").write_text(BARE.replace("SIZE", str(size)))
    options = ["--port", "0", "--no-access-log", "--lifespan", "off", "--no-server-header"]
    process = pinned(0, [sys.executable, "-m", "uvicorn", "--app-dir", str(folder), "bare:app", *options])
    try:
        yield listening(process)
    finally:
        end(process)


def access_tokens(server: Running, count: int, file: Path) -> None:
    """Write many access tokens of one session: within the quiet time each refresh gives another."""
    with server.client() as api:
        token = api.post("/login", json=PERSON).json()["refresh_token"]
        with file.open("w") as out:
            for _ in range(count):
                out.write(api.post("/refresh", json={"refresh_token": token}).json()["token"] + "\n")


def verified(folder: Path) -> list[Row]:
    """What needs a token verified: `/me` and introspection, of tokens seen before and of tokens never seen."""
    rows: list[Row] = []
    tokens, seen = folder / "unseen", folder / "seen"
    data_dir = folder / "verified"
    with gatepass(data_dir) as server, server.client() as api:
        api.post("/signup", json=PERSON)
        credentials = server.register()
        access_tokens(server, UNSEEN, tokens)
        seen.write_text("".join(tokens.read_text().splitlines(keepends=True)[:SEEN]))
        issuer = server.url
    basic = "Basic " + base64.b64encode(":".join(credentials).encode()).decode()
    for name, path, form, expect in [
        ("GET /me", "/me", "", PERSON["email"]),
        ("POST /oauth/introspect", "/oauth/introspect", "token=@", '"active":true'),
    ]:
        given = {"EXPECT": expect, "BASIC": basic} | ({"FORM": form} if form else {})
        for kind, file, warm_up in [("never seen", tokens, False), ("seen before", seen, True)]:
            # A server of its own, which has seen nothing; same issuer, same keys, same data.
            with gatepass(data_dir, issuer=issuer) as server:
                given["TOKENS"] = str(file)
                load = wrk(server.url + path, folder, script=CYCLE, warm_up=False, seconds=3, environment=given)
                if warm_up:
                    load = wrk(server.url + path, folder, script=CYCLE, warm_up=False, environment=given)
                rows.append(Row(f"{name}, {kind}", 0, load))
    return rows


def measure(folder: Path) -> list[Row]:
    """Measure every call."""
    rows: list[Row] = []
    with gatepass(folder / "data", refresh_quiet_seconds=0) as server, server.client() as api:
        url = server.url
        api.post("/signup", json=PERSON)
        pair = api.post("/login", json=PERSON)
        tokens = folder / "tokens"
        tokens.write_text("\n".join(api.post("/login", json=PERSON).json()["refresh_token"] for _ in range(CHAINS)))
        jwks = api.get("/.well-known/jwks.json")
        credentials = base64.b64encode(":".join(server.register()).encode()).decode()
        client = (f"Authorization: Basic {credentials}",)
        form = {"BODY": "grant_type=client_credentials", "TYPE": "application/x-www-form-urlencoded"}
        size = len(pair.content)
        rows += [
            Row("GET /.well-known/jwks.json", len(jwks.content), wrk(f"{url}/.well-known/jwks.json", folder)),
            Row(
                "POST /refresh, durable",
                size,
                wrk(url, folder, script=ROTATE, warm_up=False, environment={"TOKENS": str(tokens)}),
            ),
            Row(
                "POST /oauth/token, client_credentials",
                size,
                wrk(f"{url}/oauth/token", folder, script=POST, headers=client, environment=form),
            ),
            Row(
                "POST /login, Argon2id",
                size,
                wrk(f"{url}/login", folder, script=POST, environment={"BODY": json.dumps(PERSON)}),
            ),
        ]
        rows.append(Row(f"memory after all that: {server.rss_mb():.0f} MB", 0, Load(0, 0, 0, 0)))
    return rows


def bare_hash_seconds() -> float:
    """What one Argon2id hash costs at the default cost, alone on core 0: the limit of `/login`."""
    code = """
        import time, argon2
        hasher = argon2.PasswordHasher(time_cost=2, memory_cost=19456, parallelism=1)
        known = hasher.hash("x" * 20)
        begin = time.perf_counter()
        for _ in range(40):
            hasher.verify(known, "x" * 20)
        print((time.perf_counter() - begin) / 40)
    """
    said, _ = pinned(0, [sys.executable, "-c", textwrap.dedent(code)]).communicate()
    return float(said)


def main() -> None:
    """Measure, and print a table."""
    check_tools()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        *calls, memory = measure(folder)
        rows = [*calls[:-1], *verified(folder), calls[-1]]
        limits = {row.size: 0.0 for row in rows if row.size}
        for size in limits:
            with bare(size, folder) as url:
                limits[size] = wrk(url, folder).per_second
    hash_seconds = bare_hash_seconds()
    print("\nThe server on one core, 32 connections\n")
    print("| call | answers/s | p50 | p99 | wrong | bare ASGI of that size |")
    print("|---|---:|---:|---:|---:|---:|")
    for row in rows:
        load, limit = row.load, limits.get(row.size)
        beside = f"{limit:,.0f}/s: {load.per_second / limit:.0%}" if limit else ""
        timing = f"{load.p50_ms:.1f} ms | {load.p99_ms:.1f} ms"
        print(f"| {row.name} | {load.per_second:,.0f} | {timing} | {load.wrong} | {beside} |")
    share = rows[-1].load.per_second * hash_seconds
    print(f"\nOne hash takes {hash_seconds * 1000:.1f} ms alone: /login reaches {share:.0%} of the bare rate.")
    print(memory.name)


if __name__ == "__main__":
    main()
