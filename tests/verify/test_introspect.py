"""`Introspector`: what an issuer says of opaque tokens, how long it is believed, and what becomes of a bad answer."""

from __future__ import annotations

import asyncio
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from tests.support.scripted_issuer import NOW, Clock
from tests.support.server import ANN, running_server
from tests.support.token_server import TokenServer
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import JoseError, Key
from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens import dpop_proof
from gatepass.verify import DPoP, DPoPPolicy, Introspector, introspect
from gatepass.verify.errors import IssuerUnavailableError
from gatepass.verify.starlette import Bearer

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from starlette.requests import Request

GOOD: dict[str, Any] = {
    "active": True,
    "sub": "user_1",
    "aud": ["other", "my-api"],
    "client_id": "shop",
    "scope": "a b",
    "exp": int(NOW) + 900,
    "iat": int(NOW),
    "token_type": "Bearer",
    "roles": ["admin"],
}


@pytest.fixture
def server() -> Iterator[TokenServer]:
    """Say that `opaque` is good, and nothing of any other token."""
    with TokenServer() as server:
        server.answers["/introspect"] = lambda form: (200, GOOD if form["token"] == "opaque" else {"active": False})
        yield server


@pytest.fixture
def clock() -> Clock:
    """Time stands still unless told."""
    return Clock()


@pytest.fixture
def introspector(server: TokenServer, clock: Clock) -> Iterator[Introspector]:
    """Ask that server."""
    made = asking(server, clock)
    yield made
    made.close()


def asking(server: TokenServer, clock: Clock, **policy: Any) -> Introspector:  # noqa: ANN401 - any argument
    """Ask a server."""
    own: dict[str, Any] = {"issuer": server.url, "audience": "my-api", "client_id": "api", "client_secret": "s"}
    return Introspector(**own | {"clock": clock} | policy)


def refusal(by: Introspector, token: str = "opaque") -> str:
    """Say with which code a token is refused."""
    with pytest.raises(JoseError) as caught:
        by.verify(token)
    return caught.value.code


def test_what_the_issuer_says_becomes_a_principal(server: TokenServer, introspector: Introspector) -> None:
    """Each attribute comes from its member; the request is RFC 7662's, with the client's own credentials."""
    principal = introspector.verify("opaque")
    assert (principal.subject, principal.client_id) == ("user_1", "shop")
    assert principal.scopes == {"a", "b"}
    assert principal.roles == {"admin"}
    assert principal.expires_at == NOW + 900
    assert principal.claims["aud"] == ("other", "my-api")
    (sent,) = server.sent
    assert sent.form == {"token": "opaque", "token_type_hint": "access_token"}
    assert sent.authorization == "Basic YXBpOnM="
    assert introspector.issuers == (server.url,)


def test_an_answer_is_believed_for_a_while(server: TokenServer, introspector: Introspector, clock: Clock) -> None:
    """Ten seconds by default; then the issuer is asked again, and its new word counts."""
    assert introspector.verify("opaque") is asyncio.run(introspector.averify("opaque"))
    clock.advance(9)
    introspector.verify("opaque")
    assert len(server.sent) == 1
    server.answers["/introspect"] = lambda _: (200, {"active": False})
    clock.advance(1)
    assert refusal(introspector) == "inactive"
    assert len(server.sent) == 2


def test_an_answer_is_not_believed_longer_than_the_token_lives(server: TokenServer, clock: Clock) -> None:
    """`exp` ends it."""
    server.answers["/introspect"] = lambda _: (200, GOOD | {"exp": int(NOW) + 3})
    by = asking(server, clock, cache_seconds=60)
    by.verify("opaque")
    clock.advance(3)
    assert refusal(by) == "expired"
    by.close()


def test_memory_can_be_turned_off(server: TokenServer, clock: Clock) -> None:
    """With `cache_seconds=0` every request asks."""
    by = asking(server, clock, cache_seconds=0)
    for _ in range(3):
        by.verify("opaque")
    assert len(server.sent) == 3
    by.close()


