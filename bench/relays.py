"""From a revocation to the refusal, by follower and by how many streams the last of three relays has beside it.

Timed from the answer to `POST /logout` to the first refusal at each follower, and until each of the other readers has
heard of it. The server and its relays are on core 0; the followers and the other readers are on core 1. With `--write`
the plot goes to docs/latency.svg.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import math
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import urlsplit

from _load import PERSON, check_tools, end, gatepass, listening, pinned
from gatepass.jose import JoseError
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from _load import Running

ROOT = Path(__file__).parents[1]
GATEPASS = str(Path(sys.executable).with_name("gatepass"))
LOADS: tuple[int, ...] = tuple(json.loads(os.environ.get("LOADS", "[1, 100, 1000, 10000]")))
ROUNDS = int(os.environ.get("ROUNDS", "100"))
LEVELS = 3
POLL_SECONDS = 0.002
READERS = "each of the other readers"

# Opens streams, and at the end of its input says when each event was heard by each reader.
LOAD = """
import asyncio, json, sys, time

class Reader(asyncio.Protocol):
    greeted, heard = 0, []

    def connection_made(self, transport):
        self.count = 0
        transport.write(b"GET /revocations HTTP/1.1\\r\\nHost: localhost\\r\\n\\r\\n")

    def data_received(self, data):
        now = time.monotonic()
        Reader.greeted += data.count(b"event: hello")
        for _ in range(data.count(b"event: revoked")):
            if self.count == len(Reader.heard):
                Reader.heard.append([])
            Reader.heard[self.count].append(now)
            self.count += 1

async def main():
    loop, count, port = asyncio.get_running_loop(), int(sys.argv[1]), int(sys.argv[2])
    kept = [(await loop.create_connection(Reader, "127.0.0.1", port))[0] for _ in range(count)]
    while Reader.greeted < count:
        await asyncio.sleep(0.01)
    print("ready", flush=True)
    began = json.loads(await asyncio.to_thread(sys.stdin.readline))
    while len(Reader.heard) < len(began) or any(len(times) < count for times in Reader.heard):
        await asyncio.sleep(0.01)
    print(json.dumps([heard - at for at, times in zip(began, Reader.heard) for heard in times]), flush=True)

