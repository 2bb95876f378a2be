"""What a relay answers, to whom, and what it does with those who come back, ask oddly, or say nothing."""

from __future__ import annotations

import socket
import ssl
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.relays import relay_process, running_relay
from tests.support.scripted_issuer import LIST, SNAPSHOT, STREAM, Clock, ScriptedIssuer, answer
from tests.support.tls import self_signed
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.relay import events as relay_events
from gatepass.relay import protocol, serving
from gatepass.verify.following.sse import Parser

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator
    from pathlib import Path

    from gatepass.verify.following.sse import Message


@pytest.fixture
def issuer() -> Iterator[ScriptedIssuer]:
    """An issuer that behaves."""
    with ScriptedIssuer(clock=Clock(), revokes=True) as server:
        yield server


@pytest.fixture
def relay(issuer: ScriptedIssuer) -> Iterator[str]:
    """A relay of it; its URL."""
    with running_relay(issuer.url, clock=issuer.clock) as url:
        yield url


@contextmanager
def stream(relay: str, last: str = "", query: str = "") -> Generator[Iterator[Message]]:
    """Read the stream."""
    headers = {"last-event-id": last} if last else {}
    with httpx.stream("GET", relay + STREAM + query, headers=headers, timeout=10) as answered:
        assert answered.headers["content-type"] == "text/event-stream"
        parser = Parser()
        yield (message for chunk in answered.iter_raw() for message in parser.feed(chunk))


def next_events(messages: Iterator[Message], count: int) -> list[str]:
    """The next events, without heartbeats."""
    found: list[str] = []
    while len(found) < count:
        message = next(messages)
        if message.event:
            found.append(message.data if message.event == "revoked" else message.event)
    return found


def test_a_reader_that_asks_for_http_2(relay: str) -> None:
    """As Java's own client does in each plain request: it is answered in HTTP/1.1 (RFC 9110 §7.8), and once."""
    address = httpx.URL(relay)
    with socket.create_connection((address.host, address.port or 0), timeout=10) as connected:
        asks = b"Host: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAEAAEAA\r\n\r\n"
        connected.sendall(b"GET %s HTTP/1.1\r\n" % SNAPSHOT.encode() + asks)
        said = b""
        while received := connected.recv(65_536):
            said += received
    assert said.startswith(b"HTTP/1.1 200 ")
    assert said.count(b"HTTP/1.1 ") == 1


# ── the stream ──


def test_a_reader_that_comes_back_gets_what_it_has_missed(issuer: ScriptedIssuer, relay: str) -> None:
    """Each event after its position as the issuer has signed it, in order, by header or query; then what is new."""
    with stream(relay) as first:
        assert next_events(first, 1) == ["hello"]
        for index in (5, 6, 7):
            issuer.revoke(index)
        assert next_events(first, 3) == [message for _, message in issuer.log]
    for position in ({"last": "e1:1"}, {"query": "?after=e1:1"}):
        with stream(relay, **position) as again:
            assert next_events(again, 3) == ["hello", *(message for _, message in issuer.log[1:])]
    with stream(relay, last="e1:3") as current:
        assert next_events(current, 1) == ["hello"]
        issuer.revoke(8)
        assert next_events(current, 1) == [issuer.log[-1][1]]


