"""The rules of the web layer, as functions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.requests import Request

import gatepass.server
from gatepass.server.web.address import ClientAddress
from gatepass.server.web.auth import ANYONE
from gatepass.server.web.browser import origin_of
from gatepass.server.web.errors import PROBLEMS
from gatepass.server.web.routing import NoRoute, Route, RouteTable


def request_from(peer: str, *forwarded: str) -> Request:
    """A request of a peer, with X-Forwarded-For lines."""
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return Request({"type": "http", "client": (peer, 1234), "headers": headers})


@pytest.mark.parametrize(
    ("peer", "forwarded", "address"),
    [
        ("192.0.2.9", [], "192.0.2.9"),
        ("192.0.2.9", ["198.51.100.1"], "192.0.2.9"),
        ("10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1, 10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1", "10.0.0.2"], "198.51.100.1"),
        ("10.0.0.1", ["<script>"], ""),
        ("10.0.0.1", [], "10.0.0.1"),
        ("2001:db8::1", ["198.51.100.1"], "2001:db8::1"),
    ],
)
def test_a_forwarded_address_is_believed_of_trusted_proxies_only(peer: str, forwarded: list[str], address: str) -> None:
    """The nearest address that is not a trusted proxy's; what a client wrote left of that does not count."""
    assert ClientAddress(("10.0.0.0/8",)).of(request_from(peer, *forwarded)) == address


@pytest.mark.parametrize(
    ("url", "origin"),
    [
        ("https://auth.example.com", "https://auth.example.com"),
        ("https://auth.example.com:443/x", "https://auth.example.com"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://localhost:80/x", "http://localhost"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("https://AUTH.example.com", "https://auth.example.com"),
    ],
)
def test_an_origin_is_written_as_browsers_write_it(url: str, origin: str) -> None:
    """Scheme, host in lower case, port unless it is the scheme's own (RFC 6454 §6.2)."""
    assert origin_of(url) == origin


async def _handler(*_: object) -> None: ...


def table(*calls: tuple[str, str]) -> RouteTable:
    """A route table of these calls."""
    return RouteTable(tuple(Route(method=m, path=p, handler=_handler, auth=ANYONE, summary="") for m, p in calls))  # type: ignore[arg-type]


def test_routes_are_found_by_method_and_path() -> None:
    """Fixed paths before patterns; parameters are one whole segment; HEAD goes where GET does."""
    routes = table(("GET", "/a"), ("POST", "/a"), ("GET", "/a/{id}"), ("GET", "/a/fixed"), ("DELETE", "/a/{id}/b"))
    assert routes.find("GET", "/a")[0].path == "/a"
    assert routes.find("HEAD", "/a")[0].method == "GET"
    assert routes.find("GET", "/a/7")[1] == {"id": "7"}
    assert routes.find("GET", "/a/fixed")[0].path == "/a/fixed"
    assert routes.find("DELETE", "/a/7/b")[1] == {"id": "7"}
    for method, path, allowed in [
        ("PUT", "/a", ("GET", "POST")),
        ("POST", "/a/7", ("GET",)),
        ("GET", "/a/", ()),
        ("GET", "/a/7/", ()),
        ("GET", "/b", ()),
        ("GET", "", ()),
    ]:
        with pytest.raises(NoRoute) as caught:
            routes.find(method, path)
        assert caught.value.allowed == allowed


def test_every_code_that_is_raised_is_in_the_table() -> None:
    """A `Refusal("…")` anywhere in the server names a code that the table explains, and no code there is idle."""
    sources = [path.read_text("utf-8") for path in Path(gatepass.server.__path__[0]).rglob("*.py")]
    raised = {
        code for text in sources for code in re.findall(r'(?:Refusal|Unavailable|refuse|problem)\(\s*"(\w+)"', text)
    }
    assert raised <= set(PROBLEMS)
    unused = {code for code in PROBLEMS if not any(f'"{code}"' in text.split("PROBLEMS:")[0] for text in sources)}
    assert unused <= {"insufficient_scope"}
