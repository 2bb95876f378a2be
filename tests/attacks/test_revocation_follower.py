"""Whoever may answer in the issuer's place, and tokens made to abuse the following of revocations.

Each test runs a `Verifier` against a server on loopback. A token that was good stays good or is refused as the claim of
the test says; what must never happen is that a lie takes a revocation back.
"""

from __future__ import annotations

import gzip
import json
import zlib
from typing import TYPE_CHECKING, Any

import pytest
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
from tests.support.wait import eventually

from gatepass.jose import JoseError, Key, base64url, jws, jwt
from gatepass.tokens import revocation_event
from gatepass.tokens.revocation_event import Revoked
from gatepass.tokens.status_list import Bits
from gatepass.verify import Verifier, follow, http_client
from gatepass.verify.following import status_lists, stream

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator


@pytest.fixture
def clock() -> Clock:
    """Time stands still unless told."""
    return Clock()


@pytest.fixture
def issuer(clock: Clock) -> Iterator[ScriptedIssuer]:
    """Run an issuer that behaves, until told otherwise."""
    with ScriptedIssuer(clock=clock, revokes=True) as server:
        yield server


@pytest.fixture
def verifier(issuer: ScriptedIssuer, clock: Clock) -> Iterator[Verifier]:
    """Make a verifier that refuses when it does not know."""
    with Verifier(issuer=issuer.url, audience="my-api", clock=clock, stale="refuse") as made:
        yield made


def verdict(verifier: Verifier, token: str) -> str:
    """Say what becomes of a token."""
    try:
        verifier.verify(token)
    except JoseError as error:
        return error.code
    return "good"


def until(verifier: Verifier, state: str) -> None:
    """Wait for a state."""
    eventually(lambda: verifier.health().feed == state)


def until_back(verifier: Verifier) -> None:
    """Let time pass until it is live again."""
    clock = verifier.clock
    assert isinstance(clock, Clock)

    def tries() -> bool:
        clock.advance(0.5)
        return verifier.health().feed == "live"

    eventually(tries)


def serve(issuer: ScriptedIssuer, path: str, body: str | bytes, **more: Any) -> None:  # noqa: ANN401 - headers, status
    """Answer a path with something else."""
    octets = body.encode() if isinstance(body, str) else body
    issuer.scripts[path] = lambda connection: answer(connection, octets, **more)


def with_lst(issuer: ScriptedIssuer, octets: bytes, key: Key | None = None) -> str:
    """Sign a list whose bits are whatever these octets inflate to."""
    claims = jwt.peek(issuer.status_list()).claims
    lst = base64url.encode(octets)
    return jwt.sign(claims | {"status_list": {"bits": 1, "lst": lst}}, key or issuer.keys[0], typ="statuslist+jwt")


# ── lists that lie ──────────────────────────────────────────────────────────────────────────────────────────────────


def _bomb(issuer: ScriptedIssuer) -> str:
    return with_lst(issuer, zlib.compress(bytes(50_000_000)))


def _of_another_place(issuer: ScriptedIssuer) -> str:
    return issuer.status_list(sub=issuer.url + "/status/8")


def _of_another_issuer(issuer: ScriptedIssuer) -> str:
    return issuer.status_list(iss="https://evil.example")


def _by_another_key(issuer: ScriptedIssuer) -> str:
    return issuer.status_list(key=Key.generate("ES256"))


def _by_our_kid_and_another_key(issuer: ScriptedIssuer) -> str:
    return issuer.status_list(key=Key.generate("ES256", kid=issuer.keys[0].kid))


def _unsigned(issuer: ScriptedIssuer) -> str:
    header = {"alg": "none", "typ": "statuslist+jwt", "kid": issuer.keys[0].kid}
    return f"{base64url.encode(json.dumps(header).encode())}.{issuer.status_list().split('.')[1]}."


def _of_another_type(issuer: ScriptedIssuer) -> str:
    return jwt.sign(jwt.peek(issuer.status_list()).claims, issuer.keys[0], typ="at+jwt")


