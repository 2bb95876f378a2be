"""Relays that lie, are silent, or are run by an attacker: none takes a revocation back, or makes old news look fresh.

THREATS: freshness comes only from signed heartbeats, relays are configured and never learned, an older epoch or head
never replaces a newer one, and the keys come from the issuer only. A heartbeat comes every two seconds; what is noticed
has to be noticed within two of them.
"""

from __future__ import annotations

import asyncio
import base64
import socket
from contextlib import ExitStack, suppress
from typing import TYPE_CHECKING, cast

import httpx
import pytest
from tests.support.relays import running_relay
from tests.support.revocation_reader import OFFER, URL, Reader, principal
from tests.support.scripted_issuer import (
    JWKS,
    LIST,
    METADATA,
    SNAPSHOT,
    STREAM,
    STREAM_HEAD,
    Clock,
    ScriptedIssuer,
    answer,
    comment,
    sse,
)
from tests.support.tls import self_signed
from tests.support.wait import eventually

from gatepass.jose import JoseError, Key
from gatepass.jose.errors import InvalidPolicyError
from gatepass.relay.documents import RelayedDocument
from gatepass.relay.places import Places
from gatepass.relay.protocol import ReaderConnection
from gatepass.tokens.heartbeat import INTERVAL_SECONDS
from gatepass.tokens.revocation_event import Revoked
from gatepass.verify import Verifier
from gatepass.verify.following import upstreams
from gatepass.verify.following.stream import LostError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from gatepass.relay.relaying import Relay

A, B = "https://relay-a.example.com", "https://relay-b.example.com"
NOTICED_SECONDS = 2 * INTERVAL_SECONDS
STEP = 0.25


@pytest.fixture
def live() -> Reader:
    """A follower of two relays, which is live by the first one."""
    reader = Reader(relays=(A, B))
    reader.start()
    assert reader.feed() == "live"
    assert reader.stream.upstreams.place == 0
    return reader


def seconds_until_it_goes_on(reader: Reader, what_comes: Callable[[float], None]) -> tuple[float, str]:
    """Let time pass, with what comes meanwhile, until a stream is opened elsewhere: after how long, and where."""
    passed = 0.0
    while (url := reader.stream.due(reader.now)) is None:
        assert passed < 1000
        reader.advance(STEP)
        passed += STEP
        what_comes(passed)
    return passed, url


def on_the_beat(act: Callable[[], None]) -> Callable[[float], None]:
    """Do it every two seconds."""
    return lambda passed: act() if passed % INTERVAL_SECONDS == 0 else None


# ── noticed within two heartbeats, by a clock that is set ─────────────────────────────────────────────────────────────


def test_a_relay_that_drops_one_event(live: Reader) -> None:
    """The next heartbeat knows of an event that never came: start over, and elsewhere."""
    live.issuer.revoke(5)
    live.advance(INTERVAL_SECONDS)
    with pytest.raises(LostError):
        live.beat()
    live.close(is_faulty=True)
    assert {want.relay for want in live.wants()} == {B + SNAPSHOT, B + LIST}
    live.take_snapshot()
    live.take_list()
    passed, url = seconds_until_it_goes_on(live, lambda _: None)
    assert INTERVAL_SECONDS + passed <= NOTICED_SECONDS
    assert url == B + STREAM
    assert live.verdict(principal(5)) == "revoked"


def test_a_relay_that_is_silent(live: Reader) -> None:
    """It is doubted before two heartbeats are missing, and the next one is asked beside it."""
    passed, url = seconds_until_it_goes_on(live, lambda _: None)
    assert passed <= NOTICED_SECONDS
    assert url == B + STREAM


@pytest.mark.parametrize("also", ["", "comments"])
def test_a_relay_that_replays_heartbeats(live: Reader, also: str) -> None:
    """The same proof again, and comments between, are no news, although the stream is never silent."""
    old = live.issuer.heartbeat()
    live.beat(old)

    def replay() -> None:
        live.beat(old)
        if also:
            live.stream.hear_comment(live.connection, live.now)

    live.issuer.revoke(5)
    passed, url = seconds_until_it_goes_on(live, lambda _: replay())
    assert passed <= NOTICED_SECONDS
    assert url == B + STREAM
    live.advance(10)
    assert live.feed() != "live"


