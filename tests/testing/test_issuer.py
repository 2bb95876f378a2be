"""`gatepass.testing`, used as somebody would who tests an API of their own."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import time
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient

from gatepass.jose import JoseError, Key
from gatepass.testing import Clock, Issuer, issuer_for
from gatepass.testing.fixtures import issuer
from gatepass.verify import DPoP, Principal, Verifier
from gatepass.verify.fastapi import Bearer

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["issuer"]  # the fixture


def make_app(verifier: Verifier) -> FastAPI:
    """An API of somebody's."""
    bearer = Bearer(verifier)
    app = FastAPI()

    async def me(user: Principal) -> dict[str, object]:
        return {"subject": user.subject, "roles": sorted(user.roles)}

    me.__annotations__["user"] = Annotated[Principal, Depends(bearer)]
    app.get("/me")(me)

    @app.get("/orders", dependencies=[Depends(bearer.require(scope="orders:read"))])
    async def orders() -> list[int]:
        return [1]

    return app


@pytest.fixture
def api(issuer: Issuer) -> TestClient:
    """A client of that API, whose tokens come from the test's issuer."""
    return TestClient(make_app(issuer.verifier()))


def test_good_tokens(issuer: Issuer, api: TestClient) -> None:
    """Subject, roles and scopes are what the test says."""
    assert api.get("/me").status_code == 401
    assert api.get("/me", headers=issuer.headers(sub="ada", roles=["admin"])).json() == {
        "subject": "ada",
        "roles": ["admin"],
    }
    assert api.get("/orders", headers=issuer.headers()).status_code == 403
    assert api.get("/orders", headers=issuer.headers(scope="orders:read x")).json() == [1]


@pytest.mark.parametrize(
    ("token", "code"),
    [
        ({"expires_in": -1}, "expired"),
        ({"expires_in": 0}, "expired"),
        ({"audience": "another"}, "wrong_audience"),
        ({"key": Key.generate("ES256")}, "unknown_key"),
        ({"iss": "https://elsewhere.example"}, "wrong_issuer"),
        ({"jti": None}, "missing_claim"),
        ({"acr": 7}, "bad_claim"),
    ],
)
def test_bad_tokens(issuer: Issuer, token: dict[str, Any], code: str) -> None:
    """A token is as bad as the test asks for."""
    made = issuer.token(**token) if token.get("roles") != "admin" else issuer.token(jti="x", acr=7)
    with pytest.raises(JoseError) as caught:
        issuer.verifier().verify(made)
    assert caught.value.code == code


def test_time(issuer: Issuer) -> None:
    """The clock stands still until the test moves it, and tokens end by it."""
    verifier, token = issuer.verifier(), issuer.token(expires_in=60)
    assert verifier.verify(token).expires_at == issuer.clock() + 60
    issuer.clock.advance(59)
    verifier.verify(token)
    issuer.clock.advance(1)
    assert _refusal(lambda: verifier.verify(token)) == "expired"
    assert Issuer(clock=Clock(1000)).clock() == 1000


def test_revoking(issuer: Issuer, api: TestClient) -> None:
    """A token that is taken back is refused at the next request, whether it was seen before or not."""
    verifier = issuer.verifier()
    one, other, elsewhere = issuer.token(), issuer.token(), issuer.token(sub="bob")
    for token in (one, other, elsewhere):
        verifier.verify(token)
    issuer.revoke(one)
    assert _refusal(lambda: verifier.verify(one)) == "revoked"
    verifier.verify(other)
    issuer.end_session(other)
    assert _refusal(lambda: verifier.verify(other)) == "revoked"
    assert verifier.verify(elsewhere).subject == "bob"
    headers = issuer.headers(sub="carol")
    assert api.get("/me", headers=headers).status_code == 200
    issuer.revoke(headers["Authorization"].removeprefix("Bearer "))
    assert api.get("/me", headers=headers).status_code == 401


def test_rotating(issuer: Issuer) -> None:
    """After a rotation both keys' tokens are good, again and again; a stolen key's are not."""
    verifier, old = issuer.verifier(), issuer.token()
    verifier.verify(old)
    for _ in range(3):
        issuer.rotate()
        verifier.verify(issuer.token())
    verifier.verify(old)
    newest = issuer.token()
    issuer.rotate(compromised=True)
    assert _refusal(lambda: verifier.verify(newest)) == "revoked"
    verifier.verify(issuer.token())
    verifier.verify(old)


