"""Answers that are there whole go to the connection at once, and what is odd about one goes the long way."""

from __future__ import annotations

import logging
import socket
import threading
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import pytest
import uvicorn
from starlette.responses import Response, StreamingResponse
from tests.support.ports import free_port
from tests.support.wait import eventually

from gatepass.server.web import edge
from gatepass.server.web.connections import Connections
from gatepass.server.web.sending import send_answer

if TYPE_CHECKING:
    from collections.abc import Generator

    from starlette.types import Receive, Scope, Send


ODD = {"/line": "/\r\nset-cookie: a=b", "/zero": "/\0", "/bell": "/\a", "/vertical": "/\vx: y", "/delete": "/\x7f"}
"""Values with control octets."""


def an_answer(path: str) -> Response:
    """What the application says at a path."""
    match path:
        case _ if path in ODD:
            return Response("x", headers={"location": ODD[path]})
        case "/short":
            return Response("x", headers={"content-length": "2"})
        case "/stream":
            return StreamingResponse(iter(("a", "b")))
        case "/close":
            return Response("bye", headers={"connection": "close"})
        case _:
            return Response(path)


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer, after having read the request."""
    await receive()
    await send_answer(an_answer(scope["path"]), scope, receive, send)


@contextmanager
def listening() -> Generator[int]:
    """The port of our edge before that application."""
    http = partial(edge.EdgeProtocol, room=Connections(100, lambda: None))
    port = free_port()
    config = uvicorn.Config(app, port=port, http=http, lifespan="off", log_config=None, access_log=False)  # type: ignore[arg-type]
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        eventually(lambda: server.started)
        yield port
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture(scope="module")
def port() -> Generator[int]:
    """One of them for all."""
    with listening() as found:
        yield found


def said_to(port: int, *requests: str) -> bytes:
    """All that is said to these requests, sent at once, until the connection is closed."""
    logging.getLogger("uvicorn.access").handlers = []  # pytest's, with which every answer would go the long way
    with socket.create_connection(("127.0.0.1", port), timeout=20) as connected:
        connected.sendall("".join(f"{request} HTTP/1.1\r\nHost: a\r\n\r\n" for request in requests).encode())
        said = b""
        while chunk := connected.recv(65_536):
            said += chunk
    return said


def test_answers_to_requests_sent_together(port: int) -> None:
    """In their order, each with the length of its own body, and none after `Connection: close`."""
    said = said_to(port, "GET /one", "HEAD /two", "GET /stream", "GET /three", "GET /close", "GET /four")
    bodies = [part.partition(b"\r\n\r\n")[2] for part in said.split(b"HTTP/1.1 ")[1:]]
    assert bodies == [b"/one", b"", b"1\r\na\r\n1\r\nb\r\n0\r\n\r\n", b"/three", b"bye"]
    assert [line for line in said.split(b"\r\n") if line.startswith(b"content-length")] == [
        b"content-length: 4", b"content-length: 4", b"content-length: 6", b"content-length: 3"
    ]  # fmt: skip


@pytest.mark.parametrize("path", ODD)
def test_a_header_that_would_be_two(port: int, path: str) -> None:
    """A line break or another control octet in a value (RFC 9110 §5.5): nothing is sent, and it is closed."""
    said = said_to(port, "GET /one", f"GET {path}", "GET /close")
    assert said.endswith(b"\r\n\r\n/one")


def test_a_body_that_is_shorter_than_it_says(port: int) -> None:
    """The connection is closed, so that the next answer does not pass for its end."""
    said = said_to(port, "GET /short", "GET /one")
    assert said.endswith(b"\r\n\r\nx")


def test_most_answers_take_the_short_way(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that the tests above are about it."""
    whole: list[bool] = []
    real = edge.answer_whole

    def noted(*given: Any) -> bool:  # noqa: ANN401 - as the real one
        whole.append(real(*given))
        return whole[-1]

    monkeypatch.setattr(edge, "answer_whole", noted)
    with listening() as port:
        said_to(port, "GET /one", "HEAD /one", "GET /line", "GET /close")
    assert whole == [True, False, False]  # the connection is closed after the third
