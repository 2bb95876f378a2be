"""The proxies of the environment, in the shapes that people write them."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from typing import TYPE_CHECKING

import pytest

from gatepass.verify.http_client import HttpxFetch
from gatepass.verify.issuer import FetchError
from gatepass.verify.proxies import proxy_for

if TYPE_CHECKING:
    from collections.abc import Callable

URL = "https://auth.example.com/jwks"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing about proxies."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.mark.parametrize(
    ("excepted", "url", "is_excepted"),
    [
        ("auth.example.com", URL, True),
        ("AUTH.example.com", URL, True),
        ("example.com", URL, True),
        (".example.com", URL, True),
        ("*.example.com", URL, True),
        ("https://auth.example.com", URL, True),
        ("auth.example.com:443", URL, True),
        ("auth.example.com:8443", URL, False),
        ("xample.com", URL, False),
        ("*", URL, True),
        ("localhost, 127.0.0.1 ,auth.example.com", URL, True),
        ("", URL, False),
        (",,", URL, False),
        ("fe80::/10", URL, False),
        ("[::1]", URL, False),
        ("[::1", URL, False),
        ("://", URL, False),
        ("fe80::/10", "https://[fe80::1]/jwks", True),
        ("[fe80::]/10", "https://[fe80::1]/jwks", True),
        ("[2001:db8::1]", "https://[2001:db8::1]/jwks", True),
        ("2001:db8::1", "https://[2001:db8::1]:8443/jwks", True),
        ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443/jwks", True),
        ("[2001:db8::1]:443", "https://[2001:db8::1]:8443/jwks", False),
        ("10.0.0.0/8", "https://10.1.2.3/jwks", True),
        ("10.0.0.0/8", "https://11.1.2.3/jwks", False),
        ("10.1.2.3", "https://10.1.2.3/jwks", True),
    ],
)
def test_what_no_proxy_means(monkeypatch: pytest.MonkeyPatch, excepted: str, url: str, is_excepted: bool) -> None:  # noqa: FBT001
    """Names, addresses, networks and ports mean themselves, and what means nothing breaks nothing."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example.com:3128")
    monkeypatch.setenv("NO_PROXY", excepted)
    assert (proxy_for(url) is None) is is_excepted


@pytest.mark.parametrize(
    ("environment", "found"),
    [
        ({}, None),
        ({"HTTPS_PROXY": "http://p:1"}, ("http://p:1", "HTTPS_PROXY")),
        ({"https_proxy": "http://p:1"}, ("http://p:1", "HTTPS_PROXY")),
        ({"HTTPS_PROXY": "p:1"}, ("http://p:1", "HTTPS_PROXY")),
        ({"HTTP_PROXY": "http://p:1"}, None),
        ({"ALL_PROXY": "http://p:1"}, ("http://p:1", "ALL_PROXY")),
        ({"ALL_PROXY": "socks5://p:1", "HTTPS_PROXY": "http://q:1"}, ("http://q:1", "HTTPS_PROXY")),
        ({"HTTPS_PROXY": ""}, None),
    ],
)
def test_which_proxy_is_named(
    monkeypatch: pytest.MonkeyPatch, environment: dict[str, str], found: tuple[str, str] | None
) -> None:
    """The scheme's own variable comes before the one for all."""
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert proxy_for(URL) == found


WAYS: list[Callable[[HttpxFetch, str], object]] = [
    lambda http, url: asyncio.run(http(url)),
    lambda http, url: http.get_now(url, time.monotonic() + 5),
]


@pytest.mark.parametrize("way", WAYS, ids=["in a loop", "in a thread"])
@pytest.mark.parametrize(
    ("variable", "value", "cure"),
    [
        ("ALL_PROXY", "socks5://127.0.0.1:1080", "ALL_PROXY in the environment names a SOCKS proxy: pip install"),
        ("HTTPS_PROXY", "http://[", "HTTPS_PROXY in the environment is not the URL of a proxy"),
        ("HTTPS_PROXY", "ftp://proxy", "HTTPS_PROXY in the environment is not the URL of a proxy"),
        ("HTTPS_PROXY", "http://proxy:port", "HTTPS_PROXY in the environment is not the URL of a proxy"),
    ],
)
def test_a_proxy_that_cannot_be_used_is_named(
    monkeypatch: pytest.MonkeyPatch, way: Callable[[HttpxFetch, str], object], variable: str, value: str, cure: str
) -> None:
    """The error names the variable and what to do, not what some library made of it."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(FetchError) as caught:
        way(HttpxFetch(), URL)
    assert cure in str(caught.value)
    assert "NO_PROXY" in str(caught.value)


@pytest.mark.parametrize("way", WAYS, ids=["in a loop", "in a thread"])
@pytest.mark.parametrize("excepted", ["fe80::/10", "[::1]", "[::1],localhost", "[", "*.,"])
def test_no_proxy_in_any_shape_stops_no_fetch(
    monkeypatch: pytest.MonkeyPatch, way: Callable[[HttpxFetch, str], object], excepted: str
) -> None:
    """With entries that httpx cannot read, the proxy is asked for a tunnel as it should be."""
    asked: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            asked.append(connection.recv(65536))
            connection.sendall(b"HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        monkeypatch.setenv("HTTPS_PROXY", f"http://ann:p%40ss@127.0.0.1:{listener.getsockname()[1]}")
        monkeypatch.setenv("NO_PROXY", excepted)
        with pytest.raises(FetchError):
            way(HttpxFetch(), URL)
        thread.join(10)
    assert asked[0].startswith(b"CONNECT auth.example.com:443 HTTP/1.1\r\n")
    assert b"proxy-authorization: basic yw5uonbac3m=" in asked[0].lower()