def test_a_relay_that_replays_yesterdays_stream(live: Reader) -> None:
    """A recording goes on at the right pace, and is as old as it is."""
    recorded = [live.issuer.heartbeat(as_of=live.now.wall - 86_400 + 2 * each) for each in range(10)]
    passed, url = seconds_until_it_goes_on(live, on_the_beat(lambda: live.beat(recorded.pop(0))))
    assert passed <= NOTICED_SECONDS
    assert url == B + STREAM


def test_a_relay_that_replays_over_ever_new_connections(live: Reader) -> None:
    """One heartbeat at each connection is no more news than at one."""
    old = live.issuer.heartbeat()
    live.beat(old)
    passed = 0.0
    while live.stream.upstreams.place == 0:
        live.close()
        live.advance(0.5)
        passed += 0.5
        if live.stream.due(live.now) == A + STREAM:
            live.open()
            live.hello()
            live.beat(old)
    assert passed <= NOTICED_SECONDS


def test_a_relay_that_greets_with_a_place_that_nobody_reaches() -> None:
    """It keeps the follower from being live, so it is left, although its heartbeats are true."""
    reader = Reader(relays=(A, B))
    reader.documents.learn_offer(OFFER)
    reader.take_snapshot()
    assert reader.stream.due(reader.now) == A + STREAM
    reader.open()
    reader.hello(event_id=10**6)
    passed, url = seconds_until_it_goes_on(reader, on_the_beat(reader.beat))
    assert passed <= NOTICED_SECONDS
    assert url == B + STREAM


def test_a_relay_of_another_epoch_than_ours(live: Reader) -> None:
    """An older epoch never replaces ours: the relay is left, and what was revoked stays so."""
    live.issuer.revoke(5, jti="tok_1")
    live.hear_last()
    live.close()
    live.advance(2)
    assert live.stream.due(live.now) == A + STREAM
    live.open()
    with pytest.raises(LostError):
        live.hello(epoch="e0", event_id=1)
    live.close(is_faulty=True)
    assert live.stream.upstreams.place == 1
    old = live.issuer.snapshot(epoch="e0", event_id=1, iat=int(live.now.wall) - 3600, jtis={}, kids=())
    with pytest.raises(JoseError, match="older"):
        live.take_snapshot(old)
    assert live.verdict(principal(5)) == "revoked"


def test_no_relay_serves_and_the_issuer_is_down() -> None:
    """In an hour each asks the issuer a few times, though it asks relays all the while: no crowd at its door."""
    reader = Reader(relays=(A, B))
    reader.documents.learn_offer(OFFER)
    reader.take_snapshot()
    asked = {A + STREAM: 0, B + STREAM: 0, URL + STREAM: 0}
    for _ in range(4 * 3600):
        reader.advance(STEP)
        url = reader.stream.due(reader.now)
        if url is not None:
            asked[url] += 1
            reader.open()
            reader.close()
    assert asked[URL + STREAM] <= 12
    assert asked[A + STREAM] > 300
    assert asked[B + STREAM] > 300


def test_a_follower_comes_back_to_a_relay_that_it_has_left(live: Reader) -> None:
    """After a minute or more the first one is tried again, beside the stream that works, and less often each time."""
    waits = []
    for _ in range(3):
        _, url = seconds_until_it_goes_on(live, lambda _: None)
        assert url == B + STREAM
        live.open()
        live.hello()
        live.beat()
        passed, url = seconds_until_it_goes_on(live, on_the_beat(live.beat))
        assert url == A + STREAM
        assert live.feed() == "live"
        live.open()
        live.hello()
        waits.append(passed)
    assert 60 < waits[0] < waits[1] < waits[2] <= 900


