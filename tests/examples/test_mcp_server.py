"""The MCP server in `examples/`, as its README says: two commands, one file, and a tool answers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
from tests.support.server import running_server
from tests.support.wait import eventually

from gatepass.cli.main import main

if TYPE_CHECKING:
    import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "mcp_server" / "main.py"


def test_the_file_is_short_and_guards_the_tool(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """At most twenty lines; who brings no token is told where tokens come from (RFC 9728)."""
    source = EXAMPLE.read_text()
    assert len(source.splitlines()) <= 20
    with running_server(tmp_path / "data") as server:
        copy = tmp_path / "main.py"
        copy.write_text(source.replace("http://localhost:8000", server.url).replace("9000", "9147"))
        main(["api", "add", "http://localhost:9147/mcp", "--scope", "notes:read", "--public", *server.place])
        capsys.readouterr()
        with subprocess.Popen([sys.executable, str(copy)], stderr=subprocess.DEVNULL) as process:
            try:
                eventually(lambda: _status("http://localhost:9147/mcp") == 401)
                metadata = httpx.get("http://localhost:9147/.well-known/oauth-protected-resource/mcp").json()
                assert metadata["authorization_servers"] == [server.url]
                assert metadata["resource"] == "http://localhost:9147/mcp"
            finally:
                process.terminate()


def _status(url: str) -> int:
    try:
        return httpx.post(url, json={}).status_code
    except httpx.TransportError:
        return 0
