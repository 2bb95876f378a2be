"""MCP with clients that are metadata documents (CIMD), and step-up: the SDK's own client, unchanged, calls tools."""

from __future__ import annotations

import asyncio
import json
import socket
from contextlib import ExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from mcp import ClientSession
from mcp.client.auth import OAuthClientProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientMetadata
from starlette.responses import Response
from tests.stories.test_mcp import REDIRECT, Agent, Storage, WallClock, refused, serving, whoami
from tests.support.pages import Browser
from tests.support.scripted_site import ScriptedSite
from tests.support.server import ANN, running_server
from tests.support.tls import self_signed

from gatepass.cli.main import main
from gatepass.jose import jwt
from gatepass.verify import Verifier
from gatepass.verify.challenge import challenge
from gatepass.verify.errors import InsufficientScopeError
from gatepass.verify.mcp import protect

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator
    from pathlib import Path

    from starlette.types import ASGIApp, Receive, Scope, Send
    from tests.support.server import RunningServer

BOB = {"email": "bob@example.test", "password": "another good long password"}


def write() -> str:
    """Write a note."""
    return f"written for {whoami()}"


class StepUp:
    """Answers a call of the tool that writes with 403 `insufficient_scope`, where the token has not the scope."""

    def __init__(self, app: ASGIApp, verifier: Verifier) -> None:
        self._app, self._verifier = app, verifier

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Look at a call's body, and pass it on."""
        if scope["type"] != "http" or scope["method"] != "POST":
            return await self._app(scope, receive, send)
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        refusal = await self._refusal(dict(scope["headers"]), json.loads(body))
        if refusal is not None:
            return await refusal(scope, receive, send)
        sent = iter([{"type": "http.request", "body": body, "more_body": False}])

        async def again() -> Any:  # noqa: ANN401 - an ASGI message
            return next(sent, None) or await receive()

        return await self._app(scope, again, send)

    async def _refusal(self, headers: dict[bytes, bytes], call: dict[str, Any]) -> Response | None:
        if call.get("method") != "tools/call" or call["params"]["name"] != "write" or b"authorization" not in headers:
            return None
        principal = await self._verifier.averify(headers[b"authorization"].decode().removeprefix("Bearer "))
        try:
            principal.require(scope="notes:write")
        except InsufficientScopeError as error:
            answer = challenge(error)
            return Response(status_code=answer.status, headers=answer.headers)
        return None


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Generator[ScriptedSite]:
    """Where the client's document is, by TLS."""
    cert, key = self_signed(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", cert)
    with ScriptedSite((cert, key)) as site:
        yield site


@pytest.fixture
def client_id(site: ScriptedSite) -> str:
    """A client that nobody has registered, here or anywhere."""
    said = {
        "client_id": f"{site.url}/agent.json",
        "client_name": "Agent",
        "redirect_uris": [REDIRECT],
        "application_type": "native",
        "grant_types": ["authorization_code", "refresh_token"],
        "token_endpoint_auth_method": "none",
    }
    return site.put("/agent.json", said)


@pytest.fixture
def server(tmp_path: Path) -> Generator[RunningServer]:
    """A server that takes such clients, and whose time goes on."""
    with running_server(tmp_path / "data", WallClock(), client_id_metadata_documents="open") as running:
        yield running


@pytest.fixture
def endpoint(server: RunningServer) -> Generator[str]:
    """The URL of an MCP server with one tool that reads and one that writes."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        scopes = ("--scope", "notes:read=Read your notes", "--scope", "notes:write=Change your notes")
        main(["api", "add", url, *scopes, "--public", *server.place])
        verifier = Verifier(issuer=server.url, audience=url)
        notes = MCPServer("notes", **protect(verifier, scopes=["notes:read"]))
        for tool in (whoami, write):
            notes.tool()(tool)
        with serving(StepUp(notes.streamable_http_app(), verifier), listener):
            yield url
        verifier.close()


class Installation(Agent):
    """One of the installations of an agent, which all share one client id: the URL of its document."""

    def __init__(self, browser: Browser, client_id: str) -> None:
        super().__init__(browser, Storage())
        self._client_id = client_id

    @asynccontextmanager
    async def connected(self, url: str) -> AsyncGenerator[ClientSession]:
        """A session with an MCP server."""
        metadata = OAuthClientMetadata.model_validate(
            {"client_name": "Agent", "redirect_uris": [REDIRECT], "token_endpoint_auth_method": "none"}
        )
        auth = OAuthClientProvider(
            url, metadata, self.storage, self._open, self._answered, client_metadata_url=self._client_id
        )
        async with (
            httpx2.AsyncClient(auth=auth, timeout=30) as http,
            streamable_http_client(url, http_client=http) as streams,
            ClientSession(*streams[:2]) as session,
        ):
            await session.initialize()
            yield session

    def tools(self, url: str, *names: str) -> list[str]:
        """Call tools, in one session."""

        async def work() -> list[str]:
            async with self.connected(url) as session:
                results = [await session.call_tool(name, {}) for name in names]
                contents: list[Any] = [result.content[0] for result in results]
                return [str(content.text) for content in contents]

        return asyncio.run(work())

    @property
    def token(self) -> str:
        """Its access token."""
        assert self.storage.tokens is not None
        return self.storage.tokens.access_token


def test_a_document_steps_up_and_is_disconnected(server: RunningServer, endpoint: str, client_id: str) -> None:
    """From the 401 to the tool, then 403, the union of scopes, and the other tool; each installation ends alone.

    Two of Ann's and one of Bob's share the client id. One of hers is ended among her sessions, then the agent is
    disconnected from her account: what is ended is refused within a second, offline, and what is not lives on.
    """
    with ExitStack() as stack:
        people = [stack.enter_context(Browser(server)) for _ in range(2)]
        for browser, person in zip(people, (ANN, BOB), strict=True):
            assert browser.http.post("/signup", json=person).status_code == 201
            browser.sign_in(person)
        laptop, phone, other = (Installation(browser, client_id) for browser in (people[0], *people))
        read, written = laptop.tools(endpoint, "whoami", "write")
        assert read.endswith(f" by {client_id}")
        assert written == f"written for {read}"
        assert laptop.asked == 2
        scopes = set(str(jwt.peek(laptop.token).claims["scope"]).split())
        assert {"notes:read", "notes:write"} <= scopes
        for installation in (phone, other):
            assert installation.tools(endpoint, "whoami")[0].endswith(f" by {client_id}")
            assert "notes:write" not in str(jwt.peek(installation.token).claims["scope"])
        session = jwt.peek(laptop.token).claims["sid"]
        ended = people[0].post("/pages/account/sessions/end", at="/pages/account", session=session)
        assert ended.status_code == 303
        refused(endpoint, laptop.token)
        assert phone.tools(endpoint, "whoami")[0] == read
        path, at = "/pages/account/apps/disconnect", "/pages/account/apps"
        assert people[0].post(path, at=at, client_id=client_id).status_code == 303
        refused(endpoint, phone.token)
        assert other.tools(endpoint, "whoami")[0].endswith(f" by {client_id}")
        assert (phone.asked, other.asked) == (1, 1)