def test_a_relay_that_is_still_dead_costs_nothing(live: Reader) -> None:
    """What works is kept while the first one is tried in vain."""
    seconds_until_it_goes_on(live, lambda _: None)
    live.open()
    live.hello()
    live.beat()
    works = live.connection
    for _ in range(2):
        _, url = seconds_until_it_goes_on(live, on_the_beat(live.beat))
        assert url == A + STREAM
        live.open()
        live.beat()  # of the stream that works
        live.close()
        live.connection = works
        live.advance(1)
        live.beat()
        assert live.feed() == "live"
        assert live.stream.due(live.now) is None
        assert not live.stream.is_given_up(works, live.now)


@pytest.mark.parametrize(
    "relay", ["relay.example.com", "ftp://relay.example.com", "https://user@relay.example.com", "https://r/?a=b", ""]
)
def test_a_relay_is_a_url(relay: str) -> None:
    """What is none is refused when the verifier is made; http will do, since all is signed and nothing is secret."""
    with pytest.raises(InvalidPolicyError):
        Verifier(issuer=URL, audience="my-api", relays=[relay])
    Verifier(issuer=URL, audience="my-api", relays=["http://relay.internal:8082/"]).close()


@pytest.mark.parametrize("policy", [{"revocation": None}, {"keys": Key.generate("ES256").public()}])
def test_relays_without_anything_to_relay(policy: dict[str, object]) -> None:
    """Whoever names relays wants to follow: a policy that does not is a mistake."""
    with pytest.raises(InvalidPolicyError):
        Verifier(issuer=URL, audience="my-api", relays=[A], **policy)  # type: ignore[arg-type]


# ── over HTTP ─────────────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.fixture
def clock() -> Clock:
    """Time stands still unless told."""
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> Iterator[ScriptedIssuer]:
    """An issuer that behaves."""
    with ScriptedIssuer(clock=clock, revokes=True) as server:
        yield server


@pytest.fixture
def relay(issuer: ScriptedIssuer) -> Iterator[ScriptedIssuer]:
    """Somebody's relay, which behaves until it is told otherwise: it answers in the issuer's name, at another port."""
    with ScriptedIssuer(clock=issuer.clock, revokes=True) as server:
        server.url, server.keys = issuer.url, issuer.keys
        yield server


@pytest.fixture
def verifier(
    issuer: ScriptedIssuer, relay: ScriptedIssuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Verifier]:
    """A verifier of that relay that refuses when it does not know, and doubts soon, since tests have no time."""
    monkeypatch.setattr(upstreams, "DOUBT_SECONDS", 0.4)
    monkeypatch.setattr(upstreams, "_CROWD_SECONDS", (0.1, 0.1))
    with Verifier(
        issuer=issuer.url,
        audience="my-api",
        clock=clock,
        stale="refuse",
        relays=[relay.origin],
        client_id="api",
        client_secret="a secret of this client",
    ) as made:
        yield made


def verdict(verifier: Verifier, token: str) -> str:
    """Say what becomes of a token."""
    try:
        verifier.verify(token)
    except JoseError as error:
        return error.code
    return "good"


def ticking(verifier: Verifier, holds: Callable[[], bool]) -> None:
    """Let time pass until it holds."""
    clock = verifier.clock
    assert isinstance(clock, Clock)

    def tries() -> bool:
        clock.advance(0.05)
        return holds()

    eventually(tries)


def test_a_good_relay_is_asked_for_everything_but_keys(
    issuer: ScriptedIssuer, relay: ScriptedIssuer, verifier: Verifier
) -> None:
    """Stream, snapshot and lists come from it; the metadata, the keys and our secret go to the issuer only."""
    token = issuer.token(status=issuer.at(5))
    assert verdict(verifier, token) == "good"
    ticking(verifier, lambda: verifier.health().feed == "live")
    relay.revoke(5)
    ticking(verifier, lambda: verdict(verifier, token) == "revoked")
    assert {STREAM, SNAPSHOT, LIST} <= set(relay.requests)
    assert set(issuer.requests) == {METADATA, JWKS}
    assert {METADATA, JWKS}.isdisjoint(relay.requests)
    secret = base64.b64encode(b"api:a+secret+of+this+client")
    assert all(b"authorization" not in head.lower() and secret not in head for head in relay.heads)