def _expired(issuer: ScriptedIssuer) -> str:
    return issuer.status_list(exp=int(issuer.clock()))


def _without_kid(issuer: ScriptedIssuer) -> str:
    message = jws.signing_input(issuer.status_list().encode(), {"alg": "ES256", "typ": "statuslist+jwt"})
    return jws.assemble(message, issuer.keys[0].sign(message))


LIES = [
    _bomb,
    _of_another_place,
    _of_another_issuer,
    _by_another_key,
    _by_our_kid_and_another_key,
    _unsigned,
    _of_another_type,
    _expired,
    _without_kid,
    lambda _: "",
    lambda _: "<html>",
    lambda _: "a.b.c",
    lambda _: "é" * 100,
]


@pytest.mark.parametrize("lie", LIES)
def test_a_list_that_lies_is_no_list(
    issuer: ScriptedIssuer, verifier: Verifier, lie: Callable[[ScriptedIssuer], str]
) -> None:
    """A bomb, another place, issuer, key, type or time: the token is refused for want of a list, and the truth wins."""
    serve(issuer, LIST, lie(issuer))
    token = issuer.token(status=issuer.at(5))
    assert verdict(verifier, token) == "revocation_stale"
    assert verifier.health().lists == 0
    del issuer.scripts[LIST]
    issuer.clock.advance(1)  # type: ignore[attr-defined] # the fixture's
    eventually(lambda: verdict(verifier, token) == "good")


@pytest.mark.parametrize("lie", LIES)
def test_a_list_that_lies_takes_nothing_back(
    issuer: ScriptedIssuer, clock: Clock, lie: Callable[[ScriptedIssuer], str]
) -> None:
    """Whatever is served in place of a list that we have, what was revoked stays so."""
    issuer.bits[LIST].set([5])
    with Verifier(issuer=issuer.url, audience="my-api", clock=clock, revocation="list") as verifier:
        token = issuer.token(status=issuer.at(5))
        assert verdict(verifier, token) == "revoked"
        issuer.bits[LIST] = Bits()
        asked = issuer.count(LIST)
        serve(issuer, LIST, lie(issuer))
        clock.advance(31)
        eventually(lambda: issuer.count(LIST) > asked)
        assert verdict(verifier, token) == "revoked"


def test_an_older_list_over_a_newer(issuer: ScriptedIssuer, clock: Clock) -> None:
    """Replaying yesterday's list, with every signature right, revives nobody."""
    older = issuer.status_list()
    issuer.revoke(5)
    with Verifier(issuer=issuer.url, audience="my-api", clock=clock, revocation="list") as verifier:
        token = issuer.token(status=issuer.at(5))
        assert verdict(verifier, token) == "revoked"
        serve(issuer, LIST, older)
        clock.advance(31)
        eventually(lambda: verifier.health().refusals == 1)
        assert verdict(verifier, token) == "revoked"


