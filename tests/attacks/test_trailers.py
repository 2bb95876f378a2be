"""Trailers: header fields after a chunked body, where no limit of a head reaches and no proxy looks (RFC 9110 §6.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.stories.test_edge import connection, everything

if TYPE_CHECKING:
    import httpx
    from tests.support.server import RunningServer

LOGOUT = (
    b"POST /logout HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Type: application/json\r\n"
    b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n"
)


def test_a_trailer_is_no_header(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """A token in the trailer is as good as none: what a proxy in front did not see, we do not act on (§6.5.1)."""
    pair = api.post("/login", json=ann).json()
    trailer = b"Authorization: Bearer %s\r\n\r\n" % pair["token"].encode()
    with connection(server) as connected:
        connected.sendall(LOGOUT + trailer)
        said = everything(connected)
    assert b'"code":"missing_token"' in said
    assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 200


@pytest.mark.parametrize(
    "endless",
    [LOGOUT + b"X-Filler: ", LOGOUT.removesuffix(b"0\r\n") + b"1;filler="],
    ids=["trailer", "chunk extension"],
)
def test_what_surrounds_a_body_is_as_limited_as_the_head(
    server: RunningServer, api: httpx.Client, endless: bytes
) -> None:
    """A trailer or a chunk extension without end is cut off with 431, long before it fills the memory."""
    with connection(server) as connected:
        connected.sendall(endless)
        assert api.get("/health").status_code == 200  # by now the server has read the beginning
        connected.sendall(b"x" * 33_000)
        assert everything(connected).startswith(b"HTTP/1.1 431 ")


@pytest.mark.parametrize("at_once", [1, 4], ids=["one", "some"])
def test_extensions_of_many_chunks_add_up(server: RunningServer, api: httpx.Client, at_once: int) -> None:
    """A small body in chunks with long extensions (RFC 9112 §7.1.1) is cut off with 431, far from the body's limit."""
    chunk = b"1;x=%b\r\n \r\n" % (b"x" * 10_000)
    with connection(server) as connected:
        connected.sendall(LOGOUT.removesuffix(b"2\r\n{}\r\n0\r\n"))
        for _ in range(16 // at_once):
            assert api.get("/health").status_code == 200  # by now the server has read what was sent
            try:
                connected.sendall(chunk * at_once)
            except (BrokenPipeError, ConnectionResetError):
                break
        else:
            connected.sendall(b"2\r\n{}\r\n0\r\n\r\n")
        assert everything(connected).startswith(b"HTTP/1.1 431 ")


def test_a_body_in_many_chunks_is_read(server: RunningServer) -> None:
    """What surrounds the pieces of a body does not add up: 20,000 chunks of a byte, 120 kB on the wire, are taken."""
    body = b"{" + b" " * 20_000 + b"}"
    chunks = b"".join(b"1\r\n%c\r\n" % octet for octet in body)
    with connection(server) as connected:
        connected.sendall(LOGOUT.removesuffix(b"2\r\n{}\r\n0\r\n"))
        for start in range(0, len(chunks), 1_000):
            connected.sendall(chunks[start : start + 1_000])
        connected.sendall(b"0\r\n\r\n")
        assert b'"code":"missing_token"' in everything(connected)
