"""The rules of the web layer, as functions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from starlette.requests import Request

import gatepass.server
from gatepass.server.base.errors import Refusal
from gatepass.server.base.settings import load
from gatepass.server.web.address import ClientAddress
from gatepass.server.web.auth.requirements import ANYONE
from gatepass.server.web.browser import origin_of
from gatepass.server.web.errors import PROBLEMS
from gatepass.server.web.parsing import split_form
from gatepass.server.web.routing import NoRoute, Route, RouteTable


def request_from(peer: str, *forwarded: str) -> Request:
    """A request of a peer, with X-Forwarded-For lines."""
    headers = [(b"x-forwarded-for", line.encode()) for line in forwarded]
    return Request({"type": "http", "client": (peer, 1234), "headers": headers})


def client_address(header: str = "X-Forwarded-For") -> ClientAddress:
    """Believe 10.0.0.0/8 in one header."""
    return ClientAddress(load(flags={"trusted_proxy": ("10.0.0.0/8",), "trusted_header": header}))


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
        ("10.0.0.1", [], ""),
        ("10.0.0.1", ["", " , "], ""),
        ("10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
        ("10.0.0.1", ["unknown"], ""),
        ("10.0.0.1", ["198.51.100.1, unknown"], ""),
        ("10.0.0.1", ["198.51.100.1, _hidden"], ""),
        ("10.0.0.1", ["6.6.6.6, 198.51.100.1, "], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.7:1031"], "198.51.100.7"),
        ("10.0.0.1", ["::ffff:198.51.100.7"], "198.51.100.7"),
        ("10.0.0.1", ["[::ffff:198.51.100.7]:1031"], "198.51.100.7"),
        ("10.0.0.1", ["[2001:DB8::0:1]"], "2001:db8::1"),
        ("10.0.0.1", ["[2001:db8::1]:443"], "2001:db8::1"),
        ("10.0.0.1", ["fe80::1%eth0"], "fe80::1"),
        ("10.0.0.1", ["[fe80::1%25eth0]:80"], "fe80::1"),
        ("10.0.0.1", ["198.51.100.1:99, 10.0.0.2:80"], "198.51.100.1"),
        ("10.0.0.1", ["198.51.100.1:"], ""),
        ("10.0.0.1", ["198.51.100.001"], ""),
        ("10.0.0.1", ["[2001:db8::1"], ""),
        ("::ffff:10.0.0.1", ["198.51.100.1"], "198.51.100.1"),
        ("::ffff:192.0.2.9", ["198.51.100.1"], "192.0.2.9"),
        ("2001:db8::1", ["198.51.100.1"], "2001:db8::1"),
        ("", ["198.51.100.1"], ""),
    ],
)
def test_a_forwarded_address_is_believed_of_trusted_proxies_only(peer: str, forwarded: list[str], address: str) -> None:
    """The nearest address that is not a trusted proxy's; what a client wrote left of that does not count."""
    assert client_address().of(request_from(peer, *forwarded)) == address


@pytest.mark.parametrize(
    ("line", "address"),
    [
        ("for=198.51.100.1", "198.51.100.1"),
        ('For="198.51.100.1:1031";proto=https', "198.51.100.1"),
        ('proto=https; for="[2001:db8::1]:47011" ;by=10.0.0.1', "2001:db8::1"),
        ("for=6.6.6.6, for=198.51.100.1", "198.51.100.1"),
        ("for=198.51.100.1, for=10.0.0.2", "198.51.100.1"),
        ('for="6.6.6.6, for=198.51.100.1', "198.51.100.1"),
        ("for=unknown", ""),
        ("for=_hidden", ""),
        ("for=198.51.100.1, for=_hidden", ""),
        ("proto=https", ""),
        ("198.51.100.1", ""),
        ("for=2001:db8::1", "2001:db8::1"),
        ("", ""),
    ],
)
def test_forwarded_is_read_by_its_rfc_where_it_is_named(line: str, address: str) -> None:
    """RFC 7239: `for` of the nearest element, quoted or not; an obfuscated or unknown hop hides what is left of it."""
    headers = [(b"x-forwarded-for", b"6.6.6.6"), (b"forwarded", line.encode())]
    request = Request({"type": "http", "client": ("10.0.0.1", 1234), "headers": headers})
    assert client_address("Forwarded").of(request) == address


def test_one_header_is_believed() -> None:
    """What the proxy sets counts; the other header, which a client can write, says nothing."""
    headers = [(b"forwarded", b"for=6.6.6.6"), (b"x-real-ip", b"198.51.100.1")]
    request = Request({"type": "http", "client": ("10.0.0.1", 1234), "headers": headers})
    assert client_address("X-Real-IP").of(request) == "198.51.100.1"
    assert client_address().of(request) == ""


def test_a_proxy_that_says_nothing_is_told_of_once(capsys: pytest.CaptureFixture[str]) -> None:
    """One warning in the log, however many come through it."""
    address = client_address()
    for _ in range(3):
        assert address.of(request_from("10.0.0.1")) == ""
    assert capsys.readouterr().out.count("does not say who calls") == 1


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
    assert routes.find("GET", "/a/https://b", b"/a/https%3A%2f%2Fb")[1] == {"id": "https://b"}
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


@given(st.lists(st.text("ab=&", max_size=6), max_size=8), st.booleans())
def test_a_form_without_escapes_is_split_as_any_other(pairs: list[str], encoded: bool) -> None:  # noqa: FBT001 - a property
    """The short way says what `urllib` says, and refuses what it refuses."""
    text = "&".join(pairs)

    def split(body: str) -> object:
        try:
            return split_form(body.encode(), "application/x-www-form-urlencoded")
        except Refusal as error:
            return error.code

    long_way = split(text + "&x=%78") if encoded or text else split(text)
    short_way = split(text + "&x=x") if encoded or text else split(text)
    assert short_way == long_way
