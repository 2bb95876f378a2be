"""`ClientCredentials`: a service's token, fetched once for everybody, renewed in time, on both kinds of client."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.scripted_issuer import Clock
from tests.support.server import running_server
from tests.support.token_server import METADATA, TokenServer
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.client import ClientCredentials, NoTokenError
from gatepass.jose import Key, KeySet, jwt
from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens import dpop_proof
from gatepass.verify import DPoP, Verifier

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

API = "https://orders.example.test"


@pytest.fixture
def server() -> Iterator[TokenServer]:
    """Give a new token each time, good for 100 seconds."""
    numbers = count(1)

    def give(_: dict[str, str]) -> tuple[int, Any]:
        return 200, {"access_token": f"token-{next(numbers)}", "token_type": "bearer", "expires_in": 100}

    with TokenServer() as server:
        server.answers["/token"] = give
        yield server


@pytest.fixture
def clock() -> Clock:
    """Time stands still unless told."""
    return Clock()


@pytest.fixture
def credentials(server: TokenServer, clock: Clock) -> ClientCredentials:
    """A service that is called `shop:1` and has a secret."""
    return ClientCredentials(issuer=server.url, client_id="shop:1", client_secret="s ä%", clock=clock)


def echo(request: httpx.Request) -> httpx.Response:
    """An API that takes every token, and says which it got."""
    return httpx.Response(200, text=request.headers["Authorization"])


def get(auth: ClientCredentials, handler: Any = echo) -> httpx.Response:  # noqa: ANN401 - a handler of httpx's
    """Call the API."""
    with httpx.Client(auth=auth, transport=httpx.MockTransport(handler)) as client:
        return client.get("https://orders.example.test/")


async def aget(auth: ClientCredentials, handler: Any = echo) -> httpx.Response:  # noqa: ANN401 - as above
    """Call the API in an event loop."""
    async with httpx.AsyncClient(auth=auth, transport=httpx.MockTransport(handler)) as client:
        return await client.get("https://orders.example.test/")


def test_a_token_is_fetched_once(server: TokenServer, credentials: ClientCredentials) -> None:
    """Both kinds of client send the same token, which was asked for as RFC 6749 §4.4 says."""
    assert get(credentials).text == "Bearer token-1"
    assert asyncio.run(aget(credentials)).text == "Bearer token-1"
    assert (credentials.token(), asyncio.run(credentials.atoken())) == ("token-1", "token-1")
    (sent,) = server.sent
    assert sent.form == {"grant_type": "client_credentials"}
    assert sent.authorization == "Basic " + base64.b64encode(b"shop%3A1:s+%C3%A4%25").decode()
    assert server.asked == [METADATA]


def test_what_is_asked_for(server: TokenServer) -> None:
    """Scope and audience go into the form; the audience also as RFC 8707's resource where it is a URL."""
    policy: dict[str, Any] = {"issuer": server.url, "client_id": "c", "client_secret": "s", "scope": "a b"}
    ClientCredentials(**policy, audience=API).token()
    ClientCredentials(**policy, audience="orders", token_url=server.url + "/token").token()
    wanted = {"grant_type": "client_credentials", "scope": "a b"}
    assert [sent.form for sent in server.sent] == [
        wanted | {"audience": API, "resource": API},
        wanted | {"audience": "orders"},
    ]
    assert len(server.asked) == 1


def test_a_client_that_signs(server: TokenServer, clock: Clock) -> None:
    """`client_key` proves who it is without sending a secret (RFC 7523 §2.2), by a new assertion each time."""
    key = Key.generate("ES256")
    auth = ClientCredentials(issuer=server.url, client_id="c", client_key=key, clock=clock)
    auth.token()
    clock.advance(100)
    auth.token()
    claims = [
        jwt.verify(sent.form["client_assertion"], key.public(), issuer="c", audience=server.url, typ="JWT", now=clock())
        for sent in server.sent[1:]
    ]
    assert server.sent[0].authorization is None
    assert claims[0]["sub"] == "c"
    assert claims[0]["exp"] == clock() + 60
    assert len({sent.form["client_assertion"] for sent in server.sent}) == 2


def test_it_is_renewed_while_it_is_good(server: TokenServer, credentials: ClientCredentials, clock: Clock) -> None:
    """After four fifths of its life a new one is fetched behind everybody's back; the old one is sent meanwhile."""
    credentials.token()
    clock.advance(79)
    assert credentials.token() == "token-1"
    assert len(server.sent) == 1
    clock.advance(1)
    assert credentials.token() == "token-1"
    eventually(lambda: credentials.token() == "token-2")
    assert len(server.sent) == 2