def test_going_down(issuer: Issuer, api: TestClient) -> None:
    """Without the issuer a verifier that knows the keys goes on, and one that does not says 503."""
    known = issuer.verifier()
    known.verify(issuer.token())
    issuer.go_down()
    assert known.verify(issuer.token()).subject == "user_1"
    answer = api.get("/me", headers=issuer.headers())
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    issuer.come_back()
    assert api.get("/me", headers=issuer.headers()).status_code == 200


def test_bound_tokens(issuer: Issuer) -> None:
    """DPoP headers are those of one request."""
    key, url = Key.generate("ES256"), "https://api.example.test/orders"
    headers = issuer.dpop_headers(key, "GET", url, sub="ada")
    token = headers["Authorization"].removeprefix("DPoP ")
    assert issuer.verifier().verify(token, DPoP(headers["DPoP"], "GET", url)).key_thumbprint == key.thumbprint()


def test_like_another_issuer() -> None:
    """With another `typ` it is like an issuer that does not follow RFC 9068."""
    issuer = Issuer("https://login.example.com/tenant", audience="orders", alg="RS256", typ="JWT")
    token = issuer.token(client_id=None, azp="spa", jti=None, scp="a b")
    assert issuer.verifier().verify(token).scopes == {"a", "b"}


def test_a_verifier_that_the_application_has_made(issuer: Issuer) -> None:
    """In the block a verifier of the application's own asks nobody, and afterwards it is what it was."""
    verifier = Verifier(issuer="https://auth.example.com", audience=["orders", "x"], leeway=5)
    before = dict(vars(verifier))
    api = TestClient(make_app(verifier))
    with issuer_for(verifier) as stand_in:
        assert stand_in.url == "https://auth.example.com"
        assert api.get("/me", headers=stand_in.headers(sub="ada")).json()["subject"] == "ada"
        assert api.get("/me", headers=stand_in.headers(expires_in=-4)).status_code == 200
        assert api.get("/me", headers=stand_in.headers(expires_in=-6)).status_code == 401
        assert api.get("/me", headers=issuer.headers()).status_code == 401
        token = stand_in.token()
        verifier.verify(token)
        stand_in.revoke(token)
        assert _refusal(lambda: verifier.verify(token)) == "revoked"
        assert verifier.health().feed == "off"
    assert vars(verifier) == before


def test_it_is_fast(issuer: Issuer, api: TestClient) -> None:
    """A hundred requests with a token each take well under a second: no socket, and no waiting."""
    api.get("/me", headers=issuer.headers())
    began = time.process_time()
    for number in range(100):
        assert api.get("/me", headers=issuer.headers(sub=f"user_{number}")).status_code == 200
    assert time.process_time() - began < 2


def test_no_network(monkeypatch: pytest.MonkeyPatch, issuer: Issuer) -> None:
    """Nothing connects to anything."""

    def refuses(*_: object) -> None:
        raise AssertionError("a socket was connected")

    monkeypatch.setattr(socket.socket, "connect", refuses)
    assert issuer.verifier().verify(issuer.token()).subject == "user_1"


def test_it_needs_no_server() -> None:
    """Importing it loads neither the server nor an HTTP client nor pytest."""
    code = (
        "import sys, gatepass.testing;"
        "print({'gatepass.server', 'httpx', 'starlette', 'pytest', 'apsw'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"


def _refusal(call: Callable[[], object]) -> str:
    with pytest.raises(JoseError) as caught:
        call()
    return caught.value.code


def test_an_application_that_starts_its_verifier_asks_nobody_else() -> None:
    """`start` and `astart` are the stand-in's too: a test of a lifespan reaches no network."""
    verifier = Verifier(issuer="https://auth.example.com", audience="my-api")
    with issuer_for(verifier) as issuer:
        assert verifier.start().ready
        assert asyncio.run(verifier.astart()).ready
        assert verifier.verify(issuer.token()).subject == "user_1"
    assert not verifier.health().ready
