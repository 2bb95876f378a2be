"""What it costs to tell a thousand readers of a revocation: the processor time of server, relay and bare `send`.

Events are signed once. The sender is on core 0, and so is the process that only sends; the readers are on core 1.
"""

from __future__ import annotations

import asyncio
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import urlsplit

import httpx

from _load import PERSON, Running, check_tools, end, gatepass, listening, pinned
from streams import cpu_seconds

READERS = 1_000
EVENTS = 200
ROUNDS = 3
GATEPASS = str(Path(sys.executable).with_name("gatepass"))
REQUEST = b"GET /revocations HTTP/1.1\r\nHost: localhost\r\n\r\n"

BARE = """
import socket, sys, time
count, size = map(int, sys.argv[1:])
listener = socket.create_server(("127.0.0.1", 0), backlog=count)
print(listener.getsockname()[1], flush=True)
sockets = [listener.accept()[0] for _ in range(count)]
message = b"x" * (size - 16) + b"event: revoked\\n\\n"
for line in sys.stdin:
    began = time.process_time()
    for each in sockets:
        each.send(message)
    print(time.process_time() - began, flush=True)
"""


class Reader(asyncio.Protocol):
    """Counts what it hears."""

    heard = 0
    octets = 0
    greeted = 0

    def __init__(self, request: bytes) -> None:
        self._request = request

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask for the stream."""
        assert isinstance(transport, asyncio.Transport)
        if self._request:
            transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Count greetings and events; the size of an event that came alone is remembered."""
        Reader.greeted += data.count(b"event: hello")
        if b"event: revoked" in data:
            Reader.heard += data.count(b"event: revoked")
            Reader.octets = len(data)


async def until(heard: int) -> None:
    """Let the readers hear so many events in all."""
    while Reader.heard < heard:  # noqa: ASYNC110 - the readers have better to do than to count each other
        await asyncio.sleep(0.001)


async def connect(port: int, request: bytes) -> list[asyncio.BaseTransport]:
    """Connect every reader."""
    loop = asyncio.get_running_loop()
    return [(await loop.create_connection(lambda: Reader(request), "127.0.0.1", port))[0] for _ in range(READERS)]


async def end_sessions(api: httpx.AsyncClient, pid: int, tokens: list[str], readers: int) -> float:
    """End sessions one after the other, each heard by all; a process's processor time for each, in seconds."""
    began, heard = cpu_seconds(pid), Reader.heard
    for number, token in enumerate(tokens, 1):
        await api.post("/logout", json={"refresh_token": token})
        await until(heard + number * readers)
    return (cpu_seconds(pid) - began) / len(tokens)


async def bare_send() -> float:
    """Send messages of an event's size to as many sockets; the processor time for each message, in seconds."""
    command = ["taskset", "-c", "0", sys.executable, "-c", BARE, str(READERS), str(Reader.octets)]
    with subprocess.Popen(  # noqa: ASYNC220 - nothing else runs meanwhile
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        transports = await connect(int(process.stdout.readline()), b"")
        took = 0.0
        heard = Reader.heard
        for number in range(1, EVENTS + 1):
            process.stdin.write("\n")
            process.stdin.flush()
            took += float(await asyncio.to_thread(process.stdout.readline))
            await until(heard + number * READERS)
        process.stdin.close()
        for transport in transports:
            transport.close()
    return took / EVENTS / READERS


async def measure(server: Running, relay: Running) -> None:
    """Both, in turns with bare sends."""
    async with httpx.AsyncClient(base_url=server.url, timeout=60) as api:
        await api.post("/signup", json=PERSON)
        print(f"{READERS:,} readers, {EVENTS} events a round\n")
        print("| readers of | a message to one reader | a bare send | times |\n|---|---:|---:|---:|")
        for name, source in {"the server": server, "a relay": relay}.items():
            count = EVENTS * (ROUNDS + 1)
            tokens = [(await api.post("/login", json=PERSON)).json()["refresh_token"] for _ in range(count)]
            alone = await end_sessions(api, source.pid, tokens[:EVENTS], 0)
            Reader.greeted = 0
            open_ones = await connect(urlsplit(source.url).port or 80, REQUEST)
            while Reader.greeted < READERS:  # noqa: ASYNC110 - as above
                await asyncio.sleep(0.01)
            for turn in range(1, ROUNDS + 1):
                ended = await end_sessions(api, source.pid, tokens[EVENTS * turn : EVENTS * (turn + 1)], READERS)
                ours, bare = (ended - alone) / READERS, await bare_send()
                print(f"| {name} | {ours * 1e6:.1f} µs | {bare * 1e6:.1f} µs | {ours / bare:.2f} |", flush=True)
            for each in open_ones:
                each.close()


def main() -> None:
    """Run server and relay on core 0 and the readers on core 1."""
    check_tools()
    with tempfile.TemporaryDirectory() as folder, gatepass(Path(folder)) as server:
        relaying = pinned(0, [GATEPASS, "relay", "--issuer", server.url, "--port", "0"])
        try:
            relay = Running(listening(relaying), server.data_dir, relaying.pid)
            os.sched_setaffinity(0, {1})
            _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 8_192), hard))
            asyncio.run(measure(server, relay))
        finally:
            end(relaying)


if __name__ == "__main__":
    main()