def test_one_that_ends_in_a_moment_is_not_sent(credentials: ClientCredentials, clock: Clock) -> None:
    """The last ten seconds are kept for the way."""
    credentials.token()
    clock.advance(90)
    assert credentials.token() == "token-2"


def test_many_at_once_are_one_fetch(server: TokenServer, credentials: ClientCredentials) -> None:
    """Sixteen threads and sixteen tasks that need a token wait for the same one."""
    go_on = threading.Event()

    def slowly(_: dict[str, str]) -> tuple[int, Any]:
        go_on.wait(5)
        return 200, {"access_token": "slow", "token_type": "Bearer"}

    server.answers["/token"] = slowly

    async def tasks() -> list[httpx.Response]:
        return await asyncio.gather(*(aget(credentials) for _ in range(16)))

    with ThreadPoolExecutor(17) as pool:
        threads = [pool.submit(get, credentials) for _ in range(16)]
        loop = pool.submit(lambda: asyncio.run(tasks()))
        eventually(lambda: len(server.sent) == 1)
        go_on.set()
        answers = {answer.text for answer in (*(thread.result(10) for thread in threads), *loop.result(10))}
    assert answers == {"Bearer slow"}
    assert len(server.sent) == 1


def test_a_task_that_is_cancelled_takes_nobodys_token_away(server: TokenServer, credentials: ClientCredentials) -> None:
    """The task that caused the fetch goes; the other still gets its answer."""
    go_on = threading.Event()

    def slowly(_: dict[str, str]) -> tuple[int, Any]:
        go_on.wait(5)
        return 200, {"access_token": "slow", "token_type": "Bearer"}

    server.answers["/token"] = slowly

    async def two() -> str:
        first, second = asyncio.create_task(aget(credentials)), asyncio.create_task(aget(credentials))
        await asyncio.to_thread(eventually, lambda: len(server.sent) == 1)
        first.cancel()
        await asyncio.wait({first})
        go_on.set()
        return (await second).text

    assert asyncio.run(two()) == "Bearer slow"


# ── when something goes wrong ───────────────────────────────────────────────────────────────────────────────────────


def test_an_api_that_refuses_the_token(credentials: ClientCredentials) -> None:
    """After 401 `invalid_token` the request is sent once more with a new token, body and all."""
    seen: list[tuple[str, bytes]] = []

    def revoked(request: httpx.Request) -> httpx.Response:
        seen.append((request.headers["Authorization"], request.content))
        good = request.headers["Authorization"] == "Bearer token-2"
        return httpx.Response(200 if good else 401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})

    with httpx.Client(auth=credentials, transport=httpx.MockTransport(revoked)) as client:
        assert client.post(API, json=[1]).status_code == 200
    assert seen == [("Bearer token-1", b"[1]"), ("Bearer token-2", b"[1]")]
    assert asyncio.run(aget(credentials, revoked)).status_code == 200


def test_an_api_that_refuses_every_token(server: TokenServer, credentials: ClientCredentials) -> None:
    """One attempt more, and no third; another 401 is not tried again at all."""

    def refuses(_: httpx.Request) -> httpx.Response:
        return httpx.Response(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})

    assert get(credentials, refuses).status_code == 401
    assert len(server.sent) == 2
    assert asyncio.run(aget(credentials, refuses)).status_code == 401
    assert len(server.sent) == 3
    assert get(credentials, lambda _: httpx.Response(401, headers={"WWW-Authenticate": "Bearer"})).status_code == 401
    assert len(server.sent) == 3


