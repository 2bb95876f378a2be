"""Attacks on a bridge: who reads its feed, forges notices, sends them for others, again, or too late."""

from __future__ import annotations

import base64
import hashlib
import hmac
import http.client
import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import httpx
import msgspec
import pytest
from tests.support.bridges import (
    CAEP,
    LATER,
    RECEIVER,
    RISC,
    SECRET,
    ForeignIssuer,
    bridged,
    judged,
    running_bridge,
    transmitters,
)
from tests.support.scripted_issuer import NOW, Clock, ScriptedIssuer
from tests.support.wait import eventually, soon

from gatepass.bridge import serving
from gatepass.bridge.shares import MAX_ENTRIES
from gatepass.jose import Key, KeySet, base64url, jws, jwt
from gatepass.jose.errors import InvalidPolicyError, UnknownKeyError
from gatepass.tokens import revocation_event
from gatepass.tokens.bridge_entry import BridgeEntry, FeedSecret
from gatepass.tokens.revocation_event import Position, Revoked
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.bridges import Bridged


@pytest.fixture
def all_(tmp_path: Path) -> Generator[Bridged]:
    """An issuer, a bridge, a verifier."""
    with bridged(tmp_path) as found:
        yield found


# ── THREATS 14: the feed ──


def test_a_dictionary_finds_nobody_in_the_feed(all_: Bridged) -> None:
    """Who has the feed, but not the secret, cannot tell whose tokens ended, though names can be guessed."""
    assert all_.bridge.log_out(all_.issuer.logout_token(sid="17", sub="ann@example.com")).status_code == 200
    assert all_.bridge.log_out(all_.issuer.logout_token(sid=None, sub="ann@example.com")).status_code == 200
    entries = all_.bridge.entries()
    assert len(entries) == 2
    text = all_.bridge.read("/revocations/snapshot").text
    assert "ann@example.com" not in json.dumps(jwt.peek(text).claims)
    bearer = all_.bridge.secret.bearer  # what a reader sends, which a proxy on the way may have seen
    guesses = [(name, f"{number}") for name in ("sid", "sub") for number in range(100)] + [("sub", "ann@example.com")]
    for secret in (bearer, "a-guess-of-the-secret-that-is-as-long-as-it", all_.bridge.url.ljust(32, "/")):
        guessing = FeedSecret(secret)
        for kind, name in guesses:
            make = guessing.digest_of_session if kind == "sid" else guessing.digest_of_subject
            assert make(all_.issuer.url, name) not in entries
    right = FeedSecret(SECRET)
    assert right.digest_of_session(all_.issuer.url, "17") in entries  # so the test can fail


def test_two_names_never_share_a_digest() -> None:
    """Where issuer, kind and name meet is part of what is digested, and so is the kind."""
    secret = FeedSecret(SECRET)
    digests = {
        secret.digest_of_session("https://a", "bc"),
        secret.digest_of_session("https://ab", "c"),
        secret.digest_of_subject("https://a", "bc"),
        secret.digest_of_subject("https://ab", "c"),
        FeedSecret(SECRET + "x").digest_of_subject("https://a", "bc"),
    }
    assert len(digests) == 5


@pytest.mark.parametrize("path", ["/revocations", "/revocations/snapshot", "/status"])
def test_strangers_do_not_read_the_feed(all_: Bridged, path: str) -> None:
    """Without the bearer token of readers it is 401; the secret itself is no such token, and is never sent."""
    for headers in ({}, {"authorization": "Bearer x"}, {"authorization": f"Bearer {SECRET}"}, {"authorization": "é"}):
        raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
        answer = httpx.get(all_.bridge.url + path, headers=raw)
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"] == "Bearer"
    with httpx.stream(
        "GET", all_.bridge.url + path, headers={"authorization": f"Bearer {all_.bridge.secret.bearer}"}
    ) as it:
        assert it.status_code == 200


def bridge_key(all_: Bridged) -> Key:
    """The key of the bridge, as a thief has it."""
    return Key.from_jwk((all_.bridge.folder / "bridge" / "signing-key.json").read_bytes())


