"""Servers on core 0 and loads on core 1, for the measurements of whole servers.

The load is `wrk`, from the Debian package of that name. TLS is off, and every write is durable (`synchronous=FULL`).
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import httpx

if TYPE_CHECKING:
    from collections.abc import Generator, Sequence

SECONDS = 5
CONNECTIONS = 32
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

# Every request with the next of many tokens, in its header or in a form, and a look at the answer.
CYCLE = """
local tokens, count, at, form, expect = {}, 0, 0, os.getenv("FORM"), os.getenv("EXPECT")
for token in io.lines(os.getenv("TOKENS")) do count = count + 1; tokens[count] = token end
bad = 0
local threads = {}
function setup(thread) table.insert(threads, thread) end
function request()
  at = at % count + 1
  if form then
    local headers = {["Content-Type"] = "application/x-www-form-urlencoded", ["Authorization"] = os.getenv("BASIC")}
    return wrk.format("POST", nil, headers, (form:gsub("@", tokens[at])))
  end
  return wrk.format("GET", nil, {["Authorization"] = "Bearer " .. tokens[at]})
end
function response(status, headers, body)
  if status ~= 200 or not body:find(expect, 1, true) then bad = bad + 1 end
end
function done() for _, thread in ipairs(threads) do print("bad " .. thread:get("bad")) end end
"""

POST = """
wrk.method = "POST"
wrk.body = os.getenv("BODY")
wrk.headers["Content-Type"] = os.getenv("TYPE") or "application/json"
"""


class Load(NamedTuple):
    """What one run of wrk found: answers a second, the median and 99th percentile in milliseconds, wrong answers."""

    per_second: float
    p50_ms: float
    p99_ms: float
    wrong: int


class Running(NamedTuple):
    """A server of ours: where it listens, where its data is, and its process id."""

    url: str
    data_dir: Path
    pid: int

    def rss_mb(self) -> float:
        """The memory that it holds, in MB."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(re.search(r"VmRSS:\s+(\d+)", status)[1]) / 1024  # type: ignore[index] # Linux has the line

    def client(self) -> httpx.Client:
        """A client of it."""
        return httpx.Client(base_url=self.url, timeout=60)

    def command(self, *words: str) -> str:
        """Run `gatepass …` on its data; what it prints."""
        program = str(Path(sys.executable).with_name("gatepass"))
        done = subprocess.run(
            [program, *words, "--data-dir", str(self.data_dir)], capture_output=True, text=True, check=True
        )
        return done.stdout

    def register(self, *words: str) -> tuple[str, str]:
        """Add an OAuth client; id and secret."""
        answer = json.loads(self.command("client", "add", "bench", *words, "--json"))
        return answer["client_id"], answer["client_secret"]


def pinned(core: int, command: Sequence[str], environment: dict[str, str] | None = None) -> subprocess.Popen[str]:
    """Start a program on one core."""
    return subprocess.Popen(
        ["taskset", "-c", str(core), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **(environment or {})},
    )


@contextlib.contextmanager
def gatepass(data_dir: Path, *, core: int = 0, **settings: object) -> Generator[Running]:
    """Run our server on one core."""
    program = str(Path(sys.executable).with_name("gatepass"))
    environment = {f"GATEPASS_{name.upper()}": str(value) for name, value in settings.items()}
    process = pinned(core, [program, "serve", "--port", "0", "--data-dir", str(data_dir)], environment)
    try:
        yield Running(listening(process), data_dir, process.pid)
    finally:
        end(process)


def end(process: subprocess.Popen[str]) -> None:
    """Stop a program and wait for it."""
    process.send_signal(signal.SIGTERM)
    process.communicate()


def listening(process: subprocess.Popen[str]) -> str:
    """Wait for the URL that a server prints."""
    assert process.stderr is not None
    said = ""
    for line in process.stderr:
        said += line
        found = re.search(r"http://[\w.]+:\d+", line)
        if found:
            return found[0].replace("127.0.0.1", "localhost")
    raise SystemExit(f"the server did not start: {said}")


def wrk(  # noqa: PLR0913 - a load is made of these
    url: str,
    folder: Path,
    *,
    script: str = "",
    headers: tuple[str, ...] = (),
    warm_up: bool = True,
    seconds: int = SECONDS,
    connections: int = CONNECTIONS,
    environment: dict[str, str] | None = None,
) -> Load:
    """Load a URL from core 1, after a warm-up of a second."""
    (folder / "load.lua").write_text(script)
    command = ["wrk", "--latency", "-t1", f"-c{connections}", "-s", str(folder / "load.lua")]
    for header in headers:
        command += ["-H", header]
    if warm_up:
        pinned(1, [*command, "-d1s", url], environment).communicate()
    said, complaints = pinned(1, [*command, f"-d{seconds}s", url], environment).communicate()
    rate = re.search(r"Requests/sec:\s+([\d.]+)", said)
    if rate is None:
        raise SystemExit(f"wrk failed: {said}{complaints}")
    wrong = sum(int(count) for count in re.findall(r"(?:bad |Non-2xx or 3xx responses: )(\d+)", said))
    return Load(float(rate[1]), _percentile(said, 50), _percentile(said, 99), wrong)


def _percentile(said: str, percent: int) -> float:
    found = re.search(rf"{percent}%\s+([\d.]+)(us|ms|s)", said)
    return float(found[1]) * {"us": 0.001, "ms": 1, "s": 1000}[found[2]] if found else float("nan")


def check_tools() -> None:
    """End with a hint when the load cannot be made."""
    if not shutil.which("wrk") or not shutil.which("taskset"):
        sys.exit("error: the load comes from wrk\nhint: apt-get install wrk util-linux")
