"""Request smuggling: two servers disagree where a request ends, and the second sees one more than the first."""

from __future__ import annotations

import socket
import threading
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


LENGTH = b"Content-Length: %d\r\n\r\n%s" % (len(HIDDEN), HIDDEN)
CHUNKS = b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n" % (len(HIDDEN), HIDDEN)
LAST = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.mark.parametrize("body", [LENGTH, CHUNKS], ids=["length", "chunks"])
@pytest.mark.parametrize("upgrade", [b"h2c", b"websocket"])
def test_the_body_of_an_upgrade_is_never_a_request(
    server: RunningServer, api: httpx.Client, upgrade: bytes, body: bytes
) -> None:
    """Httptools takes what follows the head for another protocol: it is the body, and after it comes the next request.

    Also where the head comes by itself, and the rest when the server has read it, or one octet after the other.
    """
    head = POST + b"Connection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAEAAEAA\r\nUpgrade: %s\r\n" % upgrade
    with connection(server) as connected:
        connected.sendall(head + body + LAST)
        at_once = everything(connected)
    with connection(server) as connected:
        start, separator, rest = (head + body + LAST).partition(b"\r\n\r\n")
        connected.sendall(start + separator)
        assert api.get("/health").status_code == 200  # by now the server has read the head
        connected.sendall(rest)
        in_two = everything(connected)
    with connection(server) as connected:
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for octet in head + body + LAST:
            connected.sendall(bytes((octet,)))
        in_octets = everything(connected)
    for said in (at_once, in_two, in_octets):
        assert [answer[:3] for answer in said.split(b"HTTP/1.1 ")[1:]] == [b"400", b"200"]
        assert said.count(b'"malformed_request"') == 1  # of the body, which is no JSON


def test_what_follows_a_request_is_not_its_answer(server: RunningServer) -> None:
    """Octets that are no HTTP behind a whole request: they are not answered in its place; the connection is closed."""
    with connection(server) as connected:
        connected.sendall(b"GET /health HTTP/1.1\r\nHost: a\r\n\r\nGARBAGE\0\r\n\r\n")
        assert b"malformed_request" not in everything(connected)


def test_an_upgrade_is_counted_in_the_head(server: RunningServer) -> None:
    """A head over 32 KiB is refused also where most of it is the header that is left out: 431."""
    with connection(server) as connected:
        connected.sendall(
            b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: %s\r\n\r\n" % (b"a" * 40_000)
        )
        assert everything(connected).startswith(b"HTTP/1.1 431 ")


def test_thousands_of_upgrades_at_once(server: RunningServer) -> None:
    """Each is answered in HTTP/1.1 (RFC 9110 §7.8), in its turn, on one connection."""
    asks = b"GET /health HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n"
    with connection(server) as connected:
        threading.Thread(target=connected.sendall, args=(asks * 2_000 + LAST,)).start()
        assert everything(connected).count(b"HTTP/1.1 200 ") == 2_001


@pytest.mark.parametrize("start", [b"CONNECT a:443 HTTP/1.1", b"GET /health HTTP/1.0"])
def test_what_cannot_be_upgraded(server: RunningServer, start: bytes) -> None:
    """No proxy is here; and HTTP/1.0 has no such header: one answer, and nothing after it."""
    with connection(server) as connected:
        connected.sendall(start + b"\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n" + HIDDEN)
        said = everything(connected)
    assert said.startswith(b"HTTP/1.1 400 " if start.startswith(b"CONNECT") else b"HTTP/1.1 200 ")
    assert said.count(b"HTTP/1.1 ") == 1


@pytest.mark.parametrize(
    ("version", "codings"),
    [
        (b"1.1", b"gzip, chunked"),
        (b"1.1", b", chunked"),
        (b"1.1", b"chunked, chunked"),
        (b"1.1", b"gzip\r\nTransfer-Encoding: chunked"),
        (b"1.1", b"chunked\r\nTransfer-Encoding: chunked"),
        (b"1.0", b"chunked"),
    ],
)
def test_only_chunked_is_a_transfer_coding(server: RunningServer, version: bytes, codings: bytes) -> None:
    """Chunks of something else, chunked twice, or in HTTP/1.0, which has none: one 400 (RFC 9112 §6.1)."""
    head = POST.replace(b"HTTP/1.1", b"HTTP/%b" % version) + b"Transfer-Encoding: %b\r\n\r\n" % codings
    with connection(server) as connected:
        connected.sendall(head + b"2\r\n{}\r\n0\r\n\r\n" + HIDDEN)
        said = everything(connected)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1


