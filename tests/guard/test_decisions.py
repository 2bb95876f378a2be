"""What `gatepass guard` answers to whoever asks it, and what it makes of bad questions."""

from __future__ import annotations

import re
import socket
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.bridges import SECRET, ForeignIssuer, running_bridge, transmitters
from tests.support.commands import add_client
from tests.support.factors import bearer
from tests.support.guarded import guard
from tests.support.organizations import Operating, Person
from tests.support.server import SettableClock, running_server
from tests.support.wait import soon

from gatepass.cli.guard import requiring
from gatepass.guard.identity import NAMES, headers_of
from gatepass.jose import Key
from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens import dpop_proof
from gatepass.verify import Principal, Verifier
from gatepass.verify.guard import Guard
from gatepass.verify.organization import PrincipalOrganization

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.server import RunningServer

API = "https://api.example.test"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """One server for the module."""
    settings: dict[str, Any] = {"audience": (API,), "attempts_per_address": 1_000}
    folder = tmp_path_factory.mktemp("server")
    with running_server(folder, SettableClock(time.time()), is_awaited=False, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client of it."""
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def asked(server: RunningServer) -> Generator[httpx.Client]:
    """A client of a guard that lets editors and administrators in, and lists no proxy."""
    with guard(server.url, API, "--require", "role=editor|admin") as url, httpx.Client(base_url=url) as client:
        yield client


def test_what_is_required(server: RunningServer, api: httpx.Client, asked: httpx.Client) -> None:
    """Without the role 403, with the challenge of RFC 6750; with it 200. Every answer has every header."""
    ann, ops = Person(api), Operating.at(server, api)
    without = asked.get("/", headers=bearer(ann.pair["token"]))
    assert (without.status_code, without.headers["x-auth-subject"]) == (403, "")
    assert 'error="insufficient_scope"' in without.headers["www-authenticate"]
    changed = api.patch(f"/admin/users/{ann.id}", json={"roles": ["editor", "z"]}, headers=ops.header)
    assert changed.status_code == 200
    ann.refresh()
    good = [asked.request(way, "/any/path?at=all", headers=bearer(ann.pair["token"])) for way in ("GET", "POST", "PUT")]
    assert [(told.status_code, told.headers["x-auth-roles"]) for told in good] == [(200, "editor z")] * 3
    for answer in (without, *good, asked.get("/")):
        assert [name for name in NAMES if name.lower() not in answer.headers] == []
        assert answer.headers["cache-control"] == "no-store"


def test_whoever_asks_directly_says_nothing_of_the_request(
    server: RunningServer, api: httpx.Client, asked: httpx.Client
) -> None:
    """A peer that is not listed is not believed its X-Forwarded-…: a proof about them opens nothing."""
    key = Key.generate("ES256")
    client = add_client(server, "service", "--audience", API, "--require-dpop")
    made = dpop_proof.make(key, method="POST", url=f"{server.url}/oauth/token", now=time.time())
    form = {"grant_type": "client_credentials"}
    token = api.post("/oauth/token", data=form, headers={**client.basic, "DPoP": made}).json()["access_token"]
    proof = dpop_proof.make(key, method="GET", url=f"{API}/orders", now=time.time(), token=token)
    said = {
        "X-Forwarded-Method": "GET",
        "X-Forwarded-Proto": "https",
        "X-Forwarded-Host": API.removeprefix("https://"),
        "X-Forwarded-Uri": "/orders",
    }
    answer = asked.get("/orders", headers={"authorization": f"DPoP {token}", "DPoP": proof, **said})
    assert answer.status_code == 401
    assert 'error="invalid_dpop_proof"' in answer.headers["www-authenticate"]


def test_an_issuer_that_is_away(tmp_path: Path) -> None:
    """Nothing is known, so nobody is let in: 503, also over a Unix socket."""
    path = tmp_path / "guard.sock"
    clock = SettableClock(time.time())
    with running_server(tmp_path / "data", clock, audience=(API,)) as server, server.client() as api:
        pair = Person(api).pair
    with guard(server.url, API, "--unix", str(path)) as said:
        assert said == str(path)
        assert path.stat().st_mode & 0o777 == 0o660
        transport = httpx.HTTPTransport(uds=said)
        with httpx.Client(transport=transport, base_url="http://guard", timeout=30) as asked:
            away = asked.get("/", headers=bearer(pair["token"]))
            assert (away.status_code, away.headers["x-auth-subject"]) == (503, "")
            assert int(away.headers["retry-after"]) > 0
    assert not path.exists()


def exchange(url: str, sent: bytes) -> bytes:
    """Send octets and read until the end."""
    parts = httpx.URL(url)
    with socket.create_connection((parts.host, parts.port or 0), timeout=10) as connection:
        received = b""
        with suppress(ConnectionError):  # it hung up before it had read everything
            connection.sendall(sent)
        with suppress(OSError):  # "not connected", for the same reason
            connection.shutdown(socket.SHUT_WR)
        with suppress(ConnectionError):
            while more := connection.recv(65_536):
                received += more
        return received


BAD = {
    "no HTTP": b"hello\r\n\r\n",
    "two lengths": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length and chunks": b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "a head without end": b"GET / HTTP/1.1\r\nX: " + b"a" * 70_000,
    "many headers": b"GET / HTTP/1.1\r\n" + b"X: aaaaaaaa\r\n" * 10_000 + b"\r\n",
    "half a request": b"GET / HTTP/1.1\r\nAuth",
    "an upgrade": b"GET / HTTP/1.1\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
}


@pytest.mark.parametrize("name", BAD)
def test_bad_questions(asked: httpx.Client, name: str) -> None:
    """None is answered by 2xx, and guard goes on."""
    said = exchange(str(asked.base_url), BAD[name])
    assert not said.startswith(b"HTTP/1.1 2")
    assert b" 200 OK" not in said
    assert asked.get("/").status_code == 401


def test_two_tokens_are_none(api: httpx.Client, asked: httpx.Client) -> None:
    """Two Authorization headers may mean one thing to guard and another to the application: 400."""
    token = Person(api).pair["token"].encode()
    lines = b"Authorization: Bearer " + token + b"\r\n"
    said = exchange(str(asked.base_url), b"GET / HTTP/1.1\r\nHost: x\r\n" + lines + lines + b"\r\n")
    assert said.startswith(b"HTTP/1.1 400")


def test_questions_are_answered_in_their_order(api: httpx.Client, asked: httpx.Client) -> None:
    """Many at once on one connection, of which some have to wait: each gets its own answer."""
    tokens = [Person(api).pair["token"] if number % 2 else "bad.bad.bad" for number in range(6)]
    sent = b"".join(b"GET / HTTP/1.1\r\nAuthorization: Bearer %s\r\n\r\n" % token.encode() for token in tokens)
    statuses = re.findall(rb"HTTP/1\.1 (\d+)", exchange(str(asked.base_url), sent))
    assert statuses == [b"401", b"403"] * 3


def test_an_answer_to_head_has_no_body(api: httpx.Client, asked: httpx.Client) -> None:
    """Otherwise its octets would be read as the next answer of the connection."""
    tokens = ("bad.bad.bad", Person(api).pair["token"], "bad.bad.bad")
    sent = b"".join(b"HEAD / HTTP/1.1\r\nAuthorization: Bearer %s\r\n\r\n" % token.encode() for token in tokens)
    heads = exchange(str(asked.base_url), sent).split(b"\r\n\r\n")
    assert [head[:12] for head in heads] == [b"HTTP/1.1 401", b"HTTP/1.1 403", b"HTTP/1.1 401", b""]


HOSTILE = "a b,c;\r\nX-Auth-Roles: admin\u20ac%"


def test_values_cannot_end_a_header() -> None:
    """Whatever a name is made of, it stands in its header as one word, and can be read back."""
    organization = PrincipalOrganization(id=HOSTILE, roles=frozenset({HOSTILE, "plain"}))
    principal = Principal(subject=HOSTILE, roles=frozenset({HOSTILE, "b"}), organization=organization)
    told = dict(headers_of(principal))
    for value in told.values():
        assert value.isascii()
        assert not set(value) & set("\r\n,;")
    assert httpx.URL(f"http://x/{told['X-Auth-Subject']}").path == f"/{HOSTILE}"
    assert len(told["X-Auth-Roles"].split(" ")) == 2
    assert told["X-Auth-Expires"] == ""


@pytest.mark.parametrize("word", ["role", "role=", "sub=ada", "organization=a organization=b", "max_age=soon", "=x"])
def test_what_cannot_be_required(word: str) -> None:
    """A typo ends the start, and is no open door."""
    verifier = Verifier(issuer="https://auth.example.com", audience=API, keys=Key.generate("ES256"))
    with pytest.raises((InvalidPolicyError, ValueError)):
        requiring(Guard[Principal](verifier), tuple(word.split()))


def test_guard_follows_a_bridge(tmp_path: Path) -> None:
    """With `--feed-url` and its siblings a token of an issuer without a feed is refused after its notice."""
    (tmp_path / "secret").write_text(SECRET + "\n")
    with ForeignIssuer(clock=time.time) as issuer:
        now, made = int(time.time()), transmitters(issuer.url, tmp_path)
        token = issuer.token(typ="JWT", iat=now, exp=now + 900, oid="id-of-ann")
        with running_bridge(tmp_path, *made, clock=time.time) as bridge:
            words = [
                "--feed-url",
                f"{bridge.url}/revocations",
                "--feed-issuer",
                bridge.url,
                "--feed-subject",
                "oid",
                "--typ",
                "JWT",
            ]
            with guard(issuer.url, "my-api", *words, "--feed-secret-file", str(tmp_path / "secret")) as url:
                headers = {"authorization": f"Bearer {token}"}
                assert httpx.get(url, headers=headers).status_code == 200
                assert bridge.revoke({"format": "opaque", "id": "id-of-ann"}).status_code == 204
                soon(lambda: httpx.get(url, headers=headers).status_code == 401)
