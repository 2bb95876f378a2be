"""What a connection to guard makes of HTTP that wants more than an answer."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

import pytest

from gatepass.guard.protocol import ProxyConnection
from gatepass.guard.serving import _is_listed

if TYPE_CHECKING:
    from gatepass.guard.decision import ForwardAuth
    from gatepass.guard.request import HeaderList

ADMITTED = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


class Recorder:
    """Admits everybody, and notes by which headers."""

    def __init__(self) -> None:
        self.asked: list[HeaderList] = []

    def at_once(self, headers: HeaderList, *, is_told: bool) -> bytes:
        """Note and admit."""
        assert not is_told
        self.asked.append(headers)
        return ADMITTED


def said_to(raw: bytes) -> tuple[bytes, list[HeaderList]]:
    """Send octets and the end; what comes back until the end, and what was asked for."""
    recorder = Recorder()

    async def ask() -> bytes:
        def connection() -> ProxyConnection:
            return ProxyConnection(cast("ForwardAuth", recorder), is_told_by=lambda _: False, open_ones=set())

        server = await asyncio.get_running_loop().create_server(connection, "127.0.0.1", 0)
        async with server:
            reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
            writer.write(raw)
            writer.write_eof()
            answer = await reader.read()
            writer.close()
        return answer

    return asyncio.run(ask()), recorder.asked


UPGRADES = (b"Connection: Upgrade\r\nUpgrade: websocket\r\n", b"Connection: upgrade\r\nUpgrade: h2c\r\n")


@pytest.mark.parametrize("upgrade", UPGRADES, ids=["websocket", "h2c"])
def test_an_upgrade_has_one_answer(upgrade: bytes) -> None:
    """A second one, which nobody asked for, would be taken for the answer to the next request of the connection."""
    answer, asked = said_to(b"GET / HTTP/1.1\r\nHost: a\r\n" + upgrade + b"\r\n")
    assert answer == ADMITTED
    assert len(asked) == 1


def test_trailers_say_nothing() -> None:
    """A token after the body was in no head that a proxy has looked at; the next request has a head again."""
    trailers = b"Authorization: Bearer trailer\r\nX-Forwarded-Uri: /trailer\r\n"
    chunked = b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n" + trailers + b"\r\n"
    _, asked = said_to(chunked + b"GET / HTTP/1.1\r\nHost: b\r\n\r\n")
    assert asked == [[(b"host", b"a"), (b"transfer-encoding", b"chunked")], [(b"host", b"b")]]


@pytest.mark.parametrize("version", [b"HTTP/0.9", b"HTTP/2.0"])
def test_another_version_is_no_question(version: bytes) -> None:
    """Only HTTP/1.0 and HTTP/1.1 are read: 400 (RFC 9112 §2.3), nobody is asked, and what follows is not read."""
    answer, asked = said_to(b"GET / %b\r\nHost: a\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n" % version)
    assert answer.startswith(b"HTTP/1.1 400 ")
    assert answer.count(b"HTTP/1.1 ") == 1
    assert asked == []
    assert said_to(b"GET / HTTP/1.0\r\n\r\n")[0] == ADMITTED


def test_a_peer_without_an_address_is_no_listed_proxy() -> None:
    """Only the name of a Unix socket says that the file's permissions have let the peer in."""
    assert not _is_listed(None, networks=())
    assert _is_listed("", networks=())
