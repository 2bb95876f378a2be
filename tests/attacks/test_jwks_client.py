"""A hostile or broken key server, and tokens made to abuse the fetching of keys, as it went wrong elsewhere.

Each test runs a `Verifier` against a server on loopback.
"""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.scripted_issuer import JWKS, METADATA, OPENID_METADATA, Clock, ScriptedIssuer, answer

from gatepass.jose import JoseError, Key, KeySet, base64url, jws, jwt
from gatepass.verify import Verifier, fetch, http_client
from gatepass.verify import issuer as issuer_module
from gatepass.verify.errors import IssuerUnavailableError

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterator


@pytest.fixture
def clock() -> Clock:
    """Time stands still unless told."""
    return Clock()


@pytest.fixture
def issuer() -> Iterator[ScriptedIssuer]:
    """Run an issuer that behaves, until told otherwise."""
    with ScriptedIssuer() as server:
        yield server


@pytest.fixture
def verifier(issuer: ScriptedIssuer, clock: Clock) -> Verifier:
    """Make a verifier that has fetched nothing yet."""
    return Verifier(issuer=issuer.url, audience="my-api", clock=clock)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the total deadline short enough for a test."""
    monkeypatch.setattr(fetch, "FETCH_SECONDS", 0.3)


def refusal(verifier: Verifier, token: str) -> str:
    """Say with which code a token is refused."""
    with pytest.raises(JoseError) as caught:
        verifier.verify(token)
    return caught.value.code


def until_refreshed(verifier: Verifier) -> None:
    """Wait for the refresh that goes on in the background."""
    flight = source_of(verifier)._flight
    assert flight is not None
    flight.result(10)


def source_of(verifier: Verifier) -> fetch.KeySource:
    """Look at what supplies a verifier with keys."""
    assert verifier._source is not None
    return verifier._source


# ── tokens with unknown keys ────────────────────────────────────────────────────────────────────────────────────────


def test_a_flood_of_unknown_kids(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """Forty tokens, each naming another key that does not exist, cause at most two fetches of keys."""
    for _ in range(40):
        assert refusal(verifier, issuer.token(Key.generate("ES256"))) == "unknown_key"
    assert issuer.count() <= 2
    assert verifier.verify(issuer.token()).subject == "user_1"


def test_a_flood_of_unknown_kids_while_the_set_is_empty(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """An issuer without keys is asked no more often than one with keys."""
    issuer.keys = []
    for _ in range(40):
        assert refusal(verifier, issuer.token(Key.generate("ES256"))) == "unknown_key"
    assert issuer.count() <= 2


@pytest.mark.parametrize("path", [METADATA, JWKS])
def test_a_flood_of_tokens_while_the_server_is_broken(issuer: ScriptedIssuer, verifier: Verifier, path: str) -> None:
    """A server that answers 500 is asked at most twice by forty tokens; they are told that it is not their fault."""
    issuer.scripts[path] = lambda connection: answer(connection, b"", status=500)
    for _ in range(40):
        assert refusal(verifier, issuer.token()) == "issuer_unavailable"
    assert issuer.count(path) <= 2


def test_a_new_key_right_after_the_first_fetch(issuer: ScriptedIssuer, verifier: Verifier, clock: Clock) -> None:
    """A rotation seconds after start is noticed at the first token with the new key, not at the next periodic fetch."""
    verifier.verify(issuer.token())
    clock.advance(2)
    issuer.keys.insert(0, Key.generate("ES256"))
    assert verifier.verify(issuer.token()).subject == "user_1"
    assert issuer.count() == 2


def test_a_new_key_after_a_flood(issuer: ScriptedIssuer, verifier: Verifier, clock: Clock) -> None:
    """A flood of unknown kids delays a real rotation by half a minute at most."""
    for _ in range(3):
        refusal(verifier, issuer.token(Key.generate("ES256")))
    issuer.keys.insert(0, Key.generate("ES256"))
    clock.advance(issuer_module.UNKNOWN_KID_SECONDS)
    assert verifier.verify(issuer.token()).subject == "user_1"


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ("", "malformed"),
        ("a.b", "malformed"),
        ("a.b.c.d", "malformed"),
        ("e30.e30.", "malformed"),
        ("ey J.e30.AA", "malformed"),
        ("é.e30.AA", "malformed"),
        ("x" * 1_000_000, "token_too_long"),
    ],
)
def test_rubbish_causes_no_fetch(issuer: ScriptedIssuer, verifier: Verifier, token: str, code: str) -> None:
    """Shape and alphabet are checked before anything is fetched."""
    assert refusal(verifier, token) == code
    assert issuer.requests == []


def test_a_token_that_no_key_could_make_good_causes_no_fetch(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """`alg`, `typ`, `crit` and `iss` are checked before anything is fetched."""
    secret = Key.from_secret(b"k" * 32, "HS256", kid="k")
    key = issuer.keys[0]
    claims = jwt.peek(issuer.token()).claims
    header = {"alg": "ES256", "typ": "at+jwt", "crit": ["x"], "x": 1}
    crit = ".".join((_segment(header), _segment(claims), "AA"))
    none = ".".join((_segment({"alg": "none", "typ": "at+jwt"}), _segment(claims), ""))
    for token, code in (
        (issuer.token(secret), "alg_not_allowed"),
        (none, "alg_not_allowed"),
        (crit, "unsupported_crit"),
        (issuer.token(key, typ="JWT"), "wrong_typ"),
        (issuer.token(key, iss="https://elsewhere.example"), "wrong_issuer"),
    ):
        assert refusal(verifier, token) == code
    assert issuer.requests == []


def _segment(value: object) -> str:
    return base64url.encode(json.dumps(value).encode())


# ── outages ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_known_keys_outlive_an_outage(issuer: ScriptedIssuer, verifier: Verifier, clock: Clock) -> None:
    """While the server is down for two days, tokens of keys already known are verified."""
    verifier.verify(issuer.token())
    issuer.scripts[JWKS] = lambda connection: answer(connection, b"", status=503)
    for hour in range(48):
        clock.advance(3600)
        asked = issuer.count()
        exp = int(clock()) + 900
        assert verifier.verify(issuer.token(exp=exp, iat=int(clock()), jti=f"t{hour}")).expires_at == exp
        until_refreshed(verifier)
        assert issuer.count() == asked + 1


def test_an_outage_costs_remembered_tokens_nothing(issuer: ScriptedIssuer, verifier: Verifier, clock: Clock) -> None:
    """With stale keys and the server down, a token seen before is still answered from memory."""
    principal = verifier.verify(token := issuer.token())
    issuer.scripts[JWKS] = lambda connection: connection.close()
    clock.advance(issuer_module.FRESH_SECONDS)
    assert verifier.verify(token) is principal
    until_refreshed(verifier)
    assert verifier.verify(token) is principal


def test_keys_do_not_outlive_an_outage_for_ever(issuer: ScriptedIssuer, verifier: Verifier, clock: Clock) -> None:
    """After three days without the issuer its keys may have been withdrawn: nothing passes any more, seen or not."""
    exp = int(clock()) + issuer_module.USABLE_SECONDS + 900
    verifier.verify(seen := issuer.token(exp=exp))
    issuer.scripts[METADATA] = issuer.scripts[JWKS] = lambda connection: answer(connection, b"", status=503)
    clock.advance(issuer_module.USABLE_SECONDS)
    for token in (seen, issuer.token(exp=exp, jti="another")):
        assert refusal(verifier, token) == "issuer_unavailable"


def test_an_outage_is_told_apart_from_a_bad_token(issuer: ScriptedIssuer, verifier: Verifier, clock: Clock) -> None:
    """With the server down an unknown key is nobody's fault; when it is back, the next token after the wait passes."""
    issuer.scripts[METADATA] = lambda connection: connection.close()
    with pytest.raises(IssuerUnavailableError) as caught:
        verifier.verify(issuer.token())
    assert caught.value.retry_after == issuer_module.FIRST_BACKOFF_SECONDS
    del issuer.scripts[METADATA]
    assert refusal(verifier, issuer.token()) == "issuer_unavailable"
    clock.advance(issuer_module.FIRST_BACKOFF_SECONDS)
    assert verifier.verify(issuer.token()).subject == "user_1"


