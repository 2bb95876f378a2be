"""Slowloris: a request that is never quite finished, kept alive by an octet at times, so that connections run out."""

from __future__ import annotations

import socket
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.stories.test_edge import connection, everything
from tests.support.server import running_server
from tests.support.wait import eventually

from gatepass.server.web import edge

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.server import RunningServer

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
