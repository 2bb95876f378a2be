"""A provider that lies, or somebody who forges what it says, gets nobody in."""

from __future__ import annotations

import base64
import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.elsewhere import come_back, go_there, sign_in
from tests.support.pages import Browser
from tests.support.scripted_provider import CLIENT_ID, CLIENT_SECRET, ScriptedProvider, say
from tests.support.server import NOON, SettableClock, running_server

from gatepass.jose import Key, jwt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from http.server import BaseHTTPRequestHandler

    import httpx
    from tests.support.server import RunningServer

NOW = int(NOON)
ISSUED = {"exp": NOW + 600, "iat": NOW}


@pytest.fixture(scope="module")
def provider() -> Generator[ScriptedProvider]:
    """The provider."""
    with ScriptedProvider() as provider:
        provider.now = lambda: NOON
        yield provider


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, provider: ScriptedProvider) -> Generator[RunningServer]:
    """A server that knows it."""
    providers = {"corp": provider.settings(app_client_ids=["app"])}
    with running_server(tmp_path_factory.mktemp("lies"), SettableClock(), providers=providers) as running:
        yield running


@pytest.fixture
def truthful(provider: ScriptedProvider) -> Generator[ScriptedProvider]:
    """The provider, which lies for one test only."""
    yield provider
    provider.lies, provider.answers, provider.metadata = {}, {}, {}


def present(server: RunningServer, token: str, **more: object) -> httpx.Response:
    """Sign in with an ID token."""
    with server.client() as api:
        return api.post("/login", json={"provider": "corp", "id_token": token, **more})


def assert_refused(answer: httpx.Response) -> None:
    """Nobody came in."""
    assert (answer.status_code, answer.json()["code"]) == (403, "invalid_id_token"), answer.text
    assert "set-cookie" not in answer.headers


CLAIMS: dict[str, dict[str, Any]] = {
    "another issuer": {"iss": "https://accounts.example.com"},
    "an issuer that begins the same": {"iss": "http://localhost"},
    "no issuer": {"iss": None},
    "for somebody else": {"aud": "another client"},
    "for us and somebody else": {"aud": [CLIENT_ID, "another client"], "azp": CLIENT_ID},
    "for nobody": {"aud": []},
    "without audience": {"aud": None},
    "for two of us, issued to neither": {"aud": [CLIENT_ID, "app"]},
    "issued to somebody else": {"azp": "another client"},
    "an azp that is no text": {"azp": [CLIENT_ID]},
    "expired": {"exp": NOW - 61, "iat": NOW - 200},
    "without end": {"exp": None},
    "an end that is no number": {"exp": str(NOW + 600)},
    "older than five minutes": {"iat": NOW - 301},
    "from the future": {"iat": NOW + 61},
    "made at no time": {"iat": None},
    "not yet valid": {"nbf": NOW + 61},
    "about nobody": {"sub": None},
    "about an empty name": {"sub": ""},
    "about a name without end": {"sub": "x" * 256},
    "about a name that is no ASCII": {"sub": "аnn"},  # noqa: RUF001 - a Cyrillic letter, as an attacker has it
    "about a number": {"sub": 1001},
    "a logout token": {"events": {"http://schemas.openid.net/event/backchannel-logout": {}}},
}


@pytest.mark.parametrize("lie", CLAIMS)
def test_claims_that_are_not_for_here_and_now(server: RunningServer, provider: ScriptedProvider, lie: str) -> None:
    """Signed by the provider's own key, and refused for what they say (OpenID Connect Core §3.1.3.7)."""
    claims = {"iss": provider.url, "aud": CLIENT_ID, **ISSUED, **provider.person} | CLAIMS[lie]
    segments = [{"alg": "ES256", "kid": provider.keys[0].kid, "typ": "JWT"}, claims]
    segments[1] = {name: value for name, value in claims.items() if value is not None}
    message = ".".join(base64.urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in segments)
    signature = base64.urlsafe_b64encode(provider.keys[0].sign(message.encode())).decode().rstrip("=")
    assert_refused(present(server, f"{message}.{signature}"))


