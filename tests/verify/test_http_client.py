"""What our HTTP client asks for and how: conditionally, and through the proxy that is named."""

from __future__ import annotations

import json
import socket
import threading

import pytest
from tests.support.scripted_issuer import JWKS, Clock, ScriptedIssuer, answer

from gatepass.jose import KeySet
from gatepass.verify import Verifier
from gatepass.verify.errors import IssuerUnavailableError

FAR = "https://auth.example.com"


def test_what_has_not_changed_is_not_sent_again() -> None:
    """With an `ETag` the keys are asked for by `If-None-Match`, and 304 makes the known ones fresh again."""
    clock = Clock()
    asked: list[bytes] = []

    def conditional(connection: socket.socket) -> None:
        head = issuer.heads[-1]
        asked.append(head)
        if b'if-none-match: "1"' in head.lower():
            answer(connection, b"", status=304, headers={"ETag": '"1"', "Cache-Control": "max-age=120"})
        else:
            body = json.dumps(KeySet(issuer.keys).to_jwks()).encode()
            answer(connection, body, headers={"ETag": '"1"', "Cache-Control": "max-age=60"})

    with ScriptedIssuer() as issuer:
        issuer.scripts[JWKS] = conditional
        verifier = Verifier(issuer=issuer.url, audience="my-api", revocation=None, clock=clock)
        principal = verifier.verify(token := issuer.token())
        source = verifier._source
        assert source is not None
        for seconds in (60, 119, 1):
            clock.advance(seconds)
            assert verifier.verify(token) is principal
            assert source._flight is not None
            source._flight.result(10)
        assert len(asked) == 3  # at first, after 60 seconds, and then after 120
        assert source.issuer.failure is None


@pytest.mark.parametrize("etag", ['"é"', '"a\tb"', '"a b"', '"a', "", 'W/"1"'])
def test_a_validator_that_cannot_be_sent_back(etag: str) -> None:
    """Whatever an issuer writes in `ETag`, the next refresh works."""
    clock = Clock()
    with ScriptedIssuer() as issuer:
        body = json.dumps(KeySet(issuer.keys).to_jwks()).encode()
        issuer.scripts[JWKS] = lambda connection: answer(connection, body, headers={"ETag": etag})
        verifier = Verifier(issuer=issuer.url, audience="my-api", revocation=None, clock=clock)
        verifier.verify(issuer.token())
        source = verifier._source
        assert source is not None
        again = source.look_again(clock())
        assert again is not None
        again.result(10)
        assert (source.started, source.issuer.failure) == (2, None)


def test_a_304_that_nobody_asked_for() -> None:
    """An answer without content is no key set where we know none."""
    with ScriptedIssuer() as issuer:
        issuer.scripts[JWKS] = lambda connection: answer(connection, b"", status=304)
        verifier = Verifier(issuer=issuer.url, audience="my-api", revocation=None, clock=Clock())
        with pytest.raises(IssuerUnavailableError):
            verifier.verify(issuer.token())


def test_a_proxy_that_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """`proxy` is asked for a tunnel to the issuer, whatever the environment says; not for one on this machine."""
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("NO_PROXY", "*")
    tunnels: list[bytes] = []

    def serve(listener: socket.socket) -> None:
        connection, _ = listener.accept()
        with connection:
            tunnels.append(connection.recv(65536).split(b"\r\n")[0])
            connection.sendall(b"HTTP/1.1 502 X\r\nContent-Length: 0\r\n\r\n")

    with socket.create_server(("127.0.0.1", 0)) as listener, ScriptedIssuer() as local:
        thread = threading.Thread(target=serve, args=(listener,))
        thread.start()
        proxy = f"http://127.0.0.1:{listener.getsockname()[1]}"
        near = Verifier(issuer=local.url, audience="my-api", revocation=None, proxy=proxy, clock=Clock())
        assert near.verify(local.token()).subject == "user_1"
        far = Verifier(
            issuer="https://auth.example.com", audience="my-api", revocation=None, proxy=proxy, clock=Clock()
        )
        with pytest.raises(IssuerUnavailableError):
            far.verify(local.token(iss=FAR))
        thread.join(10)
    assert tunnels == [b"CONNECT auth.example.com:443 HTTP/1.1"]
