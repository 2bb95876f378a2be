"""Slowloris: a request that is never quite finished, kept alive by an octet at times, so that connections run out."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from tests.stories.test_edge import connection, everything
from tests.support.server import running_server
from tests.support.tls import self_signed
from tests.support.wait import eventually

from gatepass.server.store.sqlite import SqliteDatabase
from gatepass.server.web import edge

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.server import RunningServer
    from uvicorn import Server

    from gatepass.server.domain.ports import Condition

POST = b"POST %s HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
CHUNKED = b"Transfer-Encoding: chunked\r\n\r\n"


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server that gives a head a second, and a body another."""
    data: Path = tmp_path_factory.mktemp("data")
    with running_server(data, request_seconds=1) as running:
        yield running


DROPS = {
    "head": (b"GET /health HTTP/1.1\r\nHost: a\r\n", b"X: a\r\n"),
    "blank lines": (b"", b"\r\n"),
    "blank lines after an answer": (b"GET /health HTTP/1.1\r\nHost: a\r\n\r\n", b"\r\n"),
    "second head": (
        b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n",
        b"X: a\r\n",
    ),
    "body": (POST % b"/login" + b"Content-Length: 60000\r\n\r\n", b" "),
    "chunks": (POST % b"/login" + CHUNKED, b"1\r\n \r\n"),
    "chunk extension": (POST % b"/login" + CHUNKED + b"1;x=", b"x"),
    "trailer": (POST % b"/login" + CHUNKED + b"2\r\n{}\r\n0\r\n", b"X: a\r\n"),
    "body that nobody waits for": (POST % b"/nowhere" + b"Content-Length: 60000\r\n\r\n", b" "),
    "trailer that nobody waits for": (POST % b"/nowhere" + CHUNKED + b"0\r\n", b"X: a\r\n"),
}
"""How a request begins, and what then comes of it, drop by drop."""


def test_drops_do_not_keep_a_connection(impatient: RunningServer) -> None:
    """However often a drop comes, the time of the whole counts: the server closes every such connection."""
    with ThreadPoolExecutor(len(DROPS)) as clients:
        closed = clients.map(lambda name: is_closed(impatient, *DROPS[name]), DROPS)
        assert {name for name, is_over in zip(DROPS, closed, strict=True) if not is_over} == set()


def is_closed(server: RunningServer, beginning: bytes, drop: bytes) -> bool:
    """Send drop after drop; whether the server closes the connection."""
    began = time.monotonic()
    with connection(server) as connected:
        connected.sendall(beginning)
        connected.settimeout(0.1)
        while time.monotonic() - began < 15:
            try:
                connected.sendall(drop)
                if connected.recv(65_536) == b"":
                    return True
            except TimeoutError:
                continue
            except (BrokenPipeError, ConnectionResetError):
                return True
    return False


@pytest.mark.parametrize("more", [b"X: a\r\n", b"X: " + b"a" * 40_000], ids=["slow", "large"])
def test_a_refusal_is_not_written_into_a_stream(impatient: RunningServer, more: bytes) -> None:
    """A second request that is refused while a stream is being answered ends the connection, and says nothing."""
    with connection(impatient) as connected:
        connected.sendall(b"GET /revocations HTTP/1.1\r\nHost: a\r\n\r\n")
        begun = connected.recv(65_536)
        assert begun.startswith(b"HTTP/1.1 200")
        connected.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n" + more)
        said = begun + everything(connected)
    assert said.count(b"HTTP/1.1 ") == 1
    assert b"event: hello" in said


