"""The HTTP edge: heads that are too large, too slow, or no HTTP at all."""

from __future__ import annotations

import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.support.server import running_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.server import RunningServer


@contextmanager
def connection(server: RunningServer) -> Generator[socket.socket]:
    """A bare connection to the server."""
    with socket.create_connection(("localhost", server.settings.port), timeout=20) as connected:
        yield connected


def everything(connected: socket.socket) -> bytes:
    """What the server says until it closes."""
    said = b""
    try:
        while chunk := connected.recv(65_536):
            said += chunk
    except ConnectionResetError:
        pass  # it closed while we still had something to say
    return said


def test_a_head_of_32_kib_is_served(server: RunningServer) -> None:
    """The limit itself is allowed."""
    filler = b"x" * (32_768 - 200)
    with connection(server) as connected:
        connected.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX-Filler: " + filler + b"\r\n\r\n")
        assert everything(connected).startswith(b"HTTP/1.1 200 OK")


@pytest.mark.parametrize("header", [b"X-Filler: " + b"x" * 33_000, b"X-Filler: x\r\n" * 3_000], ids=["one", "many"])
def test_a_head_over_32_kib_is_refused(server: RunningServer, header: bytes) -> None:
    """One long header or many short ones: 431 as a problem, and the connection is closed."""
    with connection(server) as connected:
        connected.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n" + header.rstrip() + b"\r\n\r\n")
        said = everything(connected)
    assert said.startswith(b"HTTP/1.1 431 ")
    assert b'"code":"headers_too_large"' in said
    assert b"x-content-type-options: nosniff" in said


def test_a_head_without_end_is_cut_off(server: RunningServer) -> None:
    """100 MB of one header are not taken in: the server closes long before."""
    sent = 0
    with connection(server) as connected:
        connected.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nX-Filler: ")
        try:
            for _ in range(1_600):
                connected.sendall(b"x" * 65_536)
                sent += 65_536
        except (BrokenPipeError, ConnectionResetError):
            pass
    assert sent < 20_000_000


def test_a_slow_head_is_cut_off(tmp_path: Path) -> None:
    """Half a head and then silence: 408 after `request_seconds`; silence from the start: closed."""
    with (
        running_server(tmp_path, request_seconds=1) as server,
        connection(server) as half,
        connection(server) as silent,
    ):
        half.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nX-Half")
        said = everything(half)
        assert everything(silent) == b""
    assert said.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"request_timeout"' in said


def test_a_slow_body_is_cut_off(tmp_path: Path) -> None:
    """A body that stops half-way: 408 after `request_seconds`."""
    with running_server(tmp_path, request_seconds=1) as server, connection(server) as connected:
        connected.sendall(
            b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"
        )
        said = everything(connected)
    assert said.startswith(b"HTTP/1.1 408 ")


@pytest.mark.parametrize(
    "nonsense",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc",
        b"GET /\x00 HTTP/1.1\r\n\r\n",
    ],
)
def test_what_is_not_http_gets_400(server: RunningServer, nonsense: bytes) -> None:
    """Anything else than HTTP/1.1, TLS to a plain port included: 400 as a problem."""
    with connection(server) as connected:
        connected.sendall(nonsense)
        said = everything(connected)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert b'"code":"malformed_request"' in said


def test_two_lengths_are_refused(server: RunningServer) -> None:
    """Request smuggling: Content-Length twice, or beside Transfer-Encoding, is not HTTP that we take."""
    for headers in (b"Content-Length: 2\r\nContent-Length: 3", b"Content-Length: 2\r\nTransfer-Encoding: chunked"):
        with connection(server) as connected:
            connected.sendall(b"POST /login HTTP/1.1\r\nHost: a\r\n" + headers + b"\r\n\r\n{}")
            assert everything(connected).startswith(b"HTTP/1.1 400 ")


def test_requests_in_a_row_share_a_connection(server: RunningServer) -> None:
    """Pipelined requests, bodies included, are each answered in order."""
    body = b'{"email":"nobody@example.test","password":"x"}'
    post = b"POST /login HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s"
    with connection(server) as connected:
        connected.sendall((post % (len(body), body)) * 3)
        connected.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
        said = everything(connected)
    assert said.count(b"HTTP/1.1 401 ") == 3
    assert said.count(b"HTTP/1.1 200 ") == 1