def test_memory_is_bounded(server: TokenServer, clock: Clock) -> None:
    """The oldest answer is forgotten first."""
    server.answers["/introspect"] = lambda _: (200, GOOD)
    by = asking(server, clock, cache_size=2)
    for token in ("a", "b", "c", "b", "c", "a"):
        by.verify(token)
    assert len(server.sent) == 4
    assert len(by._seen) == 2
    by.close()


def test_a_refusal_is_never_remembered(server: TokenServer, introspector: Introspector) -> None:
    """A token that was unknown a moment ago may be good now."""
    assert refusal(introspector, "late") == "inactive"
    server.answers["/introspect"] = lambda _: (200, GOOD)
    assert introspector.verify("late").subject == "user_1"


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ({"active": False}, "inactive"),
        ({}, "inactive"),
        ({"active": "true"}, "inactive"),
        ({"active": 1}, "inactive"),
        (GOOD | {"token_type": "refresh_token"}, "inactive"),
        (GOOD | {"token_type": 7}, "inactive"),
        (GOOD | {"aud": "other"}, "wrong_audience"),
        (GOOD | {"aud": None}, "wrong_audience"),
        (GOOD | {"aud": 7}, "bad_claim"),
        (GOOD | {"iss": "https://elsewhere.example"}, "wrong_issuer"),
        (GOOD | {"exp": int(NOW)}, "expired"),
        (GOOD | {"exp": str(int(NOW) + 900)}, "bad_claim"),
        (GOOD | {"nbf": int(NOW) + 1}, "not_yet_valid"),
        (GOOD | {"sub": None, "client_id": None}, "bad_claim"),
        (GOOD | {"roles": "admin"}, "bad_claim"),
        (GOOD | {"cnf": {"jkt": "x"}}, "unproven_cnf"),
    ],
)
def test_a_token_that_is_not_good(server: TokenServer, introspector: Introspector, answer: object, code: str) -> None:
    """What the issuer says is checked like a token's own claims; only `true` is active."""
    server.answers["/introspect"] = lambda _: (200, answer)
    assert refusal(introspector) == code


@pytest.mark.parametrize(
    "cnf", [{}, [], "", "x", 0, 1.5, False, True, [None], {"jkt": None}, {"jkt": 1}, {"x5t#S256": "a"}, {"jkt": "a"}]
)
def test_a_binding_of_any_shape_binds(server: TokenServer, introspector: Introspector, cnf: object) -> None:
    """Whatever `cnf` is, a token that has one is worth nothing without what it asks for, and nothing falls over it."""
    server.answers["/introspect"] = lambda _: (200, GOOD | {"cnf": cnf})
    assert [refusal(introspector), refusal(introspector)] == ["unproven_cnf", "unproven_cnf"]


@pytest.mark.parametrize("nbf", ["9999999999", "x", [], {}, True, [9999999999]])
def test_a_beginning_that_nobody_can_read(server: TokenServer, introspector: Introspector, nbf: object) -> None:
    """A `nbf` that is no date says that the token is not good yet, for all we know: it is not passed over."""
    server.answers["/introspect"] = lambda _: (200, GOOD | {"nbf": nbf})
    assert refusal(introspector) == "bad_claim"


def test_what_is_null_is_not_there(server: TokenServer, introspector: Introspector) -> None:
    """Some issuers write null for what they do not say."""
    server.answers["/introspect"] = lambda _: (200, GOOD | dict.fromkeys(("token_type", "nbf", "cnf", "iss", "roles")))
    assert introspector.verify("opaque").subject == "user_1"


def test_an_answer_with_two_meanings(server: TokenServer, introspector: Introspector) -> None:
    """An answer that names a member twice is none: two readers would not read the same."""
    text = '{"active": false, ' + json.dumps(GOOD)[1:]
    server.answers["/introspect"] = lambda _: (200, text)
    assert refusal(introspector) == "issuer_unavailable"


