"""Server-side request forgery: whoever names a URL that the server asks would look around in its network.

CVE-2020-10770 and CVE-2026-4874 (Keycloak), CVE-2021-26715 (MITREid Connect).
"""

from __future__ import annotations

import asyncio
import socket
import threading
from contextlib import closing
from typing import TYPE_CHECKING, Any

import httpcore
import pytest
from tests.support.scripted_site import ScriptedSite
from tests.support.server import SettableClock
from tests.support.tls import self_signed

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings.loading import load
from gatepass.server.domain.keys.master_key import DataKey
from gatepass.server.domain.public_fetch import MOST_AT_ONCE, PublicFetch
from gatepass.server.domain.webhooks.delivery import PAUSES, WebhookSender
from gatepass.server.features.admin.webhooks import WebhookAdmin
from gatepass.server.store.sqlite import SqliteDatabase
from gatepass.verify.issuer import FetchError

if TYPE_CHECKING:
    from collections.abc import Generator
    from http.server import BaseHTTPRequestHandler
    from pathlib import Path

    from gatepass.verify.issuer import Fetched

PUBLIC = "93.184.215.14"

NOT_PUBLIC = (
    "0.0.0.0",  # noqa: S104 - what to refuse
    "10.0.0.1",
    "100.64.0.1",
    "127.0.0.1",
    "127.255.255.254",
    "169.254.169.254",
    "172.16.0.1",
    "192.0.0.1",
    "192.0.0.9",
    "192.0.2.1",
    "192.88.99.1",
    "192.168.0.1",
    "198.18.0.1",
    "198.51.100.1",
    "203.0.113.1",
    "224.0.0.1",
    "239.255.255.250",
    "240.0.0.1",
    "255.255.255.255",
    "::",
    "::1",
    "::127.0.0.1",
    "::ffff:127.0.0.1",
    "::ffff:10.0.0.1",
    "64:ff9b::a00:1",
    "64:ff9b:1::1",
    "100::1",
    "2001::1",
    "2001:db8::1",
    "2002:7f00:1::",
    "3fff::1",
    "5f00::1",
    "fc00::1",
    "fd12:3456::1",
    "fe80::1",
    "fec0::1",
    "ff02::1",
    "ff0e::1",
)
REACHED = (PUBLIC, "2606:4700:4700::1111", "64:ff9b::5db8:d70e", "::ffff:93.184.215.14")

UNREADABLE = (
    "http://app.example.test/keys",
    "https://user:password@app.example.test/keys",
    "https://app.example.test/keys#fragment",
    "https://app.example.test\\@127.0.0.1/keys",
    "https://①②⑦.0.0.1/keys",
    "https://app.example.test/keys\r\nX: 1",
    "https://app.example.test:99999/keys",
    "https:///keys",
    "https://.example.test/keys",
    f"https://{'a' * 64}.example.test/keys",
    "file:///etc/passwd",
    "gopher://127.0.0.1:25/",
    "ftp://app.example.test/keys",
    "//app.example.test/keys",
    "app.example.test/keys",
    "",
)


AS_ON_THE_INTERNET = PublicFetch()
"""One for all: it reads the authorities that it trusts once."""


def get(url: str, fetch: PublicFetch | None = None, **bounds: Any) -> Fetched:  # noqa: ANN401 - as `get` has them
    """Get a URL as the server would."""

    async def work() -> Fetched:
        return await (fetch or AS_ON_THE_INTERNET).get(url, **bounds)

    return asyncio.run(work())


@pytest.fixture
def connected(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The addresses that are connected to; nobody answers there."""
    connected: list[str] = []

    async def connect(_: object, host: str, *__: object) -> httpcore.AsyncNetworkStream:
        connected.append(host)
        raise httpcore.ConnectError("nobody answers")

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    return connected


@pytest.fixture
def site() -> Generator[ScriptedSite]:
    """What is on this machine and nobody else's business."""
    with ScriptedSite() as site:
        site.put("/secret", b"s3cret")
        yield site


def named(monkeypatch: pytest.MonkeyPatch, *answers: list[str]) -> None:
    """Let names stand for these addresses, one list a look-up."""
    left = iter(answers)

    def look_up(host: str, port: int, *_: object, **__: object) -> list[tuple[Any, ...]]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in next(left)]

    monkeypatch.setattr(socket, "getaddrinfo", look_up)


@pytest.mark.parametrize("address", NOT_PUBLIC)
def test_no_address_of_our_own_network_is_connected_to(address: str, connected: list[str]) -> None:
    """Special-purpose addresses (RFC 6890), in IPv4, IPv6 and IPv4 within IPv6, get not even a connection."""
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(FetchError, match="not a public address"):
        get(f"https://{host}/secret")
    assert connected == []


