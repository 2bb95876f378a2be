"""Relying parties by libraries of others, unchanged: Authlib alone and in Starlette, requests-oauthlib, curl."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from authlib.integrations.httpx_client import OAuth2Client
from authlib.integrations.starlette_client import OAuth
from authlib.oauth2.rfc7523 import PrivateKeyJWT
from requests_oauthlib import OAuth2Session
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.sessions import SessionMiddleware
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient
from tests.support.authorization import Flow, form_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.server import ANN, SettableClock, running_server

from gatepass.jose import Key, KeySet
from gatepass.server.domain.sessions.client_metadata import ClientMetadata
from gatepass.server.domain.sessions.device_code import GRANT_TYPE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from starlette.requests import Request
    from starlette.responses import Response
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

SCOPE = ("openid", "email", "offline_access")


@pytest.fixture
def server(tmp_path: Path) -> Generator[RunningServer]:
    """A server by the real time, which these clients go by."""
    with running_server(tmp_path / "data", SettableClock(time.time())) as running:
        yield running


@pytest.fixture
def browser(server: RunningServer) -> Generator[Browser]:
    """Ann's browser, signed in."""
    with server.client() as api, Browser(server) as browser:
        assert api.post("/signup", json=ANN).status_code == 201
        browser.sign_in(ANN)
        yield browser


def come_back(party: RelyingParty, browser: Browser, url: str) -> str:
    """Open what a client asks for; the URL that the person comes back to it by."""
    return Flow(party, browser).follow(browser.http.get(url)).headers["location"]


def metadata(server: RunningServer) -> dict[str, Any]:
    """What clients discover."""
    with server.client() as api:
        found: dict[str, Any] = api.get("/.well-known/openid-configuration").json()
        return found


@pytest.mark.parametrize("method", ["client_secret_basic", "client_secret_post", "private_key_jwt"])
def test_authlib(server: RunningServer, browser: Browser, method: str) -> None:
    """Code and PKCE, every way of authentication; its assertions live for an hour, and it offers no other."""
    key = Key.generate("RS256")
    signs = method == "private_key_jwt"
    jwks = json.dumps(KeySet([key.public()]).to_jwks()) if signs else None
    party = add_relying_party(server, scope=SCOPE, jwks=jwks, assertion_audience="token_endpoint")
    endpoints = metadata(server)
    secret: Any = key.to_pem(private=True) if signs else party.secret
    with OAuth2Client(
        party.id,
        secret,
        token_endpoint_auth_method=method,
        scope=" ".join(SCOPE),
        redirect_uri=CALLBACK,
        code_challenge_method="S256",
    ) as client:
        if signs:
            client.register_client_auth_method(PrivateKeyJWT(endpoints["token_endpoint"], headers={"kid": key.kid}))
        verifier = "v" * 48
        url, state = client.create_authorization_url(endpoints["authorization_endpoint"], code_verifier=verifier)
        answer = come_back(party, browser, url)
        token = client.fetch_token(
            endpoints["token_endpoint"], authorization_response=answer, state=state, code_verifier=verifier
        )
        assert client.get(endpoints["userinfo_endpoint"]).json()["email"] == ANN["email"]
        again = client.refresh_token(endpoints["token_endpoint"], refresh_token=token["refresh_token"])
        assert again["access_token"] != token["access_token"]


def test_authlib_in_starlette(server: RunningServer, browser: Browser) -> None:
    """A whole web application: it reads the metadata, keeps state and nonce in its session, checks the ID token."""
    party = add_relying_party(
        server, scope=("openid", "email"), metadata=ClientMetadata(redirect_uris=("https://testserver/callback",))
    )
    oauth = OAuth()
    oauth.register(
        "gatepass",
        client_id=party.id,
        client_secret=party.secret,
        server_metadata_url=f"{server.url}/.well-known/openid-configuration",
        client_kwargs={"scope": "openid email", "code_challenge_method": "S256"},
    )

    async def login(request: Request) -> Response:
        response: Response = await oauth.gatepass.authorize_redirect(request, "https://testserver/callback")
        return response

    async def callback(request: Request) -> Response:
        token = await oauth.gatepass.authorize_access_token(request)
        return JSONResponse(dict(token["userinfo"]))

    app = Starlette(
        routes=[Route("/login", login), Route("/callback", callback)],
        middleware=[Middleware(SessionMiddleware, secret_key="a key of the application")],
    )
    with TestClient(app, base_url="https://testserver", follow_redirects=False) as site:
        answer = urlsplit(come_back(party, browser, site.get("/login").headers["location"]))
        claims = site.get(f"{answer.path}?{answer.query}").json()
    assert (claims["iss"], claims["aud"]) == (server.url, party.id)


def test_requests_oauthlib(server: RunningServer, browser: Browser, monkeypatch: pytest.MonkeyPatch) -> None:
    """Code and PKCE, refreshing by itself."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")  # it refuses http on loopback too
    party = add_relying_party(server, scope=SCOPE)
    endpoints = metadata(server)
    with OAuth2Session(party.id, scope=list(SCOPE), redirect_uri=CALLBACK, pkce="S256") as client:
        url, _ = client.authorization_url(endpoints["authorization_endpoint"])
        answer = come_back(party, browser, url)
        token = client.fetch_token(
            endpoints["token_endpoint"], authorization_response=answer, client_secret=party.secret
        )
        assert client.get(endpoints["userinfo_endpoint"], timeout=30).json()["email"] == ANN["email"]
        again = client.refresh_token(endpoints["token_endpoint"], client_id=party.id, client_secret=party.secret)
        assert again["access_token"] != token["access_token"]


def test_a_command_line_by_curl(server: RunningServer, browser: Browser) -> None:
    """The device grant needs nothing but HTTP and a person."""
    curl = shutil.which("curl")
    if curl is None:
        pytest.skip("this needs curl, which is not here")
    party = add_relying_party(server, is_public=True, scope=SCOPE, grant_types=(GRANT_TYPE, "refresh_token"))

    def call(path: str, *fields: str) -> dict[str, Any]:
        data = [word for field in (*fields, f"client_id={party.id}") for word in ("-d", field)]
        said = subprocess.run([curl, "-sS", server.url + path, *data], check=True, capture_output=True, text=True)
        answer: dict[str, Any] = json.loads(said.stdout)
        return answer

    shown = call("/oauth/device", "scope=openid email")
    page = browser.post("/pages/device", user_code=shown["user_code"])
    action, fields = form_of(page.text)
    browser.http.post(action, data=fields | {"decision": "allow"}, headers={"origin": server.url})
    assert "access_token" in call("/oauth/token", f"grant_type={GRANT_TYPE}", f"device_code={shown['device_code']}")