def test_a_refusal_does_not_pass_for_the_answer_to_an_earlier_request(
    impatient: RunningServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A second head, slow or large, that comes while the first request waits: the connection is closed unsaid."""
    loops, released, real = list[asyncio.AbstractEventLoop](), asyncio.Event(), SqliteDatabase.condition

    async def wait(database: SqliteDatabase) -> Condition:
        loops.append(asyncio.get_running_loop())
        await released.wait()
        return await real(database)

    monkeypatch.setattr(SqliteDatabase, "condition", wait)
    heads = b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\nGET /health HTTP/1.1\r\nHost: a\r\n"
    with connection(impatient) as slow, connection(impatient) as large:
        slow.sendall(heads)
        large.sendall(heads + b"X: " + b"a" * 40_000)
        assert (everything(slow), everything(large)) == (b"", b"")
    loops[0].call_soon_threadsafe(released.set)


def test_a_connection_that_waits_for_its_client_does_not_end_the_watch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By TLS a refused connection is open until its client closes it too: others that are slow are still cut off."""
    monkeypatch.setattr(edge, "_SWEEP_SECONDS", 0.02)
    certificate, key = self_signed(tmp_path)
    context = ssl.create_default_context(cafile=certificate)
    with running_server(tmp_path, request_seconds=1, tls_cert=certificate, tls_key=key) as server, ExitStack() as stack:

        def connect() -> ssl.SSLSocket:
            raw = stack.enter_context(connection(server))
            return stack.enter_context(context.wrap_socket(raw, server_hostname="localhost"))

        refused = connect()
        refused.sendall(b"GET /health HTTP/1.1\r\n\r\n")  # without a Host
        assert refused.recv(65_536).startswith(b"HTTP/1.1 400 ")
        for _ in range(2):  # the second one begins when the first one was looked at too
            slow = connect()
            slow.sendall(b"GET /health HTTP/1.1\r\n")
            assert slow.recv(65_536).startswith(b"HTTP/1.1 408 ")


class Broken:
    """A connection that cannot be looked at."""

    def __init__(self, others: set[Any]) -> None:
        self.transport, self._others = self, others

    def refuse_if_slow(self, _seconds: float) -> None:
        """Fail."""
        raise LookupError("of ours")

    def abort(self) -> None:
        """Go."""
        self._others.remove(self)


class Fine:
    """A connection that is looked at."""

    def __init__(self) -> None:
        self.looks, self.twice = 0, asyncio.Event()

    def refuse_if_slow(self, _seconds: float) -> None:
        """Count."""
        self.looks += 1

    def abort_if_unread(self) -> None:
        """Tell."""
        if self.looks == 2:
            self.twice.set()


def test_one_connection_that_fails_does_not_end_the_watch(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """It is aborted, and its defect is logged once; all others are looked at, and again."""
    monkeypatch.setattr(edge, "_SWEEP_SECONDS", 0)
    connections = set[Any]()
    connections.update([fine := Fine(), *(Broken(connections) for _ in range(2)), other := Fine()])
    state = SimpleNamespace(server_state=SimpleNamespace(connections=connections))

    async def watch() -> None:
        watching = asyncio.create_task(edge.sweep_slow_requests(cast("Server", state), 1))
        async with asyncio.timeout(20):
            await asyncio.gather(fine.twice.wait(), other.twice.wait())
        watching.cancel()

    asyncio.run(watch())
    assert connections == {fine, other}
    assert capsys.readouterr().out.count("LookupError: of ours") == 2


@pytest.mark.parametrize("close", [b"", b"Connection: close\r\n"], ids=["kept alive", "closing"])
def test_answers_that_nobody_reads_do_not_keep_a_connection(
    impatient: RunningServer, monkeypatch: pytest.MonkeyPatch, close: bytes
) -> None:
    """The other way round: a client that asks and does not read is cut off."""
    monkeypatch.setattr(edge, "UNREAD_SECONDS", 1)
    with socket.socket(socket.AF_INET) as connected:
        connected.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1)
        connected.connect(("127.0.0.1", impatient.settings.port))
        request = b"GET /openapi.json HTTP/1.1\r\nHost: a\r\n"
        connected.sendall((request + b"\r\n") * 300 + request + close + b"\r\n")

        def is_cut_off() -> bool:
            try:
                connected.sendall(b"\r\n")
            except (BrokenPipeError, ConnectionResetError):
                return True
            return False

        eventually(is_cut_off)