def test_a_list_at_another_origin_is_never_fetched(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """A token can name any URL; only the issuer's own origin is asked."""
    with ScriptedIssuer() as elsewhere:
        token = issuer.token(status={"status_list": {"idx": 5, "uri": elsewhere.url + LIST}})
        assert verdict(verifier, token) == "revocation_stale"
        assert elsewhere.requests == []


def test_a_feed_at_another_origin_is_never_opened(issuer: ScriptedIssuer, clock: Clock) -> None:
    """Metadata that points elsewhere offers nothing."""
    with ScriptedIssuer(revokes=True) as elsewhere:
        issuer.offers = elsewhere.offers
        with Verifier(issuer=issuer.url, audience="my-api", clock=clock) as verifier:
            assert verdict(verifier, issuer.token()) == "good"
            assert verifier.health().feed == "off"
        assert elsewhere.requests == []


@pytest.mark.parametrize("path", [LIST, SNAPSHOT])
def test_a_redirect_or_a_compressed_answer(issuer: ScriptedIssuer, verifier: Verifier, path: str) -> None:
    """Neither is followed or inflated."""
    token = issuer.token(status=issuer.at(5))
    serve(issuer, path, b"", status=302, headers={"Location": "/elsewhere"})
    assert verdict(verifier, token) == "revocation_stale"
    serve(issuer, path, gzip.compress(issuer.status_list().encode()), headers={"Content-Encoding": "gzip"})
    asked = issuer.count(path)
    issuer.clock.advance(1)  # type: ignore[attr-defined] # the fixture's
    eventually(lambda: issuer.count(path) > asked)
    assert verdict(verifier, token) == "revocation_stale"
    assert issuer.count("/elsewhere") == 0


def _floods(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n")
    for _ in range(30):
        connection.sendall(b"a" * 1_000_000)


def test_a_list_without_end(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """An answer is read up to a bound."""
    issuer.scripts[LIST] = _floods
    assert verdict(verifier, issuer.token(status=issuer.at(5))) == "revocation_stale"


def test_a_list_that_drips(issuer: ScriptedIssuer, verifier: Verifier, monkeypatch: pytest.MonkeyPatch) -> None:
    """The deadline is for the whole answer; until then a token waits for no more than its two seconds."""
    monkeypatch.setattr(http_client, "FETCH_SECONDS", 0.3)

    def drips(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n")
        while not issuer.released.wait(0.01):
            connection.sendall(b"a")

    issuer.scripts[LIST] = drips
    assert verdict(verifier, issuer.token(status=issuer.at(5))) == "revocation_stale"


# ── tokens that abuse ───────────────────────────────────────────────────────────────────────────────────────────────


def test_thousands_of_lists_are_a_bounded_number_of_fetches(
    issuer: ScriptedIssuer, clock: Clock, monkeypatch: pytest.MonkeyPatch, effort: int
) -> None:
    """Tokens that each name another list of the issuer cannot make an API flood it."""
    tokens = 500 if effort == 1 else 10_000
    monkeypatch.setattr(follow, "FIRST_SECONDS", 0.0)
    monkeypatch.setattr(status_lists, "LISTS_PER_SECOND", 0)
    if effort == 1:
        monkeypatch.setattr(status_lists, "BURST", 64)
    policy: dict[str, Any] = {"issuer": issuer.url, "audience": "my-api", "clock": clock, "cache_size": 0}
    key = Key.generate("HS256")  # quick to sign; the revocations are by the published key
    with Verifier(keys=key, revocation="feed", **policy) as verifier:
        assert verdict(verifier, issuer.token(key)) == "good"
        until(verifier, "live")
        for number in range(tokens):
            assert verdict(verifier, issuer.token(key, status=issuer.at(5, f"/status/{number + 100}"))) == "good"
        eventually(lambda: sum(path.startswith("/status/") for path in issuer.requests) == status_lists.BURST)
        assert verdict(verifier, issuer.token(key)) == "good"
        assert issuer.count(SNAPSHOT) == issuer.count(METADATA) == 1


def test_a_list_that_does_not_exist_is_asked_for_less_and_less(issuer: ScriptedIssuer, clock: Clock) -> None:
    """The answer that there is none is followed by half a minute's wait; tokens that name it cause no fetch."""
    with Verifier(issuer=issuer.url, audience="my-api", clock=clock, cache_size=0) as verifier:
        token = issuer.token(status=issuer.at(5, "/status/404"))
        for _ in range(100):
            assert verdict(verifier, token) == "good"
        assert issuer.count("/status/404") == 1


# ── a stream that lies ──────────────────────────────────────────────────────────────────────────────────────────────


def _unsigned_event(issuer: ScriptedIssuer) -> str:
    event = issuer.event(Revoked(after=0, kids=("x",)), 1)
    header = {"alg": "none", "typ": "secevent+jwt", "kid": issuer.keys[0].kid}
    return f"{base64url.encode(json.dumps(header).encode())}.{event.split('.')[1]}."


def _event_of_another_type(issuer: ScriptedIssuer) -> str:
    return jwt.sign(jwt.peek(issuer.event(Revoked(after=0), 1)).claims, issuer.keys[0], typ="JWT")


def _event_of_another_kind(issuer: ScriptedIssuer) -> str:
    claims = jwt.peek(issuer.event(Revoked(after=0), 1)).claims
    return jwt.sign(claims | {"events": {"urn:other": {}}}, issuer.keys[0], typ=revocation_event.TYP)


@pytest.mark.parametrize(
    "forge",
    [
        _unsigned_event,
        _event_of_another_type,
        _event_of_another_kind,
        lambda issuer: issuer.event(Revoked(after=0), 1, Key.generate("ES256")),
        lambda issuer: issuer.event(Revoked(after=0), 1, Key.generate("ES256", kid=issuer.keys[0].kid)),
        lambda issuer: issuer.event(Revoked(after=0), 1, iss="https://evil.example"),
        lambda issuer: issuer.event(Revoked(after=0, kids=(issuer.keys[0].kid,)), 1),
        lambda issuer: issuer.token(),
        lambda issuer: issuer.snapshot(),
        lambda _: "rubbish",
    ],
    ids=["alg none", "typ", "kind", "key", "same kid", "issuer", "its own key", "access token", "snapshot", "rubbish"],
)
def test_a_forged_event_revokes_nothing(
    issuer: ScriptedIssuer, verifier: Verifier, forge: Callable[[ScriptedIssuer], str]
) -> None:
    """It is refused and counted, the documents are taken again, and then the stream."""
    token = issuer.token(status=issuer.at(5))
    assert verdict(verifier, token) == "good"
    until(verifier, "live")
    asked = issuer.count(SNAPSHOT)
    issuer.say(sse("revoked", forge(issuer)))
    eventually(lambda: verifier.health().refusals == 1)
    eventually(lambda: issuer.count(SNAPSHOT) > asked)
    until_back(verifier)
    assert verdict(verifier, token) == "good"
    issuer.revoke(5)
    eventually(lambda: verdict(verifier, token) == "revoked")


def test_an_event_that_is_replayed_is_nothing_new(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """Old messages, over and over, neither move us back nor count as a sign of life."""
    assert verdict(verifier, issuer.token(status=issuer.at(9))) == "good"
    until(verifier, "live")
    issuer.revoke(5)
    issuer.revoke(6)
    eventually(lambda: verifier.health().event_id == 2)
    issuer.beats = False
    issuer.clock.advance(20)  # type: ignore[attr-defined] # the fixture's
    for _, message in issuer.log * 50:
        issuer.say(sse("revoked", message))
    until(verifier, "list only")
    assert verifier.health().event_id == 2
    assert 20 <= (verifier.health().proved_seconds_ago or 0) < 21
    issuer.beats = True
    until(verifier, "live")


def test_an_event_that_is_kept_back_shows_as_a_gap(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """Whoever drops one message from the stream is found out by the next: list and snapshot bring what was dropped."""
    token = issuer.token(status=issuer.at(5))
    assert verdict(verifier, token) == "good"
    until(verifier, "live")
    streams, issuer.streams = issuer.streams, []
    issuer.clock.advance(1)  # type: ignore[attr-defined] # the fixture's
    issuer.revoke(5)  # nobody hears it
    issuer.streams = streams
    assert verdict(verifier, token) == "good"
    issuer.revoke(6)
    eventually(lambda: verdict(verifier, token) == "revoked")


def test_a_stolen_key_is_revoked_by_another_one_only(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """What the stolen key says afterwards, of itself or of the others, is not heard."""
    stolen, other = issuer.keys[0], Key.generate("ES256")
    issuer.keys.append(other)
    token = issuer.token(other)
    assert verdict(verifier, token) == "good"
    until(verifier, "live")
    issuer.revoke(kid=stolen.kid, key=other)
    eventually(lambda: verdict(verifier, issuer.token(stolen, jti="x")) == "revoked")
    issuer.say(sse("revoked", issuer.event(Revoked(after=1, kids=(other.kid or "",)), 2, stolen)))
    eventually(lambda: verifier.health().refusals > 0)
    assert verdict(verifier, token) == "good"


def test_a_key_that_nobody_knows_is_looked_for_once(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """An event by an unknown key has the JWKS fetched, so that a new key is found; for a forged one, once a try."""
    assert verdict(verifier, issuer.token()) == "good"
    until(verifier, "live")
    asked = issuer.count(JWKS)
    issuer.say(sse("revoked", issuer.event(Revoked(after=0), 1, Key.generate("ES256"))) * 50)
    eventually(lambda: verifier.health().refusals == 1)
    assert issuer.count(JWKS) == asked + 1


# ── a stream that misbehaves ────────────────────────────────────────────────────────────────────────────────────────


def _line_without_end(connection: socket.socket) -> None:
    connection.sendall(STREAM_HEAD + b"data: ")
    for _ in range(100):
        connection.sendall(b"x" * 100_000)


def _message_without_end(connection: socket.socket) -> None:
    connection.sendall(STREAM_HEAD)
    for _ in range(100):
        connection.sendall(b"data: xxxxxxxxx\n" * 10_000)


def _no_stream(connection: socket.socket) -> None:
    answer(connection, b": heartbeat\n\n", headers={"Content-Type": "text/html"})


def _compressed(connection: socket.socket) -> None:
    head = {"Content-Type": "text/event-stream", "Content-Encoding": "gzip"}
    answer(connection, gzip.compress(b": heartbeat\n\n"), headers=head)


def _redirects(connection: socket.socket) -> None:
    answer(connection, b"", status=307, headers={"Location": "/elsewhere"})


def _ends(connection: socket.socket) -> None:
    connection.sendall(STREAM_HEAD)


@pytest.mark.parametrize(
    "misbehave", [_line_without_end, _message_without_end, _no_stream, _compressed, _redirects, _ends]
)
def test_a_stream_that_misbehaves_is_closed(
    issuer: ScriptedIssuer, verifier: Verifier, misbehave: Callable[[socket.socket], None]
) -> None:
    """No end, no stream, compressed, elsewhere: it is left, tried again later, and documents do its work meanwhile."""
    closed: list[bool] = []

    def script(connection: socket.socket) -> None:
        try:
            misbehave(connection)
        finally:
            closed.append(True)

    issuer.scripts[STREAM] = script
    token = issuer.token(status=issuer.at(5))
    assert verdict(verifier, token) == "good"
    eventually(lambda: bool(closed))
    until(verifier, "list only")
    assert issuer.count("/elsewhere") == 0
    del issuer.scripts[STREAM]
    until_back(verifier)


@pytest.mark.parametrize("drip", [b"", b"x", b"data: x\n"], ids=["silence", "octets", "lines"])
def test_a_stream_that_says_nothing_is_dead(
    issuer: ScriptedIssuer, verifier: Verifier, monkeypatch: pytest.MonkeyPatch, drip: bytes
) -> None:
    """Octets and lines that never become a message are silence, and proxies that hold messages back are too."""
    monkeypatch.setattr(stream, "SILENCE_SECONDS", 0.2)
    left: list[bool] = []

    def drips(connection: socket.socket) -> None:
        connection.settimeout(0.01)
        connection.sendall(STREAM_HEAD)
        while not issuer.released.wait(0.01):
            try:
                connection.sendall(drip)
                if connection.recv(1) == b"":
                    break
            except TimeoutError:
                continue
            except OSError:
                break
        left.append(True)

    issuer.scripts[STREAM] = drips
    assert verdict(verifier, issuer.token()) == "good"
    eventually(lambda: bool(left))
    until(verifier, "list only")


def test_a_flood_of_heartbeats_proves_nothing_that_is_missing(issuer: ScriptedIssuer, clock: Clock) -> None:
    """A stream that only ever says that all is well, and greets with a place that it never reaches, is not live."""

    def lulls(connection: socket.socket) -> None:
        connection.sendall(STREAM_HEAD + sse("hello", json.dumps({"epoch": "e1", "event_id": 9})))
        connection.sendall(b": heartbeat\n\n" * 10_000)
        issuer.released.wait()

    issuer.scripts[STREAM] = lulls
    with Verifier(issuer=issuer.url, audience="my-api", clock=clock, stale="refuse") as verifier:
        token = issuer.token(status=issuer.at(5))
        assert verdict(verifier, token) == "good"
        eventually(lambda: issuer.count(STREAM) == 1)
        for path in (LIST, SNAPSHOT):
            serve(issuer, path, b"", status=503)
        clock.advance(60)
        assert verdict(verifier, token) == "revocation_stale"


# ── a relay that lies ───────────────────────────────────────────────────────────────────────────────────────────────


def test_a_relay_that_replays_old_heartbeats_is_not_live(issuer: ScriptedIssuer, clock: Clock) -> None:
    """A cold reader gets documents and heartbeats of two minutes ago, every signature right: they are that old."""
    snapshot, status, beat = issuer.snapshot(), issuer.status_list(), issuer.heartbeat()
    issuer.event_id = 1
    issuer.bits[LIST].set([5])
    clock.advance(120)
    serve(issuer, SNAPSHOT, snapshot)
    serve(issuer, LIST, status)

    def replays(connection: socket.socket) -> None:
        hello = sse("hello", json.dumps({"epoch": "e1", "event_id": 0}))
        connection.sendall(STREAM_HEAD + hello)
        while not issuer.released.wait(0.02):
            connection.sendall(comment(f"heartbeat {beat}"))

    issuer.scripts[STREAM] = replays
    with Verifier(issuer=issuer.url, audience="my-api", clock=clock, stale="refuse") as verifier:
        verifier.start()
        assert verdict(verifier, issuer.token(status=issuer.at(5))) == "revocation_stale"
        eventually(lambda: issuer.count(STREAM) > 0)
        assert verdict(verifier, issuer.token(status=issuer.at(5))) == "revocation_stale"
        assert verifier.health().feed == "stale"
        assert not verifier.health().ready


def test_a_relay_that_drops_one_event_is_found_out_by_the_next_heartbeat(
    issuer: ScriptedIssuer, verifier: Verifier
) -> None:
    """The heartbeat knows of an event that never came: list and snapshot bring it, before there is another event."""
    token = issuer.token(status=issuer.at(5))
    assert verdict(verifier, token) == "good"
    until(verifier, "live")
    streams, issuer.streams = issuer.streams, []
    issuer.revoke(5)  # on no stream
    issuer.streams = streams
    eventually(lambda: verdict(verifier, token) == "revoked")


@pytest.mark.parametrize("forged", ["key", "issuer", "nothing"])
def test_a_heartbeat_that_nobody_signed_is_none(issuer: ScriptedIssuer, verifier: Verifier, forged: str) -> None:
    """By another key, of another issuer, or a bare comment: it keeps no verifier live."""
    assert verdict(verifier, issuer.token(status=issuer.at(5))) == "good"
    until(verifier, "live")
    issuer.beats = False
    issuer.clock.advance(20)  # type: ignore[attr-defined] # the fixture's
    texts: dict[str, Callable[[], str]] = {
        "key": lambda: "heartbeat " + issuer.heartbeat(key=Key.generate("ES256", kid=issuer.keys[0].kid)),
        "issuer": lambda: "heartbeat " + issuer.heartbeat(iss="https://evil.example"),
        "nothing": lambda: "heartbeat",
    }
    issuer.say(comment(texts[forged]()))
    until(verifier, "list only")