def test_a_token_signed_by_the_bridge_is_refused(all_: Bridged) -> None:
    """The bridge's key makes no tokens: neither of the issuer, nor of the bridge's own name."""
    key = bridge_key(all_)
    soon(lambda: all_.verifier.health().feed == "live")
    assert all_.judge(all_.issuer.access(key)) == "unknown_key"
    assert all_.judge(all_.issuer.access(key, iss=all_.bridge.url)) in ("unknown_key", "wrong_issuer")
    assert all_.judge(all_.issuer.access()) == "good"
    # Not even by a verifier that takes the bridge for an issuer.
    misled = Verifier(issuer=all_.bridge.url, audience="my-api", clock=all_.clock)
    with misled, pytest.raises(UnknownKeyError):
        misled.verify(all_.issuer.access(key, iss=all_.bridge.url))


def test_a_bridge_cannot_revoke_keys_of_the_issuer(tmp_path: Path) -> None:
    """A bridge that names the issuer's `kid` in its feed changes nothing about the issuer's tokens."""
    clock = Clock()
    with ExitStack() as stack:
        issuer = stack.enter_context(ForeignIssuer(clock=clock))
        bridge = stack.enter_context(ScriptedIssuer(clock=clock))  # plays a bridge that has been taken over
        bridge.revoke(kid=issuer.keys[0].kid)
        arguments: dict[str, Any] = {
            "feed_url": f"{bridge.url}/revocations",
            "feed_issuer": bridge.url,
            "feed_secret": SECRET,
        }
        verifier = stack.enter_context(Verifier(issuer=issuer.url, audience="my-api", clock=clock, **arguments))
        assert verifier.verify(issuer.access()).subject == "user_1"
        soon(lambda: verifier.health().event_id == 1)
        assert verifier.verify(issuer.access()).subject == "user_1"


@pytest.mark.parametrize("signer", ["a stranger", "the issuer of the tokens"])
def test_a_feed_of_another_signer_revokes_nothing(signer: str) -> None:
    """An entry signed by somebody else than the bridge is refused, counted, and not applied."""
    clock = Clock()
    with ExitStack() as stack:
        issuer = stack.enter_context(ForeignIssuer(clock=clock))
        bridge = stack.enter_context(ScriptedIssuer(clock=clock))
        arguments: dict[str, Any] = {
            "feed_url": f"{bridge.url}/revocations",
            "feed_issuer": bridge.url,
            "feed_secret": SECRET,
        }
        verifier = stack.enter_context(Verifier(issuer=issuer.url, audience="my-api", clock=clock, **arguments))
        token = issuer.access()
        assert verifier.verify(token).subject == "user_1"
        soon(lambda: verifier.health().feed == "live")

        def say(key: Key) -> None:
            digest = FeedSecret(SECRET).digest_of_subject(issuer.url, "user_1")
            revoked = Revoked(after=0, issued_before={digest: BridgeEntry(int(NOW), int(NOW) + 900)})
            claims = revocation_event.claims(issuer=bridge.url, now=NOW, position=Position("e1", 1), revoked=revoked)
            message = revocation_event.signing_input(claims, alg="ES256", kid=key.kid or "")
            bridge.say(f"event: revoked\ndata: {jws.assemble(message, key.sign(message))}\n\n".encode())

        say(Key.generate("ES256") if signer == "a stranger" else issuer.keys[0])
        soon(lambda: verifier.health().refusals == 1)
        assert verifier.verify(token).subject == "user_1"

        def is_dead_by_the_bridge() -> bool:  # so that the test can fail
            say(bridge.keys[0])
            return judged(verifier, token) == "revoked"

        soon(is_dead_by_the_bridge)