def test_a_relay_with_keys_of_its_own(issuer: ScriptedIssuer, relay: ScriptedIssuer, verifier: Verifier) -> None:
    """It publishes a key set, and signs under the honest key's name: it is never asked, and nothing is taken."""
    thief = Key.generate("ES256", kid=issuer.keys[0].kid)
    relay.keys = [thief]
    issuer.revoke(5)
    token = issuer.token(status=issuer.at(5))
    assert verdict(verifier, token) != "good"
    ticking(verifier, lambda: verdict(verifier, token) == "revoked")
    assert verdict(verifier, issuer.token(thief, jti="tok_2")) == "bad_signature"
    assert {METADATA, JWKS}.isdisjoint(relay.requests)
    assert verifier.health().refusals > 0


def test_a_relay_that_forges_an_event(issuer: ScriptedIssuer, relay: ScriptedIssuer, verifier: Verifier) -> None:
    """It revokes nobody by it, and is left for the issuer."""
    token = issuer.token(status=issuer.at(5))
    assert verdict(verifier, token) == "good"
    ticking(verifier, lambda: verifier.health().feed == "live")
    revoked = Revoked(after=0, status=((issuer.url + LIST, (5,)),))
    relay.say(sse("revoked", relay.event(revoked, 1, key=Key.generate("ES256", kid=issuer.keys[0].kid))))
    ticking(verifier, lambda: STREAM in issuer.requests and verifier.health().feed == "live")
    assert verdict(verifier, token) == "good"
    assert verifier.health().refusals == 1


def test_an_old_epoch_for_a_cold_follower(
    issuer: ScriptedIssuer, relay: ScriptedIssuer, verifier: Verifier, clock: Clock
) -> None:
    """Documents and heartbeats of an hour ago, all truly signed, show their age: nobody is let in by them."""
    issuer.epoch = "e2"
    issuer.revoke(5)
    for path, old in ((SNAPSHOT, relay.snapshot()), (LIST, relay.status_list())):
        relay.scripts[path] = lambda connection, old=old: answer(connection, old.encode())  # type: ignore[misc]
    beat = comment(f"heartbeat {relay.heartbeat()}")
    where = sse("hello", '{"epoch":"e1","event_id":0}')

    def play(connection: socket.socket) -> None:
        connection.sendall(STREAM_HEAD + where + beat)
        relay.released.wait(10)

    relay.scripts[STREAM] = play
    clock.advance(3600)
    token = issuer.token(status=issuer.at(5), exp=int(clock()) + 900)
    assert verdict(verifier, token) == "revocation_stale"
    assert verifier.health().feed != "live"
    seen = set[str]()

    def tries() -> bool:
        seen.add(verdict(verifier, token))
        return "revoked" in seen

    ticking(verifier, tries)
    assert seen == {"revocation_stale", "revoked"}
    ticking(verifier, lambda: verifier.health().feed == "live")
    assert verifier.health().epoch == "e2"


@pytest.mark.parametrize("status", [404, 503, 302, 200])
def test_a_relay_that_withholds_a_list(
    issuer: ScriptedIssuer, relay: ScriptedIssuer, verifier: Verifier, status: int
) -> None:
    """It says that there is none, or nothing that can be read: the issuer is asked, while its stream goes on."""
    issuer.revoke(5)
    relay.epoch, relay.event_id, relay.log, relay.bits = issuer.epoch, issuer.event_id, issuer.log, issuer.bits
    headers = {"Location": "http://127.0.0.1:9/"} if status == 302 else {}
    relay.scripts[LIST] = lambda connection: answer(connection, b"no", status=status, headers=headers)
    token = issuer.token(status=issuer.at(5))
    ticking(verifier, lambda: verdict(verifier, token) == "revoked")
    assert STREAM not in issuer.requests