def test_a_dead_server_does_not_wipe_the_keys(issuer: ScriptedIssuer, verifier: Verifier, clock: Clock) -> None:
    """Failed refreshes that an unknown kid asked for leave the known keys alone."""
    verifier.verify(issuer.token())
    issuer.scripts[JWKS] = lambda connection: connection.close()
    assert refusal(verifier, issuer.token(Key.generate("ES256"))) == "issuer_unavailable"
    clock.advance(1)
    assert verifier.verify(issuer.token(jti="another")).token_id == "another"


# ── answers that should not be read ─────────────────────────────────────────────────────────────────────────────────


def _floods(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n")
    for _ in range(30):
        connection.sendall(b" " * 1_000_000)


def _drips_headers(issuer: ScriptedIssuer) -> Callable[[socket.socket], None]:
    def script(connection: socket.socket) -> None:
        for octet in b"HTTP/1.1 200 X\r\nX: " + b"x" * 100_000:
            connection.sendall(bytes((octet,)))
            if issuer.released.wait(0.01):
                return

    return script


def _drips_body(issuer: ScriptedIssuer) -> Callable[[socket.socket], None]:
    def script(connection: socket.socket) -> None:
        connection.sendall(b"HTTP/1.1 200 X\r\nConnection: close\r\n\r\n")
        while not issuer.released.wait(0.01):
            connection.sendall(b" ")

    return script


def _stalls(issuer: ScriptedIssuer) -> Callable[[socket.socket], None]:
    def script(_: socket.socket) -> None:
        issuer.released.wait()

    return script


def test_a_set_of_30_megabytes(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """An answer is read up to half a megabyte."""
    issuer.scripts[JWKS] = _floods
    assert refusal(verifier, issuer.token()) == "issuer_unavailable"
    assert _failure(verifier).endswith(f"answered with more than {http_client.MAX_BYTES} bytes")


def _failure(verifier: Verifier) -> str:
    failure = source_of(verifier).issuer.failure
    assert failure is not None
    return failure


def test_a_set_of_10001_keys(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """A set with more keys than any issuer has is refused as a whole."""
    document = b'{"keys":[' + b",".join([b"{}"] * 10_001) + b"]}"
    issuer.scripts[JWKS] = lambda connection: answer(connection, document)
    assert refusal(verifier, issuer.token()) == "issuer_unavailable"
    assert "too many members" in _failure(verifier)


def test_a_redirect(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """A redirect is no answer: it would let the server choose where keys come from."""
    issuer.scripts[JWKS] = lambda connection: answer(connection, b"", status=302, headers={"Location": "/elsewhere"})
    assert refusal(verifier, issuer.token()) == "issuer_unavailable"
    assert issuer.count("/elsewhere") == 0


@pytest.mark.parametrize("misbehave", [_drips_headers, _drips_body, _stalls])
@pytest.mark.usefixtures("impatient")
def test_a_server_that_takes_its_time(
    issuer: ScriptedIssuer, verifier: Verifier, misbehave: Callable[[ScriptedIssuer], Callable[[socket.socket], None]]
) -> None:
    """The deadline is for the whole answer, so one octet at a time does not extend it."""
    issuer.scripts[JWKS] = misbehave(issuer)
    started = time.monotonic()
    assert refusal(verifier, issuer.token()) == "issuer_unavailable"
    assert time.monotonic() - started < 2


def test_a_compressed_answer(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """Nothing is ever inflated, so there is no bomb: we ask for plain content and refuse what is not."""
    body = gzip.compress(json.dumps(KeySet(issuer.keys).to_jwks()).encode())
    issuer.scripts[JWKS] = lambda connection: answer(connection, body, headers={"Content-Encoding": "gzip"})
    assert refusal(verifier, issuer.token()) == "issuer_unavailable"


@pytest.mark.parametrize(
    "body", [b"", b"<html>", b"[]", b'{"keys":{}}', b"{}", b"\xff", b'{"keys":[],"keys":[]}', b"[" * 100_000]
)
def test_an_answer_that_is_no_key_set(issuer: ScriptedIssuer, verifier: Verifier, body: bytes) -> None:
    """Whatever comes in place of a key set is an outage, and no other exception."""
    issuer.scripts[JWKS] = lambda connection: answer(connection, body)
    assert refusal(verifier, issuer.token()) == "issuer_unavailable"


@pytest.mark.parametrize(
    "jwks_uri",
    ["http://keys.example.com/jwks", "ftp://127.0.0.1/jwks", "file:///etc/passwd", "//x", "https://", "", 7, None],
)
def test_metadata_that_points_where_it_should_not(issuer: ScriptedIssuer, verifier: Verifier, jwks_uri: object) -> None:
    """Keys come over https only, loopback apart."""
    document = json.dumps(issuer.metadata() | {"jwks_uri": jwks_uri}).encode()
    issuer.scripts[METADATA] = lambda connection: answer(connection, document)
    assert refusal(verifier, issuer.token()) == "issuer_unavailable"
    assert issuer.count() == 0


def test_metadata_of_another_issuer(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """A document that names another issuer is not used (RFC 8414 §3.3)."""
    document = json.dumps(issuer.metadata() | {"issuer": "https://elsewhere.example"}).encode()
    issuer.scripts[METADATA] = lambda connection: answer(connection, document)
    assert refusal(verifier, issuer.token()) == "issuer_unavailable"
    assert issuer.count() == 0


def test_unusable_members_are_skipped_and_counted(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """Unknown types, curves and algorithms, secrets and rubbish beside a good key do no harm."""
    good = issuer.keys[0].public().to_jwk()
    bad: list[Any] = [
        {"kty": "XYZ"},
        {"kty": "EC", "crv": "P-999", "x": "AA", "y": "AA"},
        good | {"alg": "XX999"},
        good | {"x": "AAAA"},
        {"kty": "oct", "k": "a2tra2tra2tra2tra2tra2tra2tra2tra2tra2tra2s", "alg": "HS256", "kid": "secret"},
        7,
        None,
        [],
    ]
    document = json.dumps({"keys": [*bad, good]}).encode()
    issuer.scripts[JWKS] = lambda connection: answer(connection, document)
    assert verifier.verify(issuer.token()).subject == "user_1"
    assert source_of(verifier).issuer.keys.skipped == len(bad)


def test_a_published_secret_verifies_nothing(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """A shared secret in a JWKS is known to everybody."""
    secret = Key.from_secret(b"k" * 32, "HS256", kid="secret")
    document = json.dumps({"keys": [secret.to_jwk(private=True), issuer.keys[0].public().to_jwk()]}).encode()
    issuer.scripts[JWKS] = lambda connection: answer(connection, document)
    verifier.verify(issuer.token())
    assert refusal(verifier, issuer.token(secret)) == "alg_not_allowed"


# ── many at once ────────────────────────────────────────────────────────────────────────────────────────────────────


def test_sixteen_threads_one_fetch(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """Sixteen threads that need the same keys cause one fetch, and all of them succeed."""
    token = issuer.token()
    with ThreadPoolExecutor(16) as pool:
        subjects = list(pool.map(lambda _: verifier.verify(token).subject, range(16)))
    assert subjects == ["user_1"] * 16
    assert issuer.count() == 1


def test_sixteen_tasks_one_fetch(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """Sixteen tasks that need the same keys cause one fetch, and all of them succeed."""

    async def together() -> list[str]:
        principals = await asyncio.gather(*(verifier.averify(issuer.token(jti=f"t{n}")) for n in range(16)))
        return [principal.subject for principal in principals]

    assert asyncio.run(together()) == ["user_1"] * 16
    assert issuer.count() == 1


def test_a_cancelled_request_takes_nobodys_keys_away(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """The task that caused the fetch is cancelled; the one that joined it still gets its answer."""
    arrived, go_on = threading.Event(), threading.Event()

    def slowly(connection: socket.socket) -> None:
        arrived.set()
        go_on.wait(5)
        answer(connection, json.dumps(KeySet(issuer.keys).to_jwks()).encode())

    issuer.scripts[JWKS] = slowly

    async def two() -> str:
        first = asyncio.create_task(verifier.averify(issuer.token(jti="first")))
        second = asyncio.create_task(verifier.averify(issuer.token(jti="second")))
        await asyncio.to_thread(arrived.wait, 5)
        first.cancel()
        await asyncio.wait({first})
        assert first.cancelled()
        go_on.set()
        return (await second).subject

    assert asyncio.run(two()) == "user_1"
    assert issuer.count() == 1


def test_a_loop_that_ends_before_the_fetch_does(
    issuer: ScriptedIssuer, verifier: Verifier, caplog: pytest.LogCaptureFixture
) -> None:
    """An application that stops while keys are being fetched stops in silence."""
    arrived, go_on = threading.Event(), threading.Event()

    def slowly(connection: socket.socket) -> None:
        arrived.set()
        go_on.wait(5)
        answer(connection, json.dumps(KeySet(issuer.keys).to_jwks()).encode())

    issuer.scripts[JWKS] = slowly

    async def gives_up() -> None:
        waiting = asyncio.create_task(verifier.averify(issuer.token()))
        await asyncio.to_thread(arrived.wait, 5)
        waiting.cancel()

    asyncio.run(gives_up())
    threads = [thread for thread in threading.enumerate() if thread.name == "gatepass-keys"]
    go_on.set()
    for thread in threads:
        thread.join(10)
    assert source_of(verifier).issuer.fetched_at is not None
    assert caplog.records == []


def test_nobody_with_a_known_key_waits(issuer: ScriptedIssuer, verifier: Verifier, clock: Clock) -> None:
    """While a refresh hangs, tokens of known keys are verified at once, and the event loop goes on turning."""
    verifier.verify(issuer.token())
    arrived = threading.Event()

    def stalls(_: socket.socket) -> None:
        arrived.set()
        issuer.released.wait()

    issuer.scripts[JWKS] = stalls
    clock.advance(issuer_module.MAX_FRESH_SECONDS)

    async def meanwhile() -> None:
        waiting = asyncio.create_task(verifier.averify(issuer.token(Key.generate("ES256"), exp=int(clock()) + 900)))
        await asyncio.to_thread(arrived.wait, 5)
        good = await verifier.averify(issuer.token(exp=int(clock()) + 900))
        assert good.subject == "user_1"
        assert not waiting.done()
        waiting.cancel()

    asyncio.run(meanwhile())


def test_two_issuers_with_one_kid_never_mix(clock: Clock) -> None:
    """Keys belong to their issuer (RFC 8725bis §3.8): a kid that another issuer uses too opens nothing there."""
    with ScriptedIssuer() as one, ScriptedIssuer() as other:
        one.keys = [Key.generate("ES256", kid="k1")]
        other.keys = [Key.generate("ES256", kid="k1")]
        verifiers = [Verifier(issuer=issuer.url, audience="my-api", clock=clock) for issuer in (one, other)]
        assert [v.verify(i.token()).claims["iss"] for v, i in zip(verifiers, (one, other), strict=True)] == [
            one.url,
            other.url,
        ]
        assert refusal(verifiers[0], one.token(other.keys[0])) == "bad_signature"
        assert refusal(verifiers[0], one.token(other.keys[0], iss=other.url)) == "bad_signature"
        assert refusal(verifiers[0], one.token(iss=other.url)) == "wrong_issuer"


def test_a_token_without_kid(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """Without `kid` a token passes only if exactly one key fits."""
    payload = issuer.token().split(".")[1]
    message = f"{_segment({'alg': 'ES256', 'typ': 'at+jwt'})}.{payload}".encode()
    token = jws.assemble(message, issuer.keys[0].sign(message))
    assert verifier.verify(token).subject == "user_1"
    issuer.keys.append(Key.generate("ES256"))
    fresh = Verifier(issuer=issuer.url, audience="my-api", clock=verifier.clock)
    assert refusal(fresh, token) == "unknown_key"


# ── discovery ───────────────────────────────────────────────────────────────────────────────────────────────────────


def test_an_issuer_with_a_path(clock: Clock) -> None:
    """RFC 8414 puts the well-known part before the path."""
    with ScriptedIssuer("/tenant") as issuer:
        verifier = Verifier(issuer=issuer.url, audience="my-api", clock=clock)
        assert verifier.verify(issuer.token()).subject == "user_1"
        assert issuer.requests == [f"{METADATA}/tenant", JWKS]


@pytest.mark.parametrize("status", [404, 200])
def test_an_openid_provider(issuer: ScriptedIssuer, verifier: Verifier, status: int) -> None:
    """Where RFC 8414's document does not exist, or is a web page, OpenID's is read."""
    issuer.scripts[METADATA] = lambda connection: answer(connection, b"<html>", status=status)
    issuer.scripts[OPENID_METADATA] = lambda connection: answer(connection, json.dumps(issuer.metadata()).encode())
    assert verifier.verify(issuer.token()).subject == "user_1"


def test_neither_document(issuer: ScriptedIssuer, verifier: Verifier) -> None:
    """Without metadata the failure says what to look at."""
    issuer.scripts[METADATA] = lambda connection: answer(connection, b"", status=404)
    assert refusal(verifier, issuer.token()) == "issuer_unavailable"
    assert "jwks_url=" in _failure(verifier)


def test_keys_that_move(issuer: ScriptedIssuer, verifier: Verifier, clock: Clock) -> None:
    """When the keys are gone from where they were, the metadata is asked again."""
    verifier.verify(issuer.token())
    issuer.scripts[JWKS] = lambda connection: answer(connection, b"", status=404)
    moved = json.dumps(issuer.metadata() | {"jwks_uri": issuer.origin + "/moved"}).encode()
    issuer.scripts[METADATA] = lambda connection: answer(connection, moved)
    issuer.keys.insert(0, Key.generate("ES256"))
    published = json.dumps(KeySet(issuer.keys).to_jwks()).encode()
    issuer.scripts["/moved"] = lambda connection: answer(connection, published)
    assert refusal(verifier, issuer.token()) == "issuer_unavailable"
    clock.advance(issuer_module.FIRST_BACKOFF_SECONDS)
    assert verifier.verify(issuer.token()).subject == "user_1"
