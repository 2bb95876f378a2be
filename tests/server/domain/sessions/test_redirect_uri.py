"""Redirect URIs: which may be registered, and which sent one is a registered one."""

from __future__ import annotations

import pytest

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.sessions.redirect_uri import (
    check_redirect_uris,
    form_target,
    host_of,
    is_registered,
    with_parameters,
)


@pytest.mark.parametrize(
    "uri",
    [
        "https://app.example.test/cb",
        "https://app.example.test",
        "https://app.example.test?tenant=1",
        "https://app.example.test:8443/cb?tenant=a%20b",
        "http://127.0.0.1:8080/cb",
        "http://[::1]/cb",
        "http://localhost:3000/",
    ],
)
def test_what_may_be_registered(uri: str) -> None:
    """HTTPS anywhere, HTTP on the same device."""
    check_redirect_uris([uri], is_native=False)


def test_a_scheme_of_ones_own_is_for_native_applications() -> None:
    """RFC 8252 §7.1: reverse domain names, and so with a dot."""
    check_redirect_uris(["com.example.app:/cb", "com.example.app://cb"], is_native=True)
    with pytest.raises(Refusal):
        check_redirect_uris(["com.example.app:/cb"], is_native=False)


@pytest.mark.parametrize(
    "uri",
    [
        "",
        "/cb",
        "//app.example.test/cb",
        "http://app.example.test/cb",
        "http://127.0.0.1.example.test/cb",
        "http://127.1/cb",
        "http://0x7f000001/cb",
        "HTTPS://app.example.test/cb",
        "https://App.example.test/cb",
        "https://app.example.test/cb#",
        "https://app.example.test/cb#code",
        "https://*.example.test/cb",
        "https://app.example.test/*",
        "https://user@app.example.test/cb",
        "https://user:password@app.example.test/cb",
        "https://app.example.test\\@evil.test/cb",
        "https://app.example.test/a/../cb",
        "https://app.example.test/./cb",
        "https://app.example.test/%2e%2e/cb",
        "https://app.example.test/%2E./cb",
        "https://app.example.test/cb?code=1",
        "https://app.example.test/cb?a=1&state=x",
        "https://app.example.test/cb?%69ss=x",
        "https://app.example.test/cb?response=x",
        "https://app.example.test/c b",
        "https://app.example.test/cb\n",
        "https://app.example.test/cb\x00",
        "https://äpp.example.test/cb",
        "https://app.example.test:0/cb",
        "https://app.example.test:99999/cb",
        "https:///cb",
        "https://[::::1]/cb",
        "https://[127.0.0.1]/cb",
        "https:app.example.test/cb",
        "javascript:alert(1)",
        "javascript://app.example.test/%0aalert(1)",
        "data:text/html,x",
        "vbscript:x",
        "file:///etc/passwd",
        "blob:https://app.example.test/x",
        "about:blank",
        "mailto:ann@example.test",
        "myapp:/cb",
        "urn:ietf:wg:oauth:2.0:oob",
        "https://app.example.test/" + "a" * 2_000,
    ],
)
@pytest.mark.parametrize("is_native", [False, True])
def test_what_may_not_be_registered(uri: str, is_native: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """Whatever two readers could take for two things, or leads to a script, a file or somebody in the middle."""
    with pytest.raises(Refusal) as refused:
        check_redirect_uris([uri], is_native=is_native)
    assert refused.value.code == "invalid_redirect_uri"


def test_not_too_many_and_none_twice() -> None:
    """Twenty, each once."""
    uris = [f"https://app.example.test/{number}" for number in range(21)]
    check_redirect_uris(uris[:20], is_native=False)
    for refused in (uris, uris[:1] * 2):
        with pytest.raises(Refusal):
            check_redirect_uris(refused, is_native=False)


REGISTERED = "https://app.example.test/cb"


@pytest.mark.parametrize(
    "sent",
    [
        "",
        "https://app.example.test/cb/",
        "https://app.example.test/CB",
        "https://app.example.test/cb?",
        "https://app.example.test/cb?x=1",
        "https://app.example.test/cb#",
        "https://app.example.test:443/cb",
        "https://app.example.test./cb",
        "https://app.example.test/%63b",
        "https://APP.example.test/cb",
        "http://app.example.test/cb",
        "https://app.example.test/a/../cb",
        "https://app.example.test//cb",
        "https://app.example.test/cb\x00",
        " https://app.example.test/cb",
        "https://app.example.test/cb ",
        "https://app.example.test@evil.test/cb",
        "https://app.example.test.evil.test/cb",
        "https://evil.test/https://app.example.test/cb",
    ],
)
def test_only_the_same_bytes_are_the_same(sent: str) -> None:
    """RFC 9700 §4.1.3: nothing is parsed before it is compared."""
    assert is_registered(REGISTERED, [REGISTERED], is_native=True)
    assert not is_registered(sent, [REGISTERED], is_native=True)


def test_a_native_application_takes_any_port_on_the_device() -> None:
    """RFC 8252 §7.3: for the literals always; for `localhost` where none was registered; the rest byte for byte."""
    for registered, sent in (
        ("http://127.0.0.1/cb", "http://127.0.0.1:51004/cb"),
        ("http://127.0.0.1:8080/cb", "http://127.0.0.1/cb"),
        ("http://[::1]:1/cb?a=1", "http://[::1]:65535/cb?a=1"),
        ("http://localhost/cb", "http://localhost:3118/cb"),
    ):
        assert is_registered(sent, [registered], is_native=True)
        assert not is_registered(sent, [registered], is_native=False)
    for registered, sent in (
        ("http://127.0.0.1/cb", "http://127.0.0.1:1/other"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:0/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:65536/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:+1/cb"),
        ("http://127.0.0.1/cb", "http://127.0.0.1:1@evil.test/cb"),
        ("http://127.0.0.1/cb", "http://localhost:1/cb"),
        ("http://127.0.0.1/cb", "https://127.0.0.1:1/cb"),
        ("http://localhost:3000/cb", "http://localhost:3001/cb"),
        ("https://app.example.test/cb", "https://app.example.test:1/cb"),
    ):
        assert not is_registered(sent, [registered], is_native=True)


def test_parameters_are_appended_to_what_is_there() -> None:
    """The URI itself is never written anew."""
    assert with_parameters("https://a.test/cb", "code=1") == "https://a.test/cb?code=1"
    assert with_parameters("https://a.test/cb?x=%7e", "code=1") == "https://a.test/cb?x=%7e&code=1"


def test_what_people_and_browsers_are_told() -> None:
    """Host and port, or the application's scheme; and what a policy for forms has to name."""
    assert (host_of("https://a.test:1/cb"), form_target("https://a.test:1/cb")) == ("a.test:1", "https://a.test:1")
    assert (host_of("com.example.app:/cb"), form_target("com.example.app:/cb")) == (
        "com.example.app",
        "com.example.app:",
    )
    # A Content-Security-Policy cannot name an IPv6 address: browsers would ignore it, and block the way back.
    assert (host_of("http://[::1]:8/cb"), form_target("http://[::1]:8/cb")) == ("[::1]:8", "http:")