def test_a_cached_token_dies_too(all_: Bridged) -> None:
    """A token that was verified a moment ago, and is remembered, is refused in the same instant as any other."""
    token = all_.issuer.access()
    assert all_.verifier.remembered(token) is not None
    assert all_.bridge.log_out(all_.issuer.logout_token()).status_code == 200
    soon(lambda: all_.judge(token) == "revoked")
    assert all_.verifier.remembered(token) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"feed_secret": None},
        {"feed_issuer": None},
        {"feed_url": None},
        {"feed_secret": "short"},
        {"feed_url": "http://bridge.example.com/revocations"},
        {"feed_issuer": "https://auth.example.com"},
    ],
)
def test_a_bridge_is_set_by_the_operator_and_as_a_whole(changes: dict[str, str | None]) -> None:
    """Half a setting, plain HTTP, a short secret, or the issuer itself as its bridge: no verifier is made."""
    right: dict[str, Any] = {
        "feed_url": "https://b.example.com/r",
        "feed_issuer": "https://b.example.com",
        "feed_secret": SECRET,
    }
    with pytest.raises(InvalidPolicyError):
        Verifier(issuer="https://auth.example.com", audience="my-api", **(right | changes))


# ── THREATS 15: the notices ──


def test_a_transmitter_ends_nobody_of_another_issuer(all_: Bridged, tmp_path: Path) -> None:
    """A subject of another issuer is refused, and a notice signed by another issuer, too: nothing is entered."""
    someone = {"format": "iss_sub", "iss": "https://other.example.com", "sub": "user_1"}
    answer = all_.bridge.push(all_.issuer.event(f"{RISC}account-disabled", someone))
    assert (answer.status_code, answer.json()["err"]) == (400, "access_denied")
    in_complex = {"format": "complex", "user": someone}
    answer = all_.bridge.push(all_.issuer.event(f"{CAEP}session-revoked", in_complex))
    assert (answer.status_code, answer.json()["err"]) == (400, "access_denied")
    assert all_.bridge.revoke(someone).status_code == 400
    answer = all_.bridge.push(
        all_.issuer.event(f"{RISC}account-disabled", all_.issuer.person(), iss="https://other.example.com")
    )
    assert (answer.status_code, answer.json()["err"]) == (400, "invalid_issuer")
    assert all_.bridge.log_out(all_.issuer.logout_token(iss="https://other.example.com")).status_code == 400
    assert all_.bridge.entries() == {}
    assert all_.judge(all_.issuer.access()) == "good"


def test_two_issuers_with_the_same_names_do_not_meet(tmp_path: Path) -> None:
    """`user_1` of one issuer ends; `user_1` of another at the same bridge does not."""
    clock = Clock()
    with ExitStack() as stack:
        one, other = (stack.enter_context(ForeignIssuer(clock=clock)) for _ in range(2))
        (of_one, _, _) = transmitters(one.url, tmp_path)
        (_, push, _) = transmitters(other.url, tmp_path)
        bridge = stack.enter_context(running_bridge(tmp_path, of_one, push, clock=clock))
        first, second = (
            stack.enter_context(Verifier(issuer=each.url, audience="my-api", clock=clock, **bridge.arguments()))
            for each in (one, other)
        )
        assert first.verify(one.access()).subject == "user_1"
        assert second.verify(other.access()).subject == "user_1"
        assert bridge.log_out(other.logout_token(iss=one.url, sid=None)).status_code == 400  # signed by the wrong one
        assert bridge.log_out(one.logout_token(sid=None)).status_code == 200
        soon(lambda: judged(first, one.access()) == "revoked")
        assert second.verify(other.access()).subject == "user_1"


def test_a_notice_counts_once(all_: Bridged) -> None:
    """The same notice again is acknowledged, since its answer may have been lost, and does nothing."""
    first = all_.issuer.logout_token(sid=None)
    event = all_.issuer.event(f"{RISC}account-disabled", all_.issuer.person("user_2"))
    assert all_.bridge.log_out(first).status_code == 200
    assert all_.bridge.push(event).status_code == 202
    entries = all_.bridge.entries()
    all_.clock.advance(30)
    token = all_.issuer.access(iat=LATER, jti="t2", sid="sign-in-2")
    assert all_.bridge.log_out(first).status_code == 200
    assert all_.bridge.push(event).status_code == 202
    assert all_.bridge.entries() == entries
    assert (all_.bridge.counts("logout"), all_.bridge.counts("push")) == ({"taken": 1, "repeated": 1},) * 2
    assert all_.judge(token) == "good"


