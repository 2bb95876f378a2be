"""Request smuggling: two servers disagree where a request ends, and the second sees one more than the first."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.stories.test_edge import connection, everything

if TYPE_CHECKING:
    import httpx
    from tests.support.server import RunningServer

HIDDEN = b"GET /ready HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /logout HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "framing",
    [
        b"Content-Length: %d\r\nContent-Length: 0\r\n" % len(HIDDEN),
        b"Content-Length: 0, %d\r\n" % len(HIDDEN),
        b"Content-Length: +%d\r\n" % len(HIDDEN),
        b"Content-Length : %d\r\n" % len(HIDDEN),
        b"Content-Length: %d\r\nTransfer-Encoding: chunked\r\n" % len(HIDDEN),
        b"Transfer-Encoding: chunked\r\nContent-Length: %d\r\n" % len(HIDDEN),
        b"Transfer-Encoding: xchunked\r\n",
        b"Transfer-Encoding: chunked, identity\r\n",
        b"Transfer-Encoding: identity\r\n",
        b"Transfer-Encoding:\x0bchunked\r\n",
        b"X: a\r\n Transfer-Encoding: chunked\r\n",
        b"X: a\nContent-Length: 0\r\n",
        b"X: a\rContent-Length: 0\r\n",
    ],
)
def test_a_body_of_doubtful_length_is_refused(server: RunningServer, framing: bytes) -> None:
    """Lengths that contradict each other, or are spelt as only some servers read them: one 400 (RFC 9112 §6.3)."""
    with connection(server) as connected:
        connected.sendall(POST + framing + b"\r\n" + HIDDEN)
        said = everything(connected)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
def test_the_body_of_an_upgrade_is_never_a_request(server: RunningServer, api: httpx.Client, upgrade: bytes) -> None:
    """Httptools takes what follows the head for another protocol, and then for the next request: 400 instead."""
    with connection(server) as connected:
        connected.sendall(
            POST + b"Connection: Upgrade\r\nUpgrade: %s\r\nContent-Length: %d\r\n\r\n" % (upgrade, len(HIDDEN))
        )
        assert api.get("/health").status_code == 200  # by now the server has read the head
        connected.sendall(HIDDEN)
        said = everything(connected)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
def test_an_upgrade_is_ignored_and_nothing_follows_it(server: RunningServer, upgrade: bytes) -> None:
    """Without a body it is answered in HTTP/1.1 (RFC 9110 §7.8), and the connection ends with the answer."""
    with connection(server) as connected:
        connected.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n" % upgrade)
        said = everything(connected)
    assert said.startswith(b"HTTP/1.1 200 ")
    assert b"\r\nconnection: close\r\n" in said


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: b\r\n"], ids=["none", "two"])
def test_a_request_has_one_host(server: RunningServer, hosts: bytes) -> None:
    """HTTP/1.1 without a Host, or with two: 400 (RFC 9112 §3.2)."""
    with connection(server) as connected:
        connected.sendall(b"GET /health HTTP/1.1\r\nConnection: close\r\n%s\r\n" % hosts)
        assert everything(connected).startswith(b"HTTP/1.1 400 ")
