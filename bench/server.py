"""Requests a second of the server on one core, beside a bare ASGI answer of the same size in the same run.

The server has core 0, the load (`wrk`, from the Debian package of that name) core 1. TLS is off; every write is durable
(`synchronous=FULL`); passwords are hashed at the default cost; the quiet time is 0, so that each refresh advances.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx

if TYPE_CHECKING:
    from collections.abc import Generator

SECONDS = 5
CONNECTIONS = 32
CHAINS = 64
PERSON = {"email": "bench@example.test", "password": "correct horse battery"}

# A pool of refresh tokens: each request spends one, each answer gives the next.
ROTATE = """
pool, head, tail, bad = {}, 1, 0, 0
for token in io.lines(os.getenv("TOKENS")) do tail = tail + 1; pool[tail] = token end
local threads = {}
function setup(thread) table.insert(threads, thread) end
function request()
  local token = pool[head] or "none"
  pool[head] = nil; head = head + 1
  return wrk.format("POST", "/refresh", {["Content-Type"] = "application/json"}, '{"refresh_token":"' .. token .. '"}')
end
function response(status, headers, body)
  local token = body:match('"refresh_token":"([^"]+)"')
  if status == 200 and token then tail = tail + 1; pool[tail] = token else bad = bad + 1 end
end
function done() for _, thread in ipairs(threads) do print("bad " .. thread:get("bad")) end end
"""

POST = """
wrk.method = "POST"
wrk.body = os.getenv("BODY")
wrk.headers["Content-Type"] = "application/json"
"""

BARE = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"SIZE")]})
    await send({"type": "http.response.body", "body": b"x" * SIZE})
"""


class Load(NamedTuple):
    """What one run of wrk found: answers a second, the 99th percentile in milliseconds, wrong answers."""

    per_second: float
    p99_ms: float
    wrong: int


class Row(NamedTuple):
    """One line of the table."""

    name: str
    size: int
    load: Load
    bare: Load


def pinned(core: int, command: list[str], environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a program on one core."""
    return subprocess.Popen(
        ["taskset", "-c", str(core), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )


@contextlib.contextmanager
def gatepass(data_dir: Path) -> Generator[str]:
    """Run our server; its URL."""
    program = str(Path(sys.executable).with_name("gatepass"))
    settings = {"GATEPASS_REFRESH_QUIET_SECONDS": "0"}
    process = pinned(0, [program, "serve", "--port", "0", "--data-dir", str(data_dir)], settings)
    try:
        yield listening(process)
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def bare(size: int, folder: Path) -> Generator[str]:
    """Run a bare ASGI application that answers with `size` bytes; its URL."""
    (folder / "bare.py").write_text(BARE.replace("SIZE", str(size)))
    options = ["--port", "0", "--no-access-log", "--lifespan", "off", "--no-server-header"]
    process = pinned(0, [sys.executable, "-m", "uvicorn", "--app-dir", str(folder), "bare:app", *options])
    try:
        yield listening(process)
    finally:
        process.terminate()
        process.wait()


def listening(process: subprocess.Popen[str]) -> str:
    """Wait for the URL that a server prints."""
    assert process.stderr is not None
    for line in process.stderr:
        found = re.search(r"http://[\w.]+:\d+", line)
        if found:
            return found[0].replace("localhost", "127.0.0.1")
    raise SystemExit("the server did not start")


def wrk(url: str, folder: Path, *, script: str = "", headers: tuple[str, ...] = (), **environment: str) -> Load:
    """Load a URL from core 1, after a warm-up of a second."""
    (folder / "load.lua").write_text(script)
    command = ["wrk", "--latency", "-t1", f"-c{CONNECTIONS}", "-s", str(folder / "load.lua")]
    for header in headers:
        command += ["-H", header]
    if "TOKENS" not in environment:
        pinned(1, [*command, "-d1s", url], environment).communicate()
    said, complaints = pinned(1, [*command, f"-d{SECONDS}s", url], environment).communicate()
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", said)
    if rate is None or p99 is None:
        raise SystemExit(f"wrk failed: {said}{complaints}")
    wrong = sum(int(count) for count in re.findall(r"(?:bad |Non-2xx or 3xx responses: )(\d+)", said))
    return Load(float(rate[1]), float(p99[1]) * {"us": 0.001, "ms": 1, "s": 1000}[p99[2]], wrong)


def measure(folder: Path) -> list[Row]:
    """Measure every call."""
    found: list[tuple[str, int, Load]] = []
    with gatepass(folder / "data") as url, httpx.Client(base_url=url) as api:
        api.post("/signup", json=PERSON)
        pair = api.post("/login", json=PERSON)
        bearer = f"Authorization: Bearer {pair.json()['token']}"
        tokens = folder / "tokens"
        tokens.write_text("\n".join(api.post("/login", json=PERSON).json()["refresh_token"] for _ in range(CHAINS)))
        me = api.get("/me", headers={"authorization": bearer.partition(": ")[2]})
        jwks = api.get("/.well-known/jwks.json")
        login = wrk(f"{url}/login", folder, script=POST, BODY=json.dumps(PERSON))
        found += [
            ("GET /.well-known/jwks.json", len(jwks.content), wrk(f"{url}/.well-known/jwks.json", folder)),
            ("GET /me (token seen before)", len(me.content), wrk(f"{url}/me", folder, headers=(bearer,))),
            ("POST /refresh (durable)", len(pair.content), wrk(url, folder, script=ROTATE, TOKENS=str(tokens))),
            ("POST /login (Argon2id)", len(pair.content), login),
        ]
    rows: list[Row] = []
    for name, size, load in found:
        with bare(size, folder) as url:
            rows.append(Row(name, size, load, wrk(url, folder)))
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
    if not shutil.which("wrk") or not shutil.which("taskset"):
        sys.exit("error: the load comes from wrk\nhint: apt-get install wrk util-linux")
    with tempfile.TemporaryDirectory() as name:
        rows = measure(Path(name))
    hash_seconds = bare_hash_seconds()
    print(f"\nThe server on one core, {CONNECTIONS} connections, {SECONDS} s each\n")
    print("| call | answers/s | p99 | wrong | bare ASGI of that size | share |")
    print("|---|---:|---:|---:|---:|---:|")
    for row in rows:
        load = row.load
        share = load.per_second / row.bare.per_second
        print(
            f"| {row.name} | {load.per_second:,.0f} | {load.p99_ms:.1f} ms | {load.wrong} "
            f"| {row.bare.per_second:,.0f}/s of {row.size} bytes | {share:.0%} |"
        )
    share = rows[-1].load.per_second * hash_seconds
    print(f"\nOne hash takes {hash_seconds * 1000:.1f} ms alone: /login reaches {share:.0%} of the bare rate.")


if __name__ == "__main__":
    main()