def test_a_relay_that_serves_an_old_list_beside_a_true_stream(
    issuer: ScriptedIssuer, relay: ScriptedIssuer, verifier: Verifier, clock: Clock
) -> None:
    """A list of an hour ago cannot be all that there is while the issuer lives: another one is fetched elsewhere."""
    old = relay.status_list(exp=int(clock()) + 86_400)
    relay.scripts[LIST] = lambda connection: answer(connection, old.encode())
    clock.advance(3600)
    issuer.revoke(5)
    relay.epoch, relay.event_id, relay.log = issuer.epoch, issuer.event_id, issuer.log
    token = issuer.token(status=issuer.at(5), exp=int(clock()) + 900)
    verifier.start()
    seen = set[str]()

    def tries() -> bool:
        seen.add(verdict(verifier, token))
        return "revoked" in seen

    ticking(verifier, tries)
    assert "good" not in seen
    assert STREAM not in issuer.requests


# ── our own relay, whose upstream lies, and who is asked by strangers ────────────────────────────────────────────────


def test_our_relay_spreads_nothing_that_is_forged(
    issuer: ScriptedIssuer, relay: ScriptedIssuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What its followers would refuse, it refuses: a forged event and a forged list never leave it."""
    monkeypatch.setattr(upstreams, "_CROWD_SECONDS", (0.1, 0.1))
    forger = Key.generate("ES256", kid=issuer.keys[0].kid)
    relay.scripts[LIST] = lambda connection: answer(connection, relay.status_list(key=forger).encode())
    with running_relay(issuer.url, relay.origin, clock=clock) as ours:
        with httpx.stream("GET", ours + STREAM) as stream:
            chunks = stream.iter_raw()
            assert b"event: hello" in next(chunks)
            forged = relay.event(Revoked(after=0, status=((issuer.url + LIST, (5,)),)), 1, key=forger)
            relay.say(sse("revoked", forged))
            eventually(lambda: STREAM in issuer.requests)
            issuer.revoke(6)
            heard = b""
            while b"event: revoked" not in heard and b"event: resync" not in heard:
                heard += next(chunks)
        assert forged.encode() not in heard
        assert httpx.get(ours + LIST).text.split(".")[1] == issuer.status_list().split(".")[1]


@pytest.mark.parametrize(
    "target",
    ["/status/7?x=1", "//127.0.0.1:9/status/7", JWKS, METADATA, "/nothing"],
)
def test_our_relay_is_no_way_to_anything_else(issuer: ScriptedIssuer, clock: Clock, target: str) -> None:
    """It serves what is signed as a list or a snapshot: no keys, and nothing else of the issuer or of anybody."""
    with running_relay(issuer.url, clock=clock) as ours:
        assert httpx.get(ours + LIST).status_code == 200
        assert httpx.get(ours + target).status_code == 404


def test_strangers_make_our_relay_ask_so_often(
    issuer: ScriptedIssuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Names that nobody has ever used cause some fetches in a second, and then none; what there is stays served."""
    monkeypatch.setattr("gatepass.relay.documents.LISTS_PER_SECOND", 5)
    with running_relay(issuer.url, clock=clock) as ours, httpx.Client(base_url=ours) as client:
        assert client.get(LIST).status_code == 200
        for number in range(100):
            assert client.get(f"/status/{1000 + number}").status_code == 404
        assert sum(path.startswith("/status/1") for path in issuer.requests) < 50
        assert client.get(LIST).status_code == 200


@pytest.mark.parametrize(
    "octets",
    [
        b"GET nonsense HTTP/1.1\r\nhost: x\r\n\r\n",
        b"GET /health HTTP/0.9\r\nhost: x\r\n\r\n",
        b"GET /health HTTP/2.0\r\nhost: x\r\n\r\n",
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"a: b\r\n" * 20_000,
        b"POST / HTTP/1.1\r\nhost: x\r\n\r\n",
    ],
)
def test_our_relay_refuses_what_is_no_question(issuer: ScriptedIssuer, clock: Clock, octets: bytes) -> None:
    """A head without end is cut off, and what cannot be read or asked is answered so."""
    with running_relay(issuer.url, clock=clock) as ours:
        url = httpx.URL(ours)
        with socket.create_connection((url.host, url.port or 0), timeout=10) as connection:
            try:
                connection.sendall(octets)
                answered = connection.recv(65536)
            except (BrokenPipeError, ConnectionResetError):
                answered = b""
        assert answered.split(b" ")[1:2] in ([], [b"400"], [b"405"])


class LargeDocument:
    """A relay that has one large document.

    Attributes:
        asked: Set each time that it is asked for.
        count: How often it was.
    """

    is_live, stream_path = True, STREAM

    def __init__(self) -> None:
        self.asked, self.count = asyncio.Event(), 0
        self._document = RelayedDocument(URL)
        self._document.body, self._document.etag = bytes(1_000_000), b'"a"'

    async def fetch(self, _path: str) -> RelayedDocument:
        """The document."""
        self.count += 1
        self.asked.set()
        return self._document


def test_answers_that_nobody_reads_do_not_fill_the_memory_of_our_relay() -> None:
    """Who asks again and again for a large document, and reads nothing, is heard no longer once answers wait."""

    async def ask(times: int) -> int:
        relay, loop = LargeDocument(), asyncio.get_running_loop()
        server = await loop.create_server(lambda: ReaderConnection(cast("Relay", relay), Places(10)), "127.0.0.1", 0)
        async with server:
            unread, writer = await asyncio.open_connection(*server.sockets[0].getsockname(), limit=1)
            with suppress(TimeoutError):
                for _ in range(times):
                    relay.asked.clear()
                    writer.write(f"GET {LIST} HTTP/1.1\r\nhost: a\r\n\r\n".encode())
                    async with asyncio.timeout(0.5):
                        await relay.asked.wait()
            writer.transport.abort()
            del unread  # a connection without its reader would be read
        return relay.count

    assert asyncio.run(ask(100)) < 50


def test_one_address_does_not_take_every_place(
    issuer: ScriptedIssuer, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Of four places it has two, more get 503 at once; another address is answered, and one that left makes room."""
    monkeypatch.setattr("gatepass.relay.serving._MOST", 4)
    with running_relay(issuer.url, clock=clock) as ours, ExitStack() as held:
        where = (httpx.URL(ours).host, httpx.URL(ours).port or 0)
        first, second, third = (held.enter_context(socket.create_connection(where, timeout=10)) for _ in range(3))
        assert third.recv(100).startswith(b"HTTP/1.1 503")
        with socket.create_connection(where, timeout=10, source_address=("127.0.0.2", 0)) as other:
            other.sendall(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
            assert b'"connections_refused":1' in other.recv(65536)
        first.close()
        eventually(lambda: httpx.get(f"{ours}/health").status_code == 200)
        second.sendall(b"GET /health HTTP/1.1\r\nhost: a\r\n\r\n")
        assert second.recv(100).startswith(b"HTTP/1.1 200")


def test_addresses_that_one_client_has_count_together() -> None:
    """A network of 64 bits of IPv6 is one; an IPv4 address is the same however it is written."""
    for few, hosts, has_room in (
        (1, ("2001:db8::1", "2001:db8::2"), [True, False]),
        (1, ("2001:db8::1", "2001:db8:0:1::1"), [True, True]),
        (1, ("192.0.2.1", "::ffff:192.0.2.1"), [True, False]),
        (2, ("192.0.2.1", "192.0.2.1"), [True, True]),
    ):
        places = Places(10, few)
        made = [ReaderConnection(cast("Relay", LargeDocument()), places) for _ in hosts]
        assert [places.enter(each, host) for each, host in zip(made, hosts, strict=True)] == has_room


def test_a_tls_handshake_that_never_ends(
    issuer: ScriptedIssuer, clock: Clock, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Our relay closes it after ten seconds; here, after a tenth."""
    monkeypatch.setattr("gatepass.relay.serving._HANDSHAKE_SECONDS", 0.1)
    with running_relay(issuer.url, clock=clock, tls=self_signed(tmp_path)) as ours:
        url = httpx.URL(ours)
        with socket.create_connection((url.host, url.port or 0), timeout=5) as connection:
            assert connection.recv(100) == b""