def test_what_was_streamed_is_not_sent_again(credentials: ClientCredentials) -> None:
    """A body that is gone cannot be repeated: the 401 is the answer."""

    def refuses(request: httpx.Request) -> httpx.Response:
        request.read()
        return httpx.Response(401, headers={"WWW-Authenticate": 'Bearer error="invalid_token"'})

    with httpx.Client(auth=credentials, transport=httpx.MockTransport(refuses)) as client:
        assert client.post(API, content=iter([b"a"])).status_code == 401


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        ((401, {"error": "invalid_client"}), "invalid_client"),
        ((400, {"error": "invalid_scope", "error_description": "x"}), "invalid_scope"),
        ((500, "<html>"), "issuer_unavailable"),
        ((503, {}), "issuer_unavailable"),
        ((200, "<html>"), "issuer_unavailable"),
        ((200, []), "issuer_unavailable"),
        ((200, {}), "issuer_unavailable"),
        ((200, {"access_token": "x", "token_type": "mac"}), "issuer_unavailable"),
        ((200, {"access_token": "x\r\nEvil: 1", "token_type": "Bearer"}), "issuer_unavailable"),
        ((200, {"access_token": "", "token_type": "Bearer"}), "issuer_unavailable"),
        ((200, {"access_token": "é", "token_type": "Bearer"}), "issuer_unavailable"),
        ((200, '{"access_token": "x", "access_token": "y", "token_type": "Bearer"}'), "issuer_unavailable"),
        ((200, {"access_token": "x", "token_type": "Bearer", "expires_in": 0}), "issuer_unavailable"),
        ((200, {"access_token": "x", "token_type": "Bearer", "expires_in": "1"}), "issuer_unavailable"),
        ((302, {}), "issuer_unavailable"),
        ((307, {}), "issuer_unavailable"),
    ],
)
def test_no_token(server: TokenServer, credentials: ClientCredentials, answer: tuple[int, Any], code: str) -> None:
    """Whatever comes in place of a token is one error with a code; a redirect does not get the secret."""
    server.answers["/token"] = lambda _: answer
    with pytest.raises(NoTokenError) as caught:
        get(credentials)
    assert caught.value.code == code
    assert isinstance(caught.value, httpx.HTTPError)
    assert "s ä%" not in str(caught.value)
    assert [sent.path for sent in server.sent] == ["/token"]
    with pytest.raises(NoTokenError):
        asyncio.run(aget(credentials))


def test_an_outage_that_a_good_token_outlives(
    server: TokenServer, credentials: ClientCredentials, clock: Clock
) -> None:
    """When renewing fails the token that is still good is sent, and renewing is tried every five seconds."""
    give = server.answers["/token"]
    credentials.token()
    server.answers["/token"] = lambda _: (500, {})
    clock.advance(80)
    assert credentials.token() == "token-1"
    eventually(lambda: credentials._retry_at > clock())
    assert credentials.token() == "token-1"
    assert len(server.sent) == 2
    server.answers["/token"] = give
    clock.advance(5)
    assert credentials.token() == "token-1"
    eventually(lambda: credentials.token() == "token-2")


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://elsewhere.example"},
        {"token_endpoint": None},
        {"token_endpoint": "http://auth.example.com/token"},
        {"token_endpoint": "file:///etc/passwd"},
        {"token_endpoint": "https://a..b/token"},
    ],
)
def test_metadata_that_leads_elsewhere(server: TokenServer, metadata: dict[str, Any]) -> None:
    """A secret goes to the issuer that the application named, over https, or nowhere."""
    server.metadata |= metadata
    with pytest.raises(NoTokenError) as caught:
        ClientCredentials(issuer=server.url, client_id="c", client_secret="s").token()
    assert server.sent == []
    assert "defect" not in str(caught.value)


def test_nobody_listens() -> None:
    """A server that is not there is an error like the others."""
    with TokenServer() as server:
        url = server.url
    with pytest.raises(NoTokenError):
        ClientCredentials(issuer=url, client_id="c", client_secret="s").token()


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"client_secret": "s", "client_key": Key.generate("ES256")},
        {"client_key": Key.generate("ES256").public()},
        {"client_key": Key.generate("HS256")},
        {"client_secret": "s", "dpop_key": Key.generate("ES256").public()},
        {"client_secret": "s", "dpop_key": Key.generate("HS256")},
        {"client_secret": "s", "issuer": "http://auth.example.com"},
        {"client_secret": "s", "token_url": "http://auth.example.com/token"},
    ],
)
def test_arguments_that_make_no_sense(arguments: dict[str, Any]) -> None:
    """A mistake shows when the application starts."""
    policy: dict[str, Any] = {"issuer": "https://auth.example.com", "client_id": "c"}
    with pytest.raises(InvalidPolicyError):
        ClientCredentials(**policy | arguments)


def test_nothing_secret_is_shown(credentials: ClientCredentials, caplog: pytest.LogCaptureFixture) -> None:
    """Neither secret nor token is in a `repr` or a log."""
    token = credentials.token()
    shown = repr(credentials) + repr(vars(credentials)) + caplog.text
    assert "s ä%" not in shown
    assert token not in shown


# ── bound to a key ──────────────────────────────────────────────────────────────────────────────────────────────────


