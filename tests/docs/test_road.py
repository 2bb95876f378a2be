"""The README's road with curl is walked as it is written, against a real server."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()
JQ = f"""#!{sys.executable}
import json, sys
option, path, file = sys.argv[1:]
assert option == "-r"
print(json.load(open(file))[path.removeprefix(".")])
"""


@pytest.fixture
def port(tmp_path: Path) -> Iterator[int]:
    """Start a server with an empty database on a free port."""
    gatepass = Path(sys.executable).with_name("gatepass")
    command: list[str | Path] = [gatepass, "serve", "--port", "0", "--data-dir", tmp_path / "data"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        lines = iter(server.stderr.readline, "")
        listening = next(match for line in lines if (match := re.search(r"listening +http://localhost:(\d+)", line)))
        yield int(listening[1])
        server.terminate()
        assert server.wait(30) == 0


def documents(text: str) -> list[dict[str, Any]]:
    """Read JSON documents that stand one after the other."""
    found: list[dict[str, Any]] = []
    decoder = json.JSONDecoder()
    while text := text.strip():
        document, end = decoder.raw_decode(text)
        found.append(document)
        text = text[end:]
    return found


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_road_with_curl(port: int, tmp_path: Path) -> None:
    """Sign up, sign in, call, refresh and sign out, each with the answer that the README promises."""
    section = README.partition("## Step by step, with curl")[2].partition("```console")[2].partition("```")[0]
    commands = [line.removeprefix("$ ") for line in section.splitlines() if line.startswith("$ ")]
    assert len(commands) == 6
    refresh = next(command for command in commands if command.startswith("post refresh"))
    script = "\n".join([*commands, refresh]).replace("localhost:8000", f"localhost:{port}")
    jq = tmp_path / "jq"
    jq.write_text(JQ)
    jq.chmod(0o755)
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", script],
        cwd=tmp_path,
        env=os.environ | {"PATH": f"{tmp_path}:{os.environ['PATH']}"},
        check=True,
        capture_output=True,
        text=True,
    )
    account, me, refreshed, after = documents(done.stdout)
    assert account["email"] == "ada@example.com"
    assert me["id"] == account["id"]
    assert refreshed["token_type"] == "Bearer"
    assert after["code"] == "session_ended"
