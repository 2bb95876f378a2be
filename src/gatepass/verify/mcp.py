"""Protect an MCP server (Model Context Protocol, authorization of revision 2026-07-28), with `mcp` or with `fastmcp`.

server = MCPServer("notes", **protect(Verifier(issuer=…, audience=URL), scopes=["notes:read"]))       # mcp
server = FastMCP("notes", auth=protect_fastmcp(Verifier(issuer=…, audience=URL), scopes=["notes:read"]))

The audience is the URL of the server's MCP endpoint, as clients know it: they ask for tokens for that resource. Clients
find the issuer by themselves (RFC 9728), and a person who disconnects one on the account page stops it within a second.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from pydantic import AnyHttpUrl, ConfigDict, TypeAdapter

from gatepass.jose import JoseError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fastmcp.server.auth import RemoteAuthProvider

    from .verifier import Verifier

__all__ = ["McpTokenVerifier", "protect", "protect_fastmcp"]

_URL = TypeAdapter(AnyHttpUrl, config=ConfigDict(url_preserve_empty_path=True))
"""Reads a URL and adds no slash to it: issuers are compared as they are written (RFC 8414 §3.3)."""


class McpTokenVerifier:
    """The `TokenVerifier` of the `mcp` SDK: checks signature, audience and revocation, all offline.

    Args:
        verifier: What verifies; its audience is the URL of the MCP endpoint.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._resource = _resource(verifier)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return what the token says; None for one that is refused, which the SDK answers with 401."""
        try:
            principal = await self._verifier.averify(token)
        except JoseError:
            return None
        return AccessToken(
            token=token,
            client_id=principal.client_id or "",
            scopes=sorted(principal.scopes),
            expires_at=int(principal.expires_at),
            resource=self._resource,
            subject=principal.subject,
            claims=dict(principal.claims),
        )


def protect(verifier: Verifier, *, scopes: Sequence[str] = ()) -> dict[str, Any]:
    """Return the arguments that protect an `mcp` server: `MCPServer(name, **protect(verifier))`.

    Args:
        verifier: What verifies; its audience is the URL of the MCP endpoint.
        scopes: Scopes that every request needs.
    """
    return {
        "token_verifier": McpTokenVerifier(verifier),
        "auth": AuthSettings(
            issuer_url=_URL.validate_python(verifier.issuer),
            resource_server_url=_URL.validate_python(_resource(verifier)),
            required_scopes=list(scopes) or None,
            validate_token_resource=True,
        ),
    }


def protect_fastmcp(verifier: Verifier, *, scopes: Sequence[str] = ()) -> RemoteAuthProvider:
    """Return what protects a `fastmcp` server: `FastMCP(name, auth=protect_fastmcp(verifier))`.

    Args:
        verifier: What verifies; its audience is the URL of the MCP endpoint, which `fastmcp` serves at its base URL
            and the path that it is run with.
        scopes: Scopes that every request needs.
    """
    from fastmcp.server.auth import RemoteAuthProvider, TokenVerifier  # noqa: PLC0415 - the other SDK is another package

    ours = McpTokenVerifier(verifier)

    class FastMcpTokenVerifier(TokenVerifier):
        async def verify_token(self, token: str) -> Any:  # noqa: ANN401 - the SDK's own kind of access token
            return await ours.verify_token(token)

    parts = urlsplit(_resource(verifier))
    return RemoteAuthProvider(
        token_verifier=FastMcpTokenVerifier(required_scopes=list(scopes) or None),
        authorization_servers=[_URL.validate_python(verifier.issuer)],
        base_url=f"{parts.scheme}://{parts.netloc}",
    )


def _resource(verifier: Verifier) -> str:
    audience = verifier.audience
    return audience if isinstance(audience, str) else next(iter(audience))
