"""The Model Context Protocol from end to end: its own SDKs, unchanged, sign in through a real server and call tools."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest
import uvicorn
from fastmcp import FastMCP
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import AuthorizationCodeResult, OAuthClientInformationFull, OAuthClientMetadata
from tests.support.authorization import Flow
from tests.support.pages import Browser
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN, SettableClock, running_server
from tests.support.wait import soon

from gatepass.cli.main import main
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.verify import Verifier
from gatepass.verify.mcp import protect, protect_fastmcp

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from mcp.shared.auth import OAuthToken
    from starlette.types import ASGIApp
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

REDIRECT = "http://127.0.0.1:3118/callback"


class WallClock(SettableClock):
    """The real time: a verifier far away looks at how old things are."""

    def __call__(self) -> float:
        """The time."""
        return time.time()


def whoami() -> str:
    """Say who is calling, and by what."""
    token = get_access_token()
    assert token is not None
    return f"{token.subject} by {token.client_id}"


def mcp_app(verifier: Verifier) -> ASGIApp:
    """A server by the `mcp` SDK."""
    server = MCPServer("notes", **protect(verifier, scopes=["notes:read"]))
    server.tool()(whoami)
    app: ASGIApp = server.streamable_http_app()
    return app


def fastmcp_app(verifier: Verifier) -> ASGIApp:
    """A server by `fastmcp`."""
    server: FastMCP[Any] = FastMCP("notes", auth=protect_fastmcp(verifier, scopes=["notes:read"]))
    server.tool(whoami)
    app: ASGIApp = server.http_app(path="/mcp")
    return app


@contextmanager
def serving(app: ASGIApp, listener: socket.socket) -> Generator[None]:
    """Serve an application on a socket, in a thread."""
    server = uvicorn.Server(uvicorn.Config(app, log_level="critical"))
    thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
    thread.start()
    try:
        yield
    finally:
        server.should_exit = True
        thread.join(timeout=30)


@pytest.fixture
def server(tmp_path: Path) -> Generator[RunningServer]:
    """A server whose time goes on."""
    with running_server(tmp_path / "data", WallClock(), dynamic_registration="open") as running:
        yield running


@pytest.fixture(params=[mcp_app, fastmcp_app], ids=["mcp", "fastmcp"])
def endpoint(request: pytest.FixtureRequest, server: RunningServer) -> Generator[str]:
    """The URL of an MCP server that is protected by ours."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        main(["api", "add", url, "--scope", "notes:read=Read your notes", "--public", *server.place])
        verifier = Verifier(issuer=server.url, audience=url)
        with serving(request.param(verifier), listener):
            yield url
        verifier.close()


@pytest.fixture
def person(server: RunningServer) -> Generator[Browser]:
    """Ann, signed in in her browser."""
    with server.client() as api, Browser(server) as browser:
        assert api.post("/signup", json=ANN).status_code == 201
        browser.sign_in(ANN)
        yield browser


class Storage:
    """What the SDK's client keeps; with `client` it is registered beforehand."""

    def __init__(self, client: OAuthClientInformationFull | None = None) -> None:
        self.client = client
        self.tokens: OAuthToken | None = None

    async def get_tokens(self) -> OAuthToken | None:
        """The tokens."""
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        """Keep the tokens."""
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        """Who the client is."""
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        """Keep who the client is."""
        self.client = client_info


class Agent:
    """An MCP client with the SDK's own OAuth, whose person uses a browser."""

    def __init__(self, browser: Browser, storage: Storage) -> None:
        self.browser = browser
        self.storage = storage
        self.answer: dict[str, list[str]] = {}
        self.asked = 0

    async def _open(self, url: str) -> None:
        """The person looks at the pages that the client opens, and agrees."""
        self.asked += 1
        flow = Flow(cast("Any", None), self.browser)  # the SDK makes the request itself
        page = await asyncio.to_thread(lambda: flow.follow(self.browser.http.get(url)))
        assert "Read your notes" in page.text, page.text
        answer = await asyncio.to_thread(lambda: flow.submit(page, decision="allow"))
        self.answer = parse_qs(urlsplit(answer.headers["location"]).query)

    async def _answered(self) -> AuthorizationCodeResult:
        code, state, iss = (self.answer[name][0] for name in ("code", "state", "iss"))
        return AuthorizationCodeResult(code=code, state=state, iss=iss)

    @asynccontextmanager
    async def connected(self, url: str) -> AsyncGenerator[ClientSession]:
        """A session with an MCP server."""
        metadata = OAuthClientMetadata.model_validate(
            {
                "client_name": "Agent",
                "redirect_uris": [REDIRECT],
                "token_endpoint_auth_method": "none",
                "application_type": "native",
            }
        )
        auth = OAuthClientProvider(url, metadata, self.storage, self._open, self._answered)
        async with (
            httpx2.AsyncClient(auth=auth, timeout=30) as http,
            streamable_http_client(url, http_client=http) as streams,
            ClientSession(*streams[:2]) as session,
        ):
            await session.initialize()
            yield session

    async def call(self, url: str) -> str:
        """Call the tool once, in a session of its own."""
        async with self.connected(url) as session:
            result = await session.call_tool("whoami", {})
            content: Any = result.content[0]
            return str(content.text)


def registered(party: RelyingParty) -> OAuthClientInformationFull:
    """What the SDK knows of a client that an operator has registered."""
    return OAuthClientInformationFull.model_validate(
        {"client_id": party.id, "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"}
    )


def refused(endpoint: str, token: str) -> None:
    """Expect the MCP server to take the token no longer, as it was told to."""
    soon(lambda: httpx2.post(endpoint, headers={"authorization": f"Bearer {token}"}, json={}).status_code == 401)


def test_an_agent_that_the_operator_knows(server: RunningServer, person: Browser, endpoint: str) -> None:
    """From the 401 over discovery (RFC 9728, RFC 8414), code and PKCE with `resource`, to the tool; and then refused.

    The person disconnects the agent on the account page: its token is refused within a second, offline.
    """
    party = add_relying_party(
        server,
        is_public=True,
        audience=(endpoint,),
        scope=("notes:read",),
        metadata=ClientMetadata(redirect_uris=(REDIRECT,), application_type="native"),
        rules=ClientRules(),
    )
    agent = Agent(person, Storage(registered(party)))
    assert asyncio.run(agent.call(endpoint)).endswith(f"by {party.id}")
    assert asyncio.run(agent.call(endpoint)).endswith(f"by {party.id}")
    assert agent.asked == 1
    disconnected = person.post("/pages/account/apps/disconnect", at="/pages/account/apps", client_id=party.id)
    assert disconnected.status_code == 303
    assert agent.storage.tokens is not None
    refused(endpoint, agent.storage.tokens.access_token)


def test_an_agent_that_registers_itself(person: Browser, endpoint: str) -> None:
    """RFC 7591: nobody has heard of it before; two installations are two clients, and one is disconnected alone."""
    one, other = Agent(person, Storage()), Agent(person, Storage())
    assert " by cli_" in asyncio.run(one.call(endpoint))
    assert " by cli_" in asyncio.run(other.call(endpoint))
    assert one.storage.client is not None
    assert other.storage.client is not None
    assert one.storage.client.client_id != other.storage.client.client_id
    client_id = str(one.storage.client.client_id)
    person.post("/pages/account/apps/disconnect", at="/pages/account/apps", client_id=client_id)
    assert one.storage.tokens is not None
    refused(endpoint, one.storage.tokens.access_token)
    assert " by cli_" in asyncio.run(other.call(endpoint))