@pytest.mark.parametrize("host", ["xn--a", "a..b", "a" * 64 + ".example", "..."])
def test_an_endpoint_at_no_host(server: TokenServer, clock: Clock, host: str) -> None:
    """Metadata that leads to a host which is no name is an outage like others, not an error of the API's."""
    server.metadata["introspection_endpoint"] = f"https://{host}/introspect"
    by = asking(server, clock)
    assert refusal(by) == "issuer_unavailable"
    by.close()


def test_what_may_be_missing(server: TokenServer, clock: Clock) -> None:
    """An issuer may say next to nothing; then the client is the subject, and the answer's own time is the end."""
    server.answers["/introspect"] = lambda _: (200, {"active": True, "client_id": "shop"})
    by = asking(server, clock, audience=None)
    principal = by.verify("opaque")
    assert (principal.subject, principal.scopes) == ("shop", frozenset())
    by.close()


@pytest.mark.parametrize(
    "answer", [(500, "x"), (200, "<html>"), (200, []), (401, {"error": "invalid_client"}), (302, {})]
)
def test_an_issuer_that_gives_no_answer(
    server: TokenServer, introspector: Introspector, answer: tuple[int, Any], caplog: pytest.LogCaptureFixture
) -> None:
    """An outage is told apart from a bad token, and the log has neither token nor secret."""
    server.answers["/introspect"] = lambda _: answer
    with pytest.raises(IssuerUnavailableError):
        introspector.verify("opaque-token")
    with pytest.raises(IssuerUnavailableError):
        asyncio.run(introspector.averify("opaque-token"))
    assert "cannot ask" in caplog.text
    assert "opaque-token" not in caplog.text


def test_an_issuer_that_is_not_there(clock: Clock) -> None:
    """So is one that nobody can connect to."""
    with TokenServer() as gone:
        pass
    assert refusal(asking(gone, clock)) == "issuer_unavailable"


@pytest.mark.parametrize("token", ["", " ", "a b", "a,b", "é", "x" * 16_385, "a\n", "a\x00", None, 7])
def test_rubbish_is_not_asked_about(server: TokenServer, introspector: Introspector, token: Any) -> None:  # noqa: ANN401
    """What no token looks like costs no request."""
    assert refusal(introspector, token) == "malformed"
    assert server.sent == []


def test_many_at_once_ask_once(server: TokenServer, introspector: Introspector) -> None:
    """Sixteen threads and sixteen tasks with one token wait for one answer."""
    go_on = threading.Event()

    def slowly(_: dict[str, str]) -> tuple[int, Any]:
        go_on.wait(5)
        return 200, GOOD

    server.answers["/introspect"] = slowly

    async def tasks() -> None:
        await asyncio.gather(*(introspector.averify("opaque") for _ in range(16)))

    with ThreadPoolExecutor(17) as pool:
        waiting = [pool.submit(introspector.verify, "opaque") for _ in range(16)]
        loop = pool.submit(lambda: asyncio.run(tasks()))
        eventually(lambda: len(server.sent) == 1)
        go_on.set()
        assert {future.result(10).subject for future in waiting} == {"user_1"}
        loop.result(10)
    assert len(server.sent) == 1