@pytest.mark.parametrize("host", ["127.1", "0x7f.0.0.1", "0177.0.0.1", "2130706433", "localhost", "localhost."])
def test_other_spellings_of_this_machine(host: str, connected: list[str]) -> None:
    """However a host is written: what it stands for is judged."""
    with pytest.raises(FetchError):
        get(f"https://{host}/secret")
    assert connected == []


@pytest.mark.parametrize("address", REACHED)
def test_public_addresses_are_connected_to(address: str, connected: list[str]) -> None:
    """The table above refuses because of what it says, and not everything."""
    host = f"[{address}]" if ":" in address else address
    with pytest.raises(FetchError, match="nobody answers"):
        get(f"https://{host}/keys")
    assert connected == [address]


@pytest.mark.parametrize("url", UNREADABLE)
def test_urls_that_two_parsers_could_read_in_two_ways(url: str, connected: list[str]) -> None:
    """What is no https URL of a plain host is not asked."""
    with pytest.raises(FetchError):
        get(url)
    assert connected == []


def test_a_name_that_changes_its_mind(connected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: a name is looked up once, and the address that was judged is the one that is connected to."""
    named(monkeypatch, [PUBLIC], ["127.0.0.1"], ["127.0.0.1"])
    with pytest.raises(FetchError, match="nobody answers"):
        get("https://app.example.test/keys")
    assert connected == [PUBLIC]


def test_a_webhook_whose_name_changes_its_mind(
    connected: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """DNS rebinding between two tries: each judges anew what the name stands for, and this machine is told nothing."""
    named(monkeypatch, [PUBLIC], ["127.0.0.1"], ["169.254.169.254", "10.0.0.1"])

    async def work() -> None:
        clock = SettableClock()
        with closing(SqliteDatabase(tmp_path / "gatepass.db", clock)) as database:
            data_key = DataKey(b"k" * 32)
            admin = WebhookAdmin(database, data_key)
            webhook, _ = await admin.add("https://hooks.example.test/", ["user.created"])
            await admin.test(webhook.id)
            sender = WebhookSender(database, AS_ON_THE_INTERNET, data_key)
            for tries, pause in enumerate((0, *PAUSES[:2]), 1):
                clock.advance(pause)
                await sender.send_due()
                while True:  # it is told by a task of its own
                    (delivery,) = await admin.deliveries(webhook.id)
                    if (delivery.tries, delivery.due_at) == (tries, clock() + PAUSES[tries - 1]):
                        break
                    await asyncio.sleep(0.01)
                assert delivery.error == "no_answer"

    asyncio.run(asyncio.wait_for(work(), 20))
    assert connected == [PUBLIC]


def test_a_name_with_an_address_of_each_kind(connected: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Of several addresses only the public ones are tried."""
    named(monkeypatch, ["10.0.0.1", PUBLIC, "127.0.0.1"])
    with pytest.raises(FetchError):
        get("https://app.example.test/keys")
    assert connected == [PUBLIC]


def test_the_connected_socket_has_the_last_word(site: ScriptedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A connection that arrives at another address than it was made to, is closed before anything is sent."""
    plain = httpcore.AnyIOBackend.connect_tcp

    async def astray(backend: httpcore.AnyIOBackend, _: str, *more: Any) -> httpcore.AsyncNetworkStream:  # noqa: ANN401 - as httpcore has it
        return await plain(backend, "127.0.0.1", site.port, *more[1:])

    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", astray)
    with pytest.raises(FetchError, match=r"127\.0\.0\.1 is not a public address"):
        get(f"https://{PUBLIC}/secret")
    assert site.asked == []


def test_this_machine_only_while_the_issuer_is_on_it(site: ScriptedSite) -> None:
    """In development clients are on loopback too, without TLS; a server on the internet has nothing to ask there."""
    at_home = PublicFetch.of(load(flags={"issuer": "http://localhost:8000"}))
    assert get(f"{site.url}/secret", at_home).body == b"s3cret"
    with pytest.raises(FetchError, match="not a public address"):
        get("https://10.0.0.1/secret", at_home)
    away = PublicFetch.of(load(flags={"issuer": "https://auth.example.com", "allow_undeclared_proxy": True}))
    with pytest.raises(FetchError, match="not a public address"):
        get(f"{site.url}/secret", away)
    assert len(site.asked) == 1


def test_a_private_network_that_the_operator_has_named(connected: list[str]) -> None:
    """`fetch_private_networks` opens these networks, and no others."""
    fetch = PublicFetch.of(load(flags={"fetch_private_networks": ["10.1.0.0/16", "fd00::/64"]}))
    for host in ("10.1.2.3", "[fd00::1]", "[::ffff:10.1.2.3]"):
        with pytest.raises(FetchError, match="nobody answers"):
            get(f"https://{host}/keys", fetch)
    for host in ("10.2.0.1", "[fd00:1::1]"):
        with pytest.raises(FetchError, match="not a public address"):
            get(f"https://{host}/keys", fetch)
    assert connected == ["10.1.2.3", "fd00::1", "::ffff:10.1.2.3"]
    with pytest.raises(StartupError, match="fetch_private_networks"):
        load(flags={"fetch_private_networks": ["10.1.0.0/99"]})


def test_a_redirect_is_an_answer_and_no_way_on(site: ScriptedSite) -> None:
    """Where a public host sends us, we do not go."""
    site.put("/moved", b"", status=302, headers={"Location": f"{site.url}/secret"})
    assert get(f"{site.url}/moved", PublicFetch(allow_loopback=True)).status == 302
    assert site.times("/secret") == 0


def test_no_proxy_is_asked(site: ScriptedSite, monkeypatch: pytest.MonkeyPatch) -> None:
    """A proxy of the environment would connect for us, to addresses that nobody has judged."""
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, site.url)
    with pytest.raises(FetchError):
        get("https://10.0.0.1/secret")
    assert site.asked == []


def test_a_certificate_for_another_host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS is checked against the name in the URL, although an address is connected to."""
    cert, key = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", cert)
    with ScriptedSite((cert, key)) as site:
        site.put("/keys", {})
        fetch = PublicFetch(allow_loopback=True)
        assert get(f"{site.url}/keys", fetch).status == 200
        named(monkeypatch, ["127.0.0.1"])
        with pytest.raises(FetchError, match="Hostname mismatch"):
            get(f"https://app.example.test:{site.port}/keys", fetch)
        monkeypatch.delenv("SSL_CERT_FILE")
    assert site.times("/keys") == 1


def test_answers_that_are_too_long_or_packed(site: ScriptedSite) -> None:
    """Reading stops at the bound, and a compressed answer is not unpacked."""
    fetch = PublicFetch(allow_loopback=True)
    site.put("/long", b"x" * 5_001)
    site.put("/packed", b"x", headers={"Content-Encoding": "gzip"})
    with pytest.raises(FetchError, match="more than 5000 bytes"):
        get(f"{site.url}/long", fetch, max_bytes=5_000)
    with pytest.raises(FetchError, match="compressed"):
        get(f"{site.url}/packed", fetch)


def test_an_answer_that_drips(site: ScriptedSite) -> None:
    """The time is for all of it, however often something comes."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        while not site.released.wait(0.02):
            try:
                handler.wfile.write(b" ")
            except OSError:
                return

    site.answers["/drip"] = drip
    with pytest.raises(FetchError, match="no whole answer"):
        get(f"{site.url}/drip", PublicFetch(allow_loopback=True), seconds=0.2)


def test_a_url_is_asked_once_at_a_time(site: ScriptedSite) -> None:
    """However many wait for it, one request is under way; whoever gives up takes it from nobody."""
    begun = threading.Event()

    def slowly(handler: BaseHTTPRequestHandler) -> None:
        begun.set()
        site.released.wait(10)
        handler.send_response(200)
        handler.send_header("Content-Length", "2")
        handler.end_headers()
        handler.wfile.write(b"ok")

    site.answers["/slow"] = slowly

    async def work() -> list[Fetched]:
        fetch = PublicFetch(allow_loopback=True)
        waiting = [asyncio.create_task(fetch.get(f"{site.url}/slow", seconds=20)) for _ in range(3 * MOST_AT_ONCE)]
        await asyncio.to_thread(begun.wait, 10)
        waiting.pop(0).cancel()
        site.released.set()
        answers = await asyncio.gather(*waiting)
        assert not fetch._under_way
        return answers

    assert {answer.body for answer in asyncio.run(work())} == {b"ok"}
    assert site.times("/slow") == 1


def test_a_form_is_posted_under_the_same_rules(site: ScriptedSite, connected: list[str]) -> None:
    """What is sent to a client goes to public addresses only, too."""

    async def post(url: str, fetch: PublicFetch) -> Fetched:
        return await fetch.post(url, {"logout_token": "a.b.c"})

    with pytest.raises(FetchError, match="not a public address"):
        asyncio.run(post("https://169.254.169.254/", AS_ON_THE_INTERNET))
    assert connected == []


def test_a_form_arrives(site: ScriptedSite) -> None:
    """It is a form, once, and the answer's status is told."""
    site.put("/logout", b"", status=204)

    async def post() -> Fetched:
        return await PublicFetch(allow_loopback=True).post(f"{site.url}/logout?a=b", {"logout_token": "a.b+c"})

    site.answers["/logout?a=b"] = site.answers["/logout"]
    assert asyncio.run(post()).status == 204
    (asked,) = site.asked
    assert (asked.method, asked.path, asked.body) == ("POST", "/logout?a=b", b"logout_token=a.b%2Bc")
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert asked.headers["host"] == f"localhost:{site.port}"