def forgeries(provider: ScriptedProvider) -> dict[str, str]:
    """Tokens with the right claims and the wrong hand."""
    claims = {"iss": provider.url, "aud": CLIENT_ID, **ISSUED, **provider.person}
    public = provider.keys[0].public()
    kid = public.kid
    encoded = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    none = base64.urlsafe_b64encode(b'{"alg":"none"}').decode().rstrip("=")
    secret = Key.from_secret(CLIENT_SECRET.encode(), "HS256", kid=kid)
    jwk = Key.from_secret(base64.urlsafe_b64decode(str(public.to_jwk()["x"]) + "=="), "HS256", kid=kid)
    honest = provider.id_token()
    return {
        "alg none": f"{none}.{encoded}.",
        "HS256 under the client's secret": jwt.sign(claims, secret),
        "HS256 under the public key": jwt.sign(claims, jwk),
        "another key of the same kid": jwt.sign(claims, Key.generate("ES256", kid=kid)),
        "another key of another kid": jwt.sign(claims, Key.generate("ES256")),
        "an access token": jwt.sign(claims, provider.keys[0], typ="at+jwt"),
        "a signature that was cut off": honest.rpartition(".")[0] + ".",
        "other claims under the signature": f"{honest.split('.')[0]}.{encoded}.{honest.split('.')[2]}",
        "too long": honest + "A" * 20_000,
        "nothing": "",
        "no token": "x",
    }


@pytest.mark.parametrize(
    "forgery",
    [
        "alg none",
        "HS256 under the client's secret",
        "HS256 under the public key",
        "another key of the same kid",
        "another key of another kid",
        "an access token",
        "a signature that was cut off",
        "other claims under the signature",
        "too long",
        "nothing",
        "no token",
    ],
)
def test_tokens_that_it_did_not_sign(server: RunningServer, provider: ScriptedProvider, forgery: str) -> None:
    """No secret that we share with it, and no key but its published ones, makes an ID token."""
    assert_refused(present(server, forgeries(provider)[forgery]))


def test_unknown_keys_do_not_make_us_ask_without_end(server: RunningServer, provider: ScriptedProvider) -> None:
    """Twenty tokens of twenty keys that nobody knows cost the provider one request at most."""
    before = provider.requests.count("GET /jwks")
    claims = {"iss": provider.url, "aud": CLIENT_ID, **ISSUED, **provider.person}
    for _ in range(20):
        assert_refused(present(server, jwt.sign(claims, Key.generate("ES256"))))
    assert provider.requests.count("GET /jwks") <= before + 1


@pytest.mark.parametrize(
    "lies",
    [
        {"nonce": "of another sign-in"},
        {"nonce": None},
        {"aud": "app"},
        {"iss": "https://accounts.example.com"},
        {"iat": NOW - 301},
    ],
)
def test_on_the_way_back_too(server: RunningServer, truthful: ScriptedProvider, lies: dict[str, Any]) -> None:
    """The ID token of the code flow has the nonce of this journey, and is for the client that went."""
    truthful.lies = lies
    with Browser(server) as browser:
        page = sign_in(browser, truthful)
        assert page.status_code == 403
        assert browser.refresh().status_code == 401


def test_an_id_token_of_the_code_flow_is_used_up(server: RunningServer, truthful: ScriptedProvider) -> None:
    """Whoever reads it afterwards cannot sign in with it."""
    seen: list[str] = []
    make = truthful.id_token

    def note(**changes: Any) -> str:  # noqa: ANN401 - any claim
        seen.append(make(**changes, jti="noted"))
        return seen[-1]

    truthful.id_token = note  # type: ignore[method-assign]
    try:
        with Browser(server) as browser:
            assert sign_in(browser, truthful).status_code == 303
    finally:
        del truthful.id_token
    assert_refused(present(server, seen[0]))


def test_userinfo_about_somebody_else(server: RunningServer, truthful: ScriptedProvider) -> None:
    """OpenID Connect Core §5.3.2: its `sub` must be the ID token's, else another person's address would count."""
    truthful.lies = {"email": None, "email_verified": None, "sub": "a thief"}
    truthful.answers["/userinfo"] = lambda handler: say(handler, {"sub": "1001", **truthful.person})
    with Browser(server) as browser:
        assert sign_in(browser, truthful).status_code == 502
        assert browser.refresh().status_code == 401


# ── answers that are none ──


def redirect(handler: BaseHTTPRequestHandler) -> None:
    """Send us elsewhere, with what we have."""
    handler.send_response(307)
    handler.send_header("location", f"http://{handler.headers['host']}/stolen")
    handler.end_headers()