def test_a_late_notice_does_not_end_a_new_sign_in(all_: Bridged) -> None:
    """A notice that comes when the person has signed in again ends what was issued before the event, and no more."""
    old = all_.issuer.access()
    late_logout = all_.issuer.logout_token(sid=None)
    late_event = all_.issuer.event(
        f"{CAEP}session-revoked", all_.issuer.person(), {"event_timestamp": int(NOW) + 1}, iat=int(NOW) + 60
    )
    all_.clock.advance(60)
    new = all_.issuer.access(iat=LATER, jti="t2", sid="sign-in-2")
    assert all_.bridge.log_out(late_logout).status_code == 200
    assert all_.bridge.push(late_event).status_code == 202
    soon(lambda: all_.judge(old) == "revoked")
    assert all_.judge(new) == "good"


def test_a_notice_ends_nothing_later_than_itself(all_: Bridged) -> None:
    """An event's time in the future, or in milliseconds, is cut to when the notice was made."""
    all_.clock.advance(10)
    for number, stamp in enumerate((int(NOW) + 10_000, int(NOW) * 1_000)):
        person = all_.issuer.person(f"user_{number}")
        sent = all_.issuer.event(f"{CAEP}session-revoked", person, {"event_timestamp": stamp})
        assert all_.bridge.push(sent).status_code == 202
    assert {before for before, _ in all_.bridge.entries().values()} == {int(NOW) + 10}
    far = int(NOW) + 10 + 61
    answer = all_.bridge.push(all_.issuer.event(f"{RISC}account-disabled", all_.issuer.person(), iat=far))
    assert answer.status_code == 400
    assert all_.bridge.log_out(all_.issuer.logout_token(iat=far, exp=far + 120)).status_code == 400


def test_a_notice_older_than_every_token_does_nothing(all_: Bridged) -> None:
    """When all tokens of before have expired, a notice is acknowledged, counted as late, and entered nowhere."""
    old = all_.issuer.event(f"{RISC}account-disabled", all_.issuer.person(), iat=int(NOW) - 86_400 - 300)
    assert all_.bridge.push(old).status_code == 202
    assert all_.bridge.entries() == {}
    assert all_.bridge.counts("push") == {"taken": 1, "late": 1}


def hs256_with_the_public_key(issuer: ForeignIssuer) -> str:
    """A logout token MACed with the issuer's public key, which everybody has."""
    public = json.dumps(KeySet(issuer.keys).to_jwks()).encode()
    header = {"alg": "HS256", "typ": "logout+jwt", "kid": issuer.keys[0].kid}
    claims = jwt.peek(issuer.logout_token()).claims
    signed = ".".join(base64url.encode(json.dumps(part).encode()) for part in (header, claims))
    return f"{signed}.{base64url.encode(hmac.digest(public, signed.encode(), hashlib.sha256))}"


def alg_none(issuer: ForeignIssuer) -> str:
    """A logout token without a signature."""
    claims = jwt.peek(issuer.logout_token()).claims
    parts = [
        base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in ({"alg": "none"}, claims)
    ]
    return ".".join([*parts, ""])


def test_forged_notices_are_refused(all_: Bridged) -> None:
    """No signature, a MAC with the public key, another key, a broken signature, another audience or kind of token."""
    issuer, thief = all_.issuer, Key.generate("ES256")
    person = issuer.person()
    forged = {
        "alg none": alg_none(issuer),
        "HS256": hs256_with_the_public_key(issuer),
        "another key": issuer.logout_token(Key.from_jwk({**thief.to_jwk(private=True), "kid": issuer.keys[0].kid})),
        "broken": issuer.logout_token()[:-8] + "AAAAAAAA",
        "another audience": issuer.logout_token(aud="another-app"),
        "an ID token": issuer.logout_token(typ="JWT", events=None),
        "with a nonce": issuer.logout_token(nonce="n"),
        "an access token": issuer.access(aud="app"),
        "an event": issuer.event(f"{RISC}account-disabled", person, aud="app"),
        "nobody": issuer.logout_token(sub=None, sid=None),
        "no jti": issuer.logout_token(jti=None),
        "no exp": issuer.logout_token(exp=None),
        "over": issuer.logout_token(exp=int(NOW) - 61),
        "not a token": "x",
        "nothing": "",
    }
    for name, token in forged.items():
        answer = all_.bridge.log_out(token)
        assert answer.status_code == 400, name
        assert answer.json()["error"] == "invalid_request"
        assert answer.headers["cache-control"] == "no-store"
    kinds = {
        "a logout": issuer.logout_token(aud=RECEIVER),
        "a logout as an event": issuer.logout_token(aud=RECEIVER, typ="secevent+jwt", events=None),
        "without typ": issuer.event(f"{RISC}account-disabled", person, typ=None),
        "as JWT": issuer.event(f"{RISC}account-disabled", person, typ="JWT"),
        "another audience": issuer.event(f"{RISC}account-disabled", person, aud="https://other.example.com"),
        "no subject": issuer.event(f"{RISC}account-disabled", None),
    }
    for name, token in kinds.items():
        assert all_.bridge.push(token).status_code == 400, name
    assert all_.bridge.entries() == {}
    assert all_.judge(issuer.access()) == "good"