def test_tokens_that_are_bound(server: TokenServer, clock: Clock) -> None:
    """With `dpop_key` the token is asked for with a proof, and each request carries its own (RFC 9449 §5, §7)."""
    key = Key.generate("ES256")
    answers = iter([(400, {"error": "use_dpop_nonce"}), (200, {"access_token": "bound", "token_type": "DPoP"})])
    server.answers["/token"] = lambda _: next(answers)
    server.headers = {"DPoP-Nonce": "n1"}
    auth = ClientCredentials(issuer=server.url, client_id="c", client_secret="s", dpop_key=key, clock=clock)
    seen: list[dpop_proof.DPoPProof] = []

    def api(request: httpx.Request) -> httpx.Response:
        assert request.headers["Authorization"] == "DPoP bound"
        seen.append(
            dpop_proof.check(
                request.headers["DPoP"], method="GET", url=API + "/", token="bound", now=clock(), seconds=1
            )
        )
        if seen[-1].nonce == "n2":
            return httpx.Response(200)
        headers = {"WWW-Authenticate": 'DPoP error="use_dpop_nonce"', "DPoP-Nonce": "n2"}
        return httpx.Response(401, headers=headers)

    assert get(auth, api).status_code == 200
    assert asyncio.run(aget(auth, api)).status_code == 200
    proofs = [
        dpop_proof.check(sent.dpop or "", method="POST", url=server.url + "/token", token=None, now=clock(), seconds=1)
        for sent in server.sent
    ]
    assert [proof.nonce for proof in (*proofs, *seen)] == [None, "n1", None, "n2", "n2"]
    assert {proof.thumbprint for proof in (*proofs, *seen)} == {key.thumbprint()}
    assert len({proof.jti for proof in (*proofs, *seen)}) == 5


def test_an_issuer_that_does_not_bind(server: TokenServer, clock: Clock) -> None:
    """Who wants bound tokens does not get others unawares."""
    auth = ClientCredentials(
        issuer=server.url, client_id="c", client_secret="s", dpop_key=Key.generate("ES256"), clock=clock
    )
    with pytest.raises(NoTokenError):
        auth.token()


# ── against a Gatepass server ───────────────────────────────────────────────────────────────────────────────────────


def test_a_service_of_a_gatepass_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """By secret and by signature: the token is for the API, and speaks for the client."""
    key = Key.generate("ES256")
    keys = tmp_path / "keys.json"
    keys.write_text(json.dumps(KeySet([key]).to_jwks()))
    with running_server(tmp_path / "data") as server:
        ids = []
        for words in ((), ("--jwks", str(keys))):
            main(["client", "add", "w", "--audience", API, *words, "--json", "--data-dir", server.settings.data_dir])
            ids.append(json.loads(capsys.readouterr().out))
        by_secret = ClientCredentials(
            issuer=server.url,
            client_id=ids[0]["client_id"],
            client_secret=ids[0]["client_secret"],
            audience=API,
            clock=server.clock,
        )
        by_key = ClientCredentials(
            issuer=server.url, client_id=ids[1]["client_id"], client_key=key, audience=API, clock=server.clock
        )
        holder = Key.generate("ES256")
        bound = ClientCredentials(
            issuer=server.url,
            client_id=ids[0]["client_id"],
            client_secret=ids[0]["client_secret"],
            dpop_key=holder,
            audience=API,
            clock=server.clock,
        )
        with Verifier(issuer=server.url, audience=API, clock=server.clock, revocation=None) as verifier:
            subjects = [verifier.verify(auth.token()).subject for auth in (by_secret, by_key)]

            def api(request: httpx.Request) -> httpx.Response:
                token = request.headers["Authorization"].removeprefix("DPoP ")
                dpop = DPoP(request.headers["DPoP"], request.method, str(request.url))
                return httpx.Response(200, text=verifier.verify(token, dpop).key_thumbprint or "")

            assert get(bound, api).text == holder.thumbprint()
            assert asyncio.run(aget(bound, api)).text == holder.thumbprint()
    assert subjects == [ids[0]["client_id"], ids[1]["client_id"]]


def test_a_clock_that_is_set_back_keeps_no_token_too_long(
    server: TokenServer, credentials: ClientCredentials, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A token ends by whichever clock says so first."""
    run = Clock(0)
    monkeypatch.setattr("gatepass.client.running_clock", run)
    assert credentials.token() == "token-1"
    clock.advance(-3_600)
    run.advance(3_600)
    assert credentials.token() == "token-2"