def huge(handler: BaseHTTPRequestHandler) -> None:
    """Answer without end."""
    handler.send_response(200)
    handler.end_headers()
    try:
        for _ in range(64):
            handler.wfile.write(b" " * 65_536)
    except OSError:
        pass


def nonsense(handler: BaseHTTPRequestHandler) -> None:
    """Answer what is no JSON object."""
    say(handler, ["id_token"])


def nested(handler: BaseHTTPRequestHandler) -> None:
    """Answer what makes a parser dig."""
    handler.send_response(200)
    handler.end_headers()
    handler.wfile.write(b"[" * 100_000)


def without_token(handler: BaseHTTPRequestHandler) -> None:
    """Answer without what was asked for."""
    say(handler, {"access_token": "opaque"})


@pytest.mark.parametrize("answer", [redirect, huge, nonsense, nested, without_token])
def test_answers_of_the_token_endpoint_that_are_none(
    server: RunningServer, truthful: ScriptedProvider, answer: Callable[[BaseHTTPRequestHandler], None]
) -> None:
    """502 and nobody in; our secret and the code go to the token endpoint and no further."""
    truthful.answers["/token"] = answer
    with Browser(server) as browser:
        assert sign_in(browser, truthful).status_code == 502
        assert browser.refresh().status_code == 401
    assert "POST /stolen" not in truthful.requests


def dripping(provider: ScriptedProvider) -> Callable[[BaseHTTPRequestHandler], None]:
    """Answer a blank at a time, for ever."""

    def drip(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(200)
        handler.end_headers()
        try:
            while not provider.released.wait(0.02):
                handler.wfile.write(b" ")
                handler.wfile.flush()
        except OSError:
            pass

    return drip


@pytest.mark.parametrize("path", ["/.well-known/openid-configuration", "/jwks"])
def test_documents_that_drip(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    """Metadata and keys have a deadline too; and the next ones to come do not wait for it again."""
    monkeypatch.setattr("gatepass.server.domain.providers.openid.FETCH_SECONDS", 0.3)
    with ScriptedProvider() as slow:
        slow.answers[path] = dripping(slow)
        providers = {"corp": slow.settings()}
        with running_server(tmp_path_factory.mktemp("slow"), providers=providers) as running:
            for _ in range(3):
                assert present(running, slow.id_token()).json()["code"] == "provider_unavailable"
        assert slow.requests.count(f"GET {path}") == 1


def test_an_answer_that_drips(
    server: RunningServer, truthful: ScriptedProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    """There is one deadline for the whole exchange, however lively the answer looks; others are served meanwhile."""
    monkeypatch.setattr("gatepass.server.domain.providers.openid.EXCHANGE_SECONDS", 0.3)

    truthful.answers["/token"] = dripping(truthful)
    with Browser(server) as browser:
        began = time.monotonic()
        assert sign_in(browser, truthful).status_code == 502
        assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "metadata",
    [
        {"issuer": "https://accounts.example.com"},
        {"issuer": None},
        {"token_endpoint": "http://accounts.example.com/token"},
        {"token_endpoint": None},
        {"jwks_uri": "file:///etc/passwd"},
        {"authorization_endpoint": "javascript:alert(1)"},
    ],
)
def test_metadata_that_is_another_s_or_leads_astray(
    tmp_path_factory: pytest.TempPathFactory, metadata: dict[str, Any]
) -> None:
    """Discovery §4.3: a document about another issuer is not used, nor one that sends secrets by plain HTTP."""
    with ScriptedProvider() as liar:
        liar.metadata = metadata
        providers = {"corp": liar.settings()}
        with running_server(tmp_path_factory.mktemp("astray"), providers=providers) as server, server.client() as api:
            answer = api.get("/pages/login/with/corp")
            assert answer.status_code == 502
            assert "location" not in answer.headers


def test_an_error_instead_of_a_code(server: RunningServer, truthful: ScriptedProvider) -> None:
    """The person said no; the provider's own words are not shown."""
    with Browser(server) as browser:
        answer = truthful.authorize(go_there(browser))
        del answer["code"]
        page = come_back(browser, answer | {"error": "access_denied", "error_description": "<b>call 555-0100</b>"})
        assert page.status_code == 403
        assert "555" not in page.text
