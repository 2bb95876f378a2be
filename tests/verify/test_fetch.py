"""The fetching itself: a user's own fetch, TLS, a missing httpx, and refreshes that get lost."""

from __future__ import annotations

import asyncio
import http.server
import json
import logging
import ssl
import subprocess
import sys
import threading
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from tests.support.scripted_issuer import NOW, Clock, ScriptedIssuer

from gatepass.jose import JoseError, Key, KeySet, jwt
from gatepass.jose.errors import InvalidPolicyError
from gatepass.verify import Fetched, FetchError, Verifier, fetch, http_client
from gatepass.verify.errors import IssuerUnavailableError

if TYPE_CHECKING:
    from pathlib import Path

    from gatepass.verify.http_client import Fetch

ISSUER = "https://auth.example.com"
KEY = Key.generate("ES256")


def signed(issuer: str = ISSUER, key: Key = KEY) -> str:
    """Sign a good token."""
    claims: dict[str, Any] = {"iss": issuer, "sub": "user_1", "aud": "my-api", "client_id": "c", "jti": "t"}
    return jwt.sign(claims | {"iat": int(NOW), "exp": int(NOW) + 900}, key, typ="at+jwt")


def published(url: str) -> Fetched:
    """Answer as the issuer would."""
    if url == ISSUER + "/jwks":
        return Fetched(200, {}, json.dumps(KeySet([KEY]).to_jwks()).encode())
    return Fetched(200, {}, json.dumps({"issuer": ISSUER, "jwks_uri": ISSUER + "/jwks"}).encode())


def verifier_with(own_fetch: Fetch) -> Verifier:
    """Make a verifier that fetches by a function of ours."""
    return Verifier(issuer=ISSUER, audience="my-api", fetch=own_fetch, clock=Clock())


# ── a user's own fetch ──────────────────────────────────────────────────────────────────────────────────────────────


def test_a_function_in_place_of_httpx() -> None:
    """`fetch` gets each URL in turn."""
    asked: list[str] = []

    def own(url: str) -> Fetched:
        asked.append(url)
        return published(url)

    assert verifier_with(own).verify(signed()).subject == "user_1"
    assert asked == [ISSUER + "/.well-known/oauth-authorization-server", ISSUER + "/jwks"]


def test_a_coroutine_function_in_place_of_httpx() -> None:
    """`fetch` may be async, for both ways of verifying."""

    async def own(url: str) -> Fetched:
        await asyncio.sleep(0)
        return published(url)

    assert verifier_with(own).verify(signed()).subject == "user_1"
    assert asyncio.run(verifier_with(own).averify(signed())).subject == "user_1"