def test_a_reader_whose_events_are_not_kept_has_to_start_over(
    issuer: ScriptedIssuer, relay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One of another epoch, and one that was away for too long."""
    monkeypatch.setattr(relay_events, "_MOST_EVENTS", 2)
    with stream(relay) as messages:
        assert next_events(messages, 1) == ["hello"]
        for index in (5, 6, 7):
            issuer.revoke(index)
        next_events(messages, 3)
    for position, begins in {"e0:3": "resync", "e1:0": "resync", "e1:1": "hello", "nonsense": "hello"}.items():
        with stream(relay, last=position) as messages:
            assert next_events(messages, 1) == [begins], position


def test_many_revocations_at_once_are_kept_by_their_number(
    issuer: ScriptedIssuer, relay: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few large events take the place of many small ones."""
    monkeypatch.setattr(relay_events, "_MOST_REVOCATIONS", 10)
    with stream(relay) as messages:
        next_events(messages, 1)
        issuer.revoke(1, jti="tok_9")
        issuer.revoke(*range(10, 18))
        next_events(messages, 2)
    with stream(relay, last="e1:0") as messages:
        assert next_events(messages, 1) == ["resync"]
    with stream(relay, last="e1:1") as messages:
        assert next_events(messages, 2) == ["hello", issuer.log[1][1]]


def test_a_reader_that_is_further_than_the_relay(relay: str) -> None:
    """It is sent away for a moment, and not told to start over."""
    refused = httpx.get(relay + STREAM, headers={"last-event-id": "e1:9"})
    assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


def test_the_relay_has_to_start_over_itself(issuer: ScriptedIssuer, relay: str) -> None:
    """Its readers are told so, and greeted with the new position when they come again."""
    with stream(relay) as messages:
        assert next_events(messages, 1) == ["hello"]
        issuer.epoch, issuer.log, issuer.event_id = "e2", [], 7
        issuer.say(b'event: resync\ndata: {"epoch":"e2","event_id":7}\n\n')
        assert next_events(messages, 1) == ["resync"]
    eventually(lambda: httpx.get(relay + "/health").json()["epoch"] == "e2")
    eventually(lambda: httpx.get(relay + "/ready").status_code == 200)
    with stream(relay, last="e2:7") as messages:
        assert next(messages).event == "hello"


def test_a_stream_ends_in_an_orderly_way(issuer: ScriptedIssuer, relay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """After its time it is closed with a last chunk, so that the reader can tell an end from a break."""
    monkeypatch.setattr(protocol, "_STREAM_SECONDS", (0.05, 0.05))
    with httpx.stream("GET", relay + STREAM, timeout=10) as answered:
        assert b"event: hello" in b"".join(answered.iter_raw())


# ── documents ──


def test_documents_are_the_issuers_octets(issuer: ScriptedIssuer, relay: str) -> None:
    """With their media types and an entity tag; unchanged ones are not sent again; a HEAD has no body."""
    for path, media_type in ((LIST, "application/statuslist+jwt"), (SNAPSHOT, "application/jwt")):
        found = httpx.get(relay + path)
        assert found.headers["content-type"] == media_type
        assert found.text.split(".")[1] == (issuer.status_list() if path == LIST else issuer.snapshot()).split(".")[1]
        unchanged = httpx.get(relay + path, headers={"if-none-match": found.headers["etag"]})
        assert (unchanged.status_code, unchanged.content) == (304, b"")
        head = httpx.head(relay + path)
        assert (head.status_code, head.headers["content-length"]) == (200, str(len(found.content)))
    assert issuer.requests.count(LIST) == 1


def test_a_list_that_an_event_has_changed_is_fetched_again(issuer: ScriptedIssuer, relay: str) -> None:
    """One that has not, is not; nor twice for two who ask."""
    before = httpx.get(relay + LIST).content
    with stream(relay) as messages:
        next_events(messages, 1)
        issuer.revoke(5)
        next_events(messages, 1)
    after = [httpx.get(relay + LIST).content for _ in range(2)]
    assert after[0] == after[1] != before
    assert issuer.requests.count(LIST) == 2


def test_a_list_is_kept_while_the_issuer_fails(issuer: ScriptedIssuer, relay: str) -> None:
    """Better an old one, which shows its age, than none."""
    before = httpx.get(relay + LIST).content
    issuer.scripts[LIST] = lambda connection: answer(connection, b"", status=500)
    issuer.clock.advance(20)  # type: ignore[attr-defined] # the fixture's
    assert httpx.get(relay + LIST).content == before
    assert issuer.requests.count(LIST) == 2


def test_few_lists_are_kept(issuer: ScriptedIssuer, relay: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that was asked for least recently goes."""
    monkeypatch.setattr("gatepass.relay.documents.MAX_LISTS", 2)
    for number in range(4):
        issuer.bits[f"/status/1{number}"] = type(issuer.bits[LIST])()
    for number in (0, 1, 2, 3, 0):
        assert httpx.get(f"{relay}/status/1{number}").status_code == 200
    assert issuer.requests.count("/status/10") == 2


# ── how it is ──


def test_it_says_how_it_is(issuer: ScriptedIssuer, relay: str) -> None:
    """Alive is not ready: without proofs a load balancer is to look elsewhere, and streams are refused."""
    with stream(relay) as messages:
        next(messages)
        told = httpx.get(relay + "/health").json()
    assert told["feed"] == "live"
    assert (told["upstream"], told["epoch"], told["readers"]) == (issuer.url, "e1", 1)
    assert httpx.get(relay + "/ready").status_code == 200
    issuer.beats = False
    issuer.clock.advance(30)  # type: ignore[attr-defined] # as above
    assert httpx.get(relay + "/ready").status_code == 503
    assert httpx.get(relay + "/health").status_code == 200
    assert httpx.get(relay + STREAM).status_code == 503
    assert httpx.get(relay + "/status/8").status_code == 503


# ── connections ──


@contextmanager
def connected(relay: str) -> Generator[socket.socket]:
    """A connection, and nothing else."""
    url = httpx.URL(relay)
    with closing(socket.create_connection((url.host, url.port or 0), timeout=10)) as connection:
        yield connection


def test_one_connection_serves_many_requests(issuer: ScriptedIssuer, relay: str) -> None:
    """Kept open between them, unless the client says otherwise."""
    with connected(relay) as connection:
        for _ in range(3):
            connection.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\n\r\n")
            assert connection.recv(65536).startswith(b"HTTP/1.1 200 OK\r\n")
        connection.sendall(b"GET /health HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
        octets = b""
        while received := connection.recv(65536):
            octets += received
        assert octets.startswith(b"HTTP/1.1 200 OK\r\n")


def test_those_that_say_nothing_are_closed(issuer: ScriptedIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether they have said nothing at all, or half a head; who reads the stream is not among them."""
    monkeypatch.setattr(serving, "_IDLE_SECONDS", 0.1)
    monkeypatch.setattr(serving, "_SWEEP_SECONDS", 0.05)
    with running_relay(issuer.url, clock=issuer.clock) as relay, stream(relay) as messages:
        next(messages)
        with connected(relay) as mute, connected(relay) as slow:
            slow.sendall(b"GET /health HTT")
            assert (mute.recv(1), slow.recv(1)) == (b"", b"")
        issuer.revoke(5)
        assert next_events(messages, 1)


def test_one_too_many_is_refused(issuer: ScriptedIssuer, monkeypatch: pytest.MonkeyPatch) -> None:
    """As soon as it connects, so that those that are there are served."""
    monkeypatch.setattr(serving, "_MOST", 1)
    with running_relay(issuer.url, clock=issuer.clock) as relay, stream(relay) as messages:
        next(messages)
        with connected(relay) as another:
            assert another.recv(65536).startswith(b"HTTP/1.1 503 ")


def test_it_serves_tls(issuer: ScriptedIssuer, tmp_path: Path) -> None:
    """With a certificate and its key."""
    certificate, key = self_signed(tmp_path)
    words = ("--tls-cert", certificate, "--tls-key", key)
    issuer.clock.now = time.time()  # type: ignore[attr-defined] # a process has a clock of its own
    with relay_process(issuer.url, words=words) as (_, url):
        assert url.startswith("https://")
        context = ssl.create_default_context(cafile=certificate)
        context.check_hostname = False
        assert httpx.get(url + "/health", verify=context).status_code == 200


# ── the command ──


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--issuer", "http://auth.example.com"], "issuer must be an https URL"),
        (["--issuer", "https://auth.example.com", "--upstream", "relay"], "a relay is an http or https URL"),
        (["--issuer", "https://auth.example.com", "--ca-file", "none.pem"], "ca_file cannot be read"),
    ],
)
def test_a_command_that_cannot_be(words: list[str], says: str, capsys: pytest.CaptureFixture[str]) -> None:
    """It says what is wrong, and where to look."""
    with pytest.raises(SystemExit):
        main(["relay", *words])
    said = capsys.readouterr().err
    assert said.startswith(f"error: {says}")
    assert "hint: gatepass relay --help" in said


def test_an_issuer_that_publishes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    """There is nothing to relay, which is said, and not waited for."""
    with ScriptedIssuer(clock=Clock()) as silent, pytest.raises(SystemExit):
        main(["relay", "--issuer", silent.url, "--port", "0"])
    assert "publishes no revocations" in capsys.readouterr().err


def test_a_port_that_is_taken(issuer: ScriptedIssuer, capsys: pytest.CaptureFixture[str]) -> None:
    """It is said."""
    with closing(socket.create_server(("127.0.0.1", 0))) as taken, pytest.raises(SystemExit):
        main(["relay", "--issuer", issuer.url, "--port", str(taken.getsockname()[1])])
    assert "error: Cannot listen" in capsys.readouterr().err
