"""The harnesses that `docs/protocol/testing.md` shows, as they are shown, against `gatepass testing feed`."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.support.node import node
from tests.support.ports import free_port

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "protocol" / "testing.md"
SOAK = os.environ.get("SOAK") == "1"
BY_CLOCK = {"a-clock-set-forward", "a-clock-set-back", "a-clock-set-back-makes-nothing-young"}
"""What a harness whose clocks are the machine's cannot play."""


def shown(language: str) -> str:
    """The harness in a language."""
    found = re.search(rf"```{language}\n(.*?)```", PAGE.read_text(), re.DOTALL)
    assert found is not None
    return found[1]


def played(harness: list[str | Path], *options: str) -> tuple[str, int]:
    """Let a harness play the command's scenarios in real time; what the command says, and its status."""
    port = free_port()
    gatepass = str(Path(sys.executable).with_name("gatepass"))
    command = [gatepass, "testing", "feed", "--port", str(port), *options]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as issuer:
        assert issuer.stderr is not None
        assert f":{port}/" in issuer.stderr.readline()
        subprocess.run([*harness, f"http://127.0.0.1:{port}"], check=True, timeout=240, capture_output=True)
        said = issuer.communicate(timeout=60)[0]
    return said, issuer.returncode


def states(harness: list[str | Path], *options: str) -> dict[str, str]:
    """What the command says of each scenario."""
    report: dict[str, Any] = json.loads(played(harness, "--json", *options)[0])
    return {str(each["scenario"]): each["complaint"] or each["state"] for each in report["scenarios"]}


def harness_of(language: str, folder: Path) -> list[str | Path]:
    """The harness that is shown, as a command."""
    script = folder / {"python": "harness.py", "js": "harness.mjs"}[language]
    ours = str(ROOT / "clients" / "js" / "verify" / "index.js")
    script.write_text(shown(language).replace("@gatepass/verify", ours))
    return [sys.executable if language == "python" else node(), script]


@pytest.mark.parametrize("language", ["python", "js"])
def test_the_command_hears_from_a_harness(language: str, tmp_path: Path) -> None:
    """Both as they are shown, with scenarios that take no time."""
    names = ("by-index", "by-jti", "a-stolen-key-that-names-an-honest-one", "a-token-by-the-key-of-documents")
    chosen = [word for name in names for word in ("--scenario", name)]
    assert states(harness_of(language, tmp_path), *chosen) == dict.fromkeys(names, "passed")


FOLLOWS_NOTHING = """
import sys
import httpx
origin = sys.argv[1]
for each in httpx.get(origin + "/testing").json()["scenarios"]:
    told = {}
    while "passed" not in told:
        told = httpx.post(each["steps"], json={"accepted": True} if "token" in told else {}, timeout=30).json()
"""


def test_a_follower_that_follows_nothing(tmp_path: Path) -> None:
    """The command ends with 1, and says what was wrong and where that stands."""
    (tmp_path / "harness.py").write_text(FOLLOWS_NOTHING)
    said, status = played([sys.executable, tmp_path / "harness.py"], "--scenario", "by-jti")
    assert (status, said.split(":")[0]) == (1, "FAILED  by-jti")
    assert "docs/protocol/revocation.md#" in said


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="half a minute of real time: make soak")
@pytest.mark.parametrize("language", ["python", "js"])
def test_a_follower_by_the_harness_that_is_shown(language: str, tmp_path: Path) -> None:
    """Our followers in Python and in JavaScript, on real clocks, pass every scenario that needs no other clock."""
    found = states(harness_of(language, tmp_path))
    assert {name: state for name, state in found.items() if state != "passed" and name not in BY_CLOCK} == {}
    assert {found[name] for name in BY_CLOCK} == {"the harness cannot set its follower's clock"}
