"""An MCP server whose tools are for people who are signed in, and for the applications that they allow."""

from mcp.server.auth.middleware.auth_context import get_access_token
from mcp.server.mcpserver import MCPServer

from gatepass.verify import Verifier
from gatepass.verify.mcp import protect

verifier = Verifier(issuer="http://localhost:8000", audience="http://localhost:9000/mcp")
server = MCPServer("notes", **protect(verifier, scopes=["notes:read"]))


@server.tool()
def whoami() -> str:
    """Say who is calling."""
    return str(getattr(get_access_token(), "subject", None))


server.run("streamable-http", port=9000)