def test_chunked_in_any_case_is_taken(server: RunningServer) -> None:
    """Codings are named in any case (RFC 9112 §7), with blanks around."""
    with connection(server) as connected:
        connected.sendall(POST + b"Transfer-Encoding:\t Chunked \r\n\r\n2\r\n{}\r\n0\r\n\r\n" + LAST)
        assert [answer[:3] for answer in everything(connected).split(b"HTTP/1.1 ")[1:]] == [b"401", b"200"]


@pytest.mark.parametrize("version", [b"HTTP/0.9", b"HTTP/1.2", b"HTTP/2.0", b"HTTP/3.0"])
@pytest.mark.parametrize("host", [b"", b"Host: a\r\n"], ids=["no host", "host"])
def test_only_http_1_0_and_1_1_are_answered(server: RunningServer, version: bytes, host: bytes) -> None:
    """What another version means by the same octets is not known: one 400 (RFC 9112 §2.3), and it is closed."""
    with connection(server) as connected:
        connected.sendall(b"GET /health %b\r\n%b\r\n%b" % (version, host, HIDDEN))
        said = everything(connected)
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1


NO_HOSTS = (
    *(b"a b/@", b"a, b", b"a:80:80", b"a:b", b"a:-1", b"a/b", b"a@b", b"a?b", b"a\\b", b'a"b', b"<a>", b"a\tb"),
    *(b"http://a", b"::1", b"[::1", b"[a b]", b"[]", b"[::1]a", b"%", b"%4", b"%zz", b"b\xc3\xbccher.example"),
)


@pytest.mark.parametrize("version", [b"1.0", b"1.1"])
def test_a_host_that_is_none_is_refused(server: RunningServer, version: bytes) -> None:
    """What is no host with a port or without one, which a proxy may read as another: 400 (RFC 9112 §3.2)."""
    for host in NO_HOSTS:
        with connection(server) as connected:
            connected.sendall(b"GET /health HTTP/%b\r\nHost: %b\r\n\r\n" % (version, host))
            assert everything(connected).startswith(b"HTTP/1.1 400 "), host
    with connection(server) as connected:
        connected.sendall(b"GET http://a/health HTTP/1.1\r\nHost:\r\n\r\n")
        assert everything(connected).startswith(b"HTTP/1.1 400 ")  # the target names a host


HOSTS = (
    *(
        b"",
        b"a",
        b"A_b.EXAMPLE:8000",
        b"a.example.",
        b"_dns.a~b",
        b"a:",
        b" \ta \t",
        b"xn--bcher-kva.example",
        b"%C3%BC",
    ),
    *(b"127.0.0.1:1", b"[::1]", b"[2001:DB8::ffff:192.0.2.1]:443", b"[fe80::1%25eth0]:80"),
)


def test_every_host_that_is_one_is_taken(server: RunningServer) -> None:
    """Names as RFC 3986 §3.2.2 has them, IPv6 in brackets, any port; or none, as RFC 9112 §3.2 allows."""
    with connection(server) as connected:
        for host in HOSTS:
            connected.sendall(b"GET /health HTTP/1.1\r\nHost:%b\r\n\r\n" % host)
        connected.sendall(LAST)
        said = everything(connected)
    assert said.count(b"HTTP/1.1 200 ") == len(HOSTS) + 1


@pytest.mark.parametrize("hosts", [b"", b"Host: a\r\nHost: b\r\n"], ids=["none", "two"])
def test_a_request_has_one_host(server: RunningServer, hosts: bytes) -> None:
    """HTTP/1.1 without a Host, or with two: 400 (RFC 9112 §3.2)."""
    with connection(server) as connected:
        connected.sendall(b"GET /health HTTP/1.1\r\nConnection: close\r\n%s\r\n" % hosts)
        assert everything(connected).startswith(b"HTTP/1.1 400 ")