def test_a_flood_of_tokens(server: TokenServer, introspector: Introspector, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only so many tokens are asked about at once; the next is told to come back."""
    monkeypatch.setattr(introspect, "MAX_FLIGHTS", 2)
    go_on = threading.Event()

    def slowly(_: dict[str, str]) -> tuple[int, Any]:
        go_on.wait(5)
        return 200, GOOD

    server.answers["/introspect"] = slowly
    with ThreadPoolExecutor(2) as pool:
        waiting = [pool.submit(introspector.verify, name) for name in ("a", "b")]
        eventually(lambda: len(server.sent) == 2)
        assert refusal(introspector, "c") == "issuer_unavailable"
        go_on.set()
        assert [future.result(10).subject for future in waiting] == ["user_1"] * 2
    eventually(lambda: not introspector._flights)
    assert introspector.verify("c").subject == "user_1"


def test_dpop(server: TokenServer, clock: Clock) -> None:
    """A token that the issuer says is bound needs its proof, each time a new one."""
    holder, url = Key.generate("ES256"), "https://api.example.com/"
    server.answers["/introspect"] = lambda _: (200, GOOD | {"cnf": {"jkt": holder.thumbprint()}, "token_type": "DPoP"})
    by = asking(server, clock, dpop=DPoPPolicy(required=True))
    assert refusal(by) == "unproven_cnf"

    def proof(key: Key) -> DPoP:
        return DPoP(dpop_proof.make(key, method="GET", url=url, token="opaque", now=NOW), "GET", url)

    used = proof(holder)
    assert by.verify("opaque", used).key_thumbprint == holder.thumbprint()
    for bad in (used, proof(Key.generate("ES256"))):
        with pytest.raises(JoseError):
            by.verify("opaque", bad)
    assert by.verify("opaque", proof(holder)).subject == "user_1"
    by.close()


def test_in_a_framework(introspector: Introspector) -> None:
    """Every `Bearer` takes it in place of a verifier."""
    bearer = Bearer(introspector)
    admin = bearer.require(role="auditor")

    async def me(request: Request) -> PlainTextResponse:
        return PlainTextResponse((await bearer(request)).subject)

    async def audit(request: Request) -> PlainTextResponse:
        return PlainTextResponse((await admin(request)).subject)

    api = TestClient(Starlette(routes=[Route("/", me), Route("/audit", audit)]))
    assert api.get("/", headers={"Authorization": "Bearer opaque"}).text == "user_1"
    assert api.get("/", headers={"Authorization": "Bearer other"}).status_code == 401
    assert api.get("/audit", headers={"Authorization": "Bearer opaque"}).status_code == 403


@pytest.mark.parametrize(
    "arguments",
    [
        {"client_secret": None},
        {"client_key": Key.generate("ES256")},
        {"cache_seconds": -1},
        {"cache_seconds": 301},
        {"audience": ""},
        {"audience": ["my-api", ""]},
        {"issuer": "http://auth.example.com"},
        {"url": "http://auth.example.com/introspect"},
    ],
)
def test_a_policy_that_makes_no_sense(arguments: dict[str, Any]) -> None:
    """A mistake shows when the application starts."""
    own: dict[str, Any] = {"issuer": "https://auth.example.com", "audience": "my-api"}
    with pytest.raises(InvalidPolicyError):
        Introspector(**own | {"client_id": "api", "client_secret": "s"} | arguments)


def test_with_a_gatepass_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A person's token is good until they sign out, for an API that is registered as a client with its audience."""
    with running_server(tmp_path / "data") as server, server.client() as api:
        main(["client", "add", "api", "--json", "--data-dir", server.settings.data_dir])
        client = json.loads(capsys.readouterr().out)
        by = Introspector(
            issuer=server.url,
            audience=server.url,
            client_id=client["client_id"],
            client_secret=client["client_secret"],
            cache_seconds=0,
            clock=server.clock,
        )
        api.post("/signup", json=ANN)
        signed_in = api.post("/login", json=ANN).json()
        assert by.verify(signed_in["token"]).client_id == "first-party"
        assert refusal(by, signed_in["refresh_token"]) == "inactive"
        assert api.post("/logout", json={"refresh_token": signed_in["refresh_token"]}).status_code == 204
        assert refusal(by, signed_in["token"]) == "inactive"
        by.close()


def test_a_clock_that_is_set_back_makes_no_answer_young(
    server: TokenServer, introspector: Introspector, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An answer is believed for its seconds, by whichever clock says that they are over."""
    run = Clock(0)
    monkeypatch.setattr(introspect, "running_clock", run)
    introspector.verify("opaque")
    server.answers["/introspect"] = lambda _: (200, {"active": False})
    clock.advance(-3_600)
    run.advance(3_600)
    with pytest.raises(JoseError):
        introspector.verify("opaque")