@pytest.mark.parametrize("error", [FetchError("down"), OSError(), ValueError(), KeyError("secret-in-an-error")])
def test_a_fetch_that_raises(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """Whatever it raises is an outage; the log says which class of error, and no more than that."""

    def own(_: str) -> Fetched:
        raise error

    with pytest.raises(IssuerUnavailableError):
        verifier_with(own).verify(signed())
    assert [record.levelno for record in caplog.records] == [logging.WARNING]
    assert "secret" not in caplog.text


@pytest.mark.parametrize("answer", [None, b"{}", (200, {}), Fetched(200, {}, "{}")])  # type: ignore[arg-type]
def test_a_fetch_that_answers_something_else(answer: Any) -> None:  # noqa: ANN401 - anything but a Fetched
    """A wrong answer of a user's function is an outage, not another exception."""
    with pytest.raises(IssuerUnavailableError):
        verifier_with(lambda _: answer).verify(signed())


def test_verifying_in_an_event_loop_by_mistake() -> None:
    """`verify` in a coroutine blocks the loop while it waits for keys, but it gets them: nothing deadlocks."""

    async def by_mistake() -> str:
        return verifier_with(published).verify(signed()).subject

    assert asyncio.run(by_mistake()) == "user_1"


# ── refreshes that get lost ─────────────────────────────────────────────────────────────────────────────────────────


def test_a_fetch_that_never_returns_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A refresh past its deadline holds nobody up: another one takes its place, and the first no longer counts."""
    monkeypatch.setattr(fetch, "FETCH_SECONDS", -0.9)  # lost a tenth of a second after it began
    monkeypatch.setattr("gatepass.verify.verifier._WAIT_SECONDS", 0.2)
    released = threading.Event()
    lost: list[threading.Thread] = []

    def own(url: str) -> Fetched:
        if lost:
            return published(url)
        lost.append(threading.current_thread())
        released.wait(10)
        raise FetchError("too late")

    verifier = verifier_with(own)
    source = verifier._source
    assert source is not None
    try:
        assert verifier.verify(signed()).subject == "user_1"
        assert source.started == 2
    finally:
        released.set()
    lost[0].join(10)
    assert source.issuer.failure is None


def test_no_thread_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that may start no thread answers that the issuer is not available."""

    def refuses(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    verifier = verifier_with(published)
    monkeypatch.setattr(threading.Thread, "start", refuses)
    with pytest.raises(IssuerUnavailableError):
        verifier.verify(signed())


def test_no_event_loop_to_be_had(monkeypatch: pytest.MonkeyPatch) -> None:
    """Out of file descriptors, say: an outage like any other, and nobody waits for its end."""

    async def later(url: str) -> Fetched:
        return published(url)

    def refuses(_: object) -> None:
        raise OSError(24, "Too many open files")

    verifier = verifier_with(later)
    with monkeypatch.context() as patched:
        patched.setattr(asyncio.Runner, "_lazy_init", refuses)
        with pytest.raises(IssuerUnavailableError):
            verifier.verify(signed())
    source = verifier._source
    assert source is not None
    assert source.issuer.failure == "the fetch raised OSError"
    assert isinstance(verifier.clock, Clock)
    verifier.clock.advance(5)
    assert verifier.verify(signed()).subject == "user_1"


class Abrupt(BaseException):
    """What is no Exception, as gevent's GreenletExit."""


@pytest.mark.parametrize("error", [RuntimeError(), Abrupt(), SystemExit(1), KeyboardInterrupt()])
def test_whatever_a_fetch_raises_the_flight_lands(error: BaseException) -> None:
    """Nobody waits for a refresh whose thread has ended, however it ended: tokens get an answer at once."""

    def own(url: str) -> Fetched:
        raise error

    verifier = verifier_with(own)
    with pytest.raises(IssuerUnavailableError):
        verifier.verify(signed())
    source = verifier._source
    assert source is not None
    assert source.issuer.failure == f"the fetch raised {type(error).__name__}"


def test_an_event_loop_that_ends_badly(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was learned before counts."""
    close = asyncio.Runner.close

    def ends_badly(runner: asyncio.Runner) -> None:
        close(runner)
        raise OSError(24, "Too many open files")

    async def later(url: str) -> Fetched:
        return published(url)

    monkeypatch.setattr(asyncio.Runner, "close", ends_badly)
    verifier = verifier_with(later)
    assert verifier.verify(signed()).subject == "user_1"
    for thread in threading.enumerate():
        if thread.name == "gatepass-keys":
            thread.join(10)
    assert verifier._source is not None
    assert verifier._source.issuer.failure is None


# ── httpx ───────────────────────────────────────────────────────────────────────────────────────────────────────────


def test_without_httpx(monkeypatch: pytest.MonkeyPatch) -> None:
    """A verifier that would need httpx says so when it is made, and how to go on; the others work."""
    monkeypatch.setattr(http_client, "find_spec", lambda _: None)
    with pytest.raises(InvalidPolicyError, match=r"pip install 'gatepass\[verify\]', or pass keys= or fetch="):
        Verifier(issuer=ISSUER, audience="my-api")
    assert verifier_with(published).verify(signed()).subject == "user_1"
    offline = Verifier(issuer=ISSUER, audience="my-api", keys=KEY.public(), clock=Clock())
    assert offline.verify(signed()).subject == "user_1"


def test_importing_loads_no_client_and_no_framework() -> None:
    """`import gatepass.verify` costs what verifying costs."""
    code = (
        "import sys, gatepass.verify as v; v.Verifier(issuer='https://a.example', audience='b');"
        "print({'httpx', 'starlette', 'fastapi', 'uvicorn', 'anyio'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def _certificate(folder: Path) -> Path:
    """Make a certificate for 127.0.0.1 that signs itself; the file holds its key too."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "loopback")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "loopback.pem"
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    file.write_bytes(pem + certificate.public_bytes(serialization.Encoding.PEM))
    return file


def test_tls_is_checked_against_a_ca_file(tmp_path: Path) -> None:
    """A private authority works with `ca_file`; without it the same server is not believed."""
    file = _certificate(tmp_path)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = json.dumps(KeySet([KEY]).to_jwks()).encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it
            """Say nothing."""

    class Server(http.server.ThreadingHTTPServer):
        def handle_error(self, request: object, client_address: object) -> None:
            """A handshake that the client breaks off is what the test is about."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with Server(("127.0.0.1", 0), Handler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        issuer = f"https://127.0.0.1:{server.server_address[1]}"
        try:
            believing = Verifier(
                issuer=issuer, audience="my-api", jwks_url=issuer + "/jwks", ca_file=str(file), clock=Clock()
            )
            assert believing.verify(signed(issuer)).subject == "user_1"
            doubting = Verifier(issuer=issuer, audience="my-api", jwks_url=issuer + "/jwks", clock=Clock())
            with pytest.raises(JoseError) as caught:
                doubting.verify(signed(issuer))
            assert caught.value.code == "issuer_unavailable"
        finally:
            server.shutdown()
            thread.join()


def test_remembered_tokens_die_with_their_keys() -> None:
    """When the issuer withdraws a key, a token that it had verified is refused, remembered or not."""
    clock = Clock()
    with ScriptedIssuer() as issuer:
        verifier = Verifier(issuer=issuer.url, audience="my-api", clock=clock)
        token = issuer.token()
        verifier.verify(token)
        issuer.keys = [Key.generate("ES256")]
        clock.advance(31)
        assert verifier.verify(token).subject == "user_1"
        verifier.verify(issuer.token())  # the new key makes us look
        with pytest.raises(JoseError) as caught:
            verifier.verify(token)
        assert caught.value.code == "unknown_key"


def test_remembered_tokens_outlive_a_refresh_that_brings_nothing_new() -> None:
    """The periodic refresh costs nobody a verification."""
    clock = Clock()
    with ScriptedIssuer() as issuer:
        issuer.jwks_headers = {"Cache-Control": "max-age=60"}
        verifier = Verifier(issuer=issuer.url, audience="my-api", clock=clock)
        token = issuer.token()
        principal = verifier.verify(token)
        clock.advance(61)
        assert verifier.verify(issuer.token(jti="another")).token_id == "another"
        source = verifier._source
        assert source is not None
        assert source._flight is not None
        source._flight.result(10)
        assert issuer.count() == 2
        assert verifier.verify(token) is principal