def test_made_up_keys_make_the_bridge_ask_so_often(all_: Bridged, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many notices have one: a fetch in each span of time, here of 0.3 s; and all of them are refused."""
    monkeypatch.setattr("gatepass.bridge.transmitter._LOOK_SECONDS", 0.3)
    assert all_.bridge.log_out(all_.issuer.logout_token()).status_code == 200
    made = [all_.issuer.logout_token(Key.generate("ES256", kid=f"k{n}")) for n in range(24)]
    before, began = all_.issuer.count(), time.monotonic()
    with ThreadPoolExecutor(8) as pool:
        assert {answer.status_code for answer in pool.map(all_.bridge.log_out, made)} == {400}
    assert all_.issuer.count() - before <= 1 + (time.monotonic() - began) / 0.3


def test_made_up_keys_do_not_delay_a_new_one(all_: Bridged) -> None:
    """A notice by a key that was just published is taken within a look or two, while strangers make up others."""
    assert all_.bridge.log_out(all_.issuer.logout_token()).status_code == 200
    made = [all_.issuer.logout_token(Key.generate("ES256", kid=f"k{n}")) for n in range(8)]
    with ThreadPoolExecutor(8) as pool:
        strangers = [pool.submit(all_.bridge.log_out, each) for each in made]
        strangers[0].result()
        all_.issuer.keys = [Key.generate("ES256", kid="new")]
        began = time.monotonic()
        assert all_.bridge.log_out(all_.issuer.logout_token(sid="other")).status_code == 200
        assert time.monotonic() - began < 5


def test_a_transmitter_that_floods_shuts_out_itself_alone(tmp_path: Path) -> None:
    """With its share full it gets 503; another one's notice is taken, and the verifier of that issuer refuses."""
    clock = Clock()
    with ForeignIssuer(clock=clock) as noisy, ForeignIssuer(clock=clock) as quiet:
        loud, *_ = transmitters(noisy.url, tmp_path, max_entries=MAX_ENTRIES - 1)
        calm = msgspec.structs.replace(transmitters(quiet.url, tmp_path)[0], name="calm")
        with running_bridge(tmp_path, loud, calm, clock=clock) as bridge:
            assert bridge.read("/status").json()["shares"]["calm"]["max_entries"] == 1
        few = msgspec.structs.replace(loud, max_entries=3)
        with (
            running_bridge(tmp_path, few, calm, clock=clock) as bridge,
            Verifier(issuer=quiet.url, audience="my-api", clock=clock, **bridge.arguments()) as verifier,
        ):
            token = quiet.access()
            assert judged(verifier, token) == "good"
            flood = [bridge.log_out(noisy.logout_token(sid=f"made-up-{n}")).status_code for n in range(6)]
            assert flood == [200] * 3 + [503] * 3
            assert bridge.log_out(quiet.logout_token(), "calm").status_code == 200
            eventually(lambda: judged(verifier, token) == "revoked")


def test_bearer_tokens_of_transmitters(all_: Bridged) -> None:
    """A request for global revocation, or a pushed event, with another token is 401, and nothing is read of it."""
    event = all_.issuer.event(f"{RISC}account-disabled", all_.issuer.person())
    for bearer in ("x", SECRET, all_.bridge.secret.bearer):
        assert all_.bridge.revoke(all_.issuer.person(), bearer=bearer).status_code == 401
        assert all_.bridge.push(event, bearer=bearer).status_code == 401
    assert all_.bridge.entries() == {}


def test_a_notice_that_drips_is_let_go(all_: Bridged, monkeypatch: pytest.MonkeyPatch) -> None:
    """A body that does not end is 408 after ten seconds; here, after a tenth."""
    monkeypatch.setattr("gatepass.bridge.app._BODY_SECONDS", 0.1)
    address = urlsplit(all_.bridge.url)
    with socket.create_connection((address.hostname, address.port), timeout=10) as raw:
        raw.sendall(b"POST /notices/logout HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nlogout_token=")
        assert raw.recv(1_000).startswith(b"HTTP/1.1 408")


def test_what_is_too_large_is_refused_before_it_is_parsed(all_: Bridged) -> None:
    """A body over 64 KiB is 413 as soon as that is known, said or not; so is a head without an end."""
    assert all_.bridge.notify("logout", data={"logout_token": "x" * 70_000}).status_code == 413
    address = urlsplit(all_.bridge.url)
    connection = http.client.HTTPConnection(address.hostname or "", address.port, timeout=10)
    chunks = (b"x" * 10_000 for _ in range(8))
    connection.request("POST", "/notices/logout", chunks, {"Transfer-Encoding": "chunked"}, encode_chunked=True)
    assert connection.getresponse().status == 413
    connection.close()
    with socket.create_connection((address.hostname, address.port), timeout=10) as raw:
        raw.sendall(b"GET /jwks.json HTTP/1.1\r\nHost: x\r\nX: " + b"y" * 40_000)
        assert raw.recv(1_000).startswith(b"HTTP/1.1 400")
    many = "&".join(f"logout_token={n}" for n in range(1_000))
    answer = all_.bridge.notify("logout", content=many, headers={"content-type": "application/x-www-form-urlencoded"})
    assert answer.status_code == 400
    deep = "[" * 5_000 + "]" * 5_000
    body = f'{{"sub_id": {deep}}}'
    assert (
        all_.bridge.notify(
            "global", content=body, headers={"authorization": "Bearer what-the-transmitter-sends"}
        ).status_code
        == 400
    )


# ── strangers ──


@pytest.mark.parametrize("version", [b"0.9", b"1.2", b"2.0", b"9.9"])
def test_another_version_is_not_answered_as_if_it_were_ours(all_: Bridged, version: bytes) -> None:
    """Only HTTP/1.0 and HTTP/1.1 are read: 400 (RFC 9112 §2.3), and the connection is closed."""
    url = urlsplit(all_.bridge.url)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=10) as connection:
        connection.sendall(b"GET /jwks.json HTTP/%b\r\n\r\n" % version)
        said = b"".join(iter(lambda: connection.recv(65_536), b""))
    assert said.startswith(b"HTTP/1.1 400 ")
    assert said.count(b"HTTP/1.1 ") == 1
    assert all_.bridge.read("/status").status_code == 200


@pytest.mark.parametrize("before", [b"", b"GET /jwks.json HTTP/1.1\r\nhost: a\r\n\r\n"])
def test_requests_that_are_never_finished_make_room(
    all_: Bridged, monkeypatch: pytest.MonkeyPatch, before: bytes
) -> None:
    """A head without end, the first or a later one, holds a connection for a while only, however often it goes on."""
    monkeypatch.setattr(serving, "_IDLE_SECONDS", 1.0)
    url = urlsplit(all_.bridge.url)
    with socket.create_connection((url.hostname or "", url.port or 0), timeout=0.25) as connection:
        connection.sendall(before + b"GET /jwks.json HTTP/1.1\r\n")

        def is_closed() -> bool:
            try:
                connection.sendall(b"a: b\r\n")
                return connection.recv(65_536) == b""
            except TimeoutError:
                return False
            except OSError:
                return True

        eventually(is_closed)
    assert all_.bridge.read("/status").status_code == 200