asyncio.run(main())
"""


class Latency(NamedTuple):
    """How long refusals took, in milliseconds."""

    refusals: int
    p50: float
    p99: float
    longest: float

    @classmethod
    def of(cls, took: list[float]) -> Latency:
        """Sum up times in seconds."""
        spread = statistics.quantiles([max(0.0, each) * 1000 for each in took], n=100, method="inclusive")
        return cls(len(took), spread[49], spread[98], max(took) * 1000)


def relays(issuer: str, stack: contextlib.ExitStack) -> list[str]:
    """Three, each of which follows the one before; their URLs."""
    urls: list[str] = []
    for _ in range(LEVELS):
        upstream = ["--upstream", urls[-1]] if urls else []
        process = pinned(0, [GATEPASS, "relay", "--issuer", issuer, "--port", "0", *upstream])
        stack.callback(end, process)
        urls.append(listening(process).replace("localhost", "127.0.0.1"))
    return urls


def followers(issuer: str, relay: str, stack: contextlib.ExitStack) -> dict[str, Callable[[str], bool]]:
    """Each, as whether it takes a token."""
    found: dict[str, Callable[[str], bool]] = {}
    for name, through in (("Python, from the server", []), ("Python, through relays", [relay])):
        verifier = stack.enter_context(Verifier(issuer=issuer, audience=issuer, relays=through))
        verifier.start()
        found[name] = lambda token, verifier=verifier: _takes(verifier, token)  # type: ignore[misc]
    command = [GATEPASS, "guard", "--issuer", issuer, "--audience", issuer, "--relay", relay, "--port", "0"]
    guard = pinned(1, command)
    stack.callback(end, guard)
    found["guard, through relays"] = _asked(listening(guard))
    node = shutil.which("node")
    if node is not None:
        script = ROOT / "tests" / "verify" / "javascript" / "api.mjs"
        api = pinned(1, [node, str(script), issuer, issuer])
        stack.callback(end, api)
        assert api.stdout is not None
        found["Node.js, from the server"] = _asked(json.loads(api.stdout.readline())["plain"])
    return found


def _takes(verifier: Verifier, token: str) -> bool:
    try:
        verifier.verify(token)
    except JoseError:
        return False
    return True


def _asked(url: str) -> Callable[[str], bool]:
    where = urlsplit(url)
    connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)

    def takes(token: str) -> bool:
        connection.request("GET", "/me", headers={"authorization": f"Bearer {token}"})
        answer = connection.getresponse()
        answer.read()
        return answer.status == http.client.OK

    return takes


@contextlib.contextmanager
def other_readers(count: int, relay: str) -> Generator[subprocess.Popen[str]]:
    """So many streams at a relay, in a process of their own."""
    command = ["taskset", "-c", "1", sys.executable, "-c", LOAD, str(count), str(urlsplit(relay).port)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def measure(server: Running, relay: str, takes: dict[str, Callable[[str], bool]], load: int) -> dict[str, Latency]:
    """End sessions one after the other, beside so many streams."""
    took: dict[str, list[float]] = {name: [] for name in takes}
    began: list[float] = []
    with server.client() as api, other_readers(load, relay) as readers:
        for _ in range(ROUNDS):
            pair = api.post("/login", json=PERSON).json()
            for name, take in takes.items():
                assert take(pair["token"]), name
            started: list[float] = []
            threads = [
                threading.Thread(target=_until_refused, args=(take, pair["token"], took[name], started))
                for name, take in takes.items()
            ]
            for thread in threads:
                thread.start()
            api.post("/logout", json={"refresh_token": pair["refresh_token"]})
            started.append(time.monotonic())
            began.append(started[0])
            for thread in threads:
                thread.join()
        assert readers.stdin is not None
        assert readers.stdout is not None
        readers.stdin.write(json.dumps(began) + "\n")
        readers.stdin.flush()
        took[READERS] = json.loads(readers.stdout.readline())
    return {name: Latency.of(some) for name, some in took.items()}


def _until_refused(take: Callable[[str], bool], token: str, took: list[float], started: list[float]) -> None:
    while take(token):
        time.sleep(POLL_SECONDS)
    refused = time.monotonic()
    while not started:
        time.sleep(0.0001)
    took.append(refused - started[0])


def table(rows: dict[int, dict[str, Latency]]) -> str:
    """The median, 99th percentile and longest of each follower, by load."""
    names = list(next(iter(rows.values())))
    lines = ["| streams beside it | " + " | ".join(names) + " |", "|---:" * (len(names) + 1) + "|"]
    for load, found in rows.items():
        cells = [f"{each.p50:,.0f} · {each.p99:,.0f} · {each.longest:,.0f} ms" for each in found.values()]
        lines.append(f"| {load:,} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def plot(rows: dict[int, dict[str, Latency]]) -> str:
    """Milliseconds on a logarithmic scale by load: a bar from the median to the longest, with a tick at the 99th."""
    left, top, width, height = 60, 20, 520, 260
    colours = ("#1a7f5a", "#2563eb", "#b45309", "#9333ea", "#dc2626")
    most = max(each.longest for found in rows.values() for each in found.values())
    decades = len(f"{most:.0f}")

    def y(value: float) -> float:
        return top + height * (1 - math.log10(max(1.0, value)) / decades)

    lines = [
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 820 330" font-family="sans-serif" font-size="13">',
        "<title>Time from a revocation to the refusal, by streams at the last of three relays</title>",
        f'<path d="M{left} {top}V{top + height}H{left + width}" fill="none" stroke="currentColor"/>',
    ]
    for decade in range(decades + 1):
        at = y(10**decade)
        lines.append(
            f'<text x="{left - 8}" y="{at + 4:.0f}" text-anchor="end" fill="currentColor">{10**decade:,}</text>'
        )
        lines.append(f'<path d="M{left} {at:.0f}h{width}" stroke="currentColor" stroke-opacity="0.15"/>')
    lines.append(f'<text x="{left - 8}" y="12" text-anchor="end" fill="currentColor">ms</text>')
    step = width / len(rows)
    for column, (load, found) in enumerate(rows.items()):
        middle = left + step * (column + 0.5)
        lines.append(
            f'<text x="{middle:.0f}" y="{top + height + 20}" text-anchor="middle" fill="currentColor">{load:,}</text>'
        )
        for number, each in enumerate(found.values()):
            x, colour = middle + 16 * (number - (len(found) - 1) / 2), colours[number]
            lines.append(
                f'<path d="M{x:.0f} {y(each.p50):.1f}V{y(each.longest):.1f}" stroke="{colour}" stroke-width="2"/>'
                f'<circle cx="{x:.0f}" cy="{y(each.p50):.1f}" r="4" fill="{colour}"/>'
                f'<path d="M{x - 5:.0f} {y(each.p99):.1f}h10" stroke="{colour}" stroke-width="2"/>'
            )
    for number, name in enumerate(next(iter(rows.values()))):
        lines.append(f'<text x="600" y="{top + 20 + 20 * number}" fill="{colours[number]}">{name}</text>')
    lines.append('<text x="600" y="190" fill="currentColor">dot: median; tick: p99;</text>')
    lines.append('<text x="600" y="208" fill="currentColor">end of the line: longest</text>')
    lines.append('<text x="600" y="300" fill="currentColor">streams at the relay</text>')
    return "\n".join((*lines, "</svg>", ""))


def main() -> None:
    """Measure each load, and print a table."""
    check_tools()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    os.sched_setaffinity(0, {1})
    settings = {"argon2_memory_kib": 8, "argon2_passes": 1, "attempts_per_address": 100_000}
    rows: dict[int, dict[str, Latency]] = {}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        server = stack.enter_context(gatepass(folder, **settings))
        with server.client() as api:
            api.post("/signup", json=PERSON)
        last = relays(server.url, stack)[-1]
        takes = followers(server.url, last, stack)
        for load in LOADS:
            rows[load] = measure(server, last, takes, load)
            print(load, {name: tuple(round(part) for part in each) for name, each in rows[load].items()}, flush=True)
    print("\n" + table(rows))
    if "--write" in sys.argv:
        (ROOT / "docs" / "latency.svg").write_text(plot(rows))


if __name__ == "__main__":
    main()
