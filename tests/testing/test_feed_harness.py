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


def states(harness: list[str | Path]) -> dict[str, str]:
    """Let a harness play all scenarios in real time; what the command says of each."""
    port = free_port()
    gatepass = str(Path(sys.executable).with_name("gatepass"))
    command = [gatepass, "testing", "feed", "--port", str(port), "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as issuer:
        assert issuer.stderr is not None
        assert f":{port}/" in issuer.stderr.readline()
        subprocess.run([*harness, f"http://127.0.0.1:{port}"], check=True, timeout=240, capture_output=True)
        report: dict[str, Any] = json.loads(issuer.communicate(timeout=60)[0])
    return {str(each["scenario"]): each["complaint"] or each["state"] for each in report["scenarios"]}


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="half a minute of real time: make soak")
@pytest.mark.parametrize("language", ["python", "js"])
def test_a_follower_by_the_harness_that_is_shown(language: str, tmp_path: Path) -> None:
    """Our followers in Python and in JavaScript, on real clocks, pass every scenario that needs no other clock."""
    script = tmp_path / {"python": "harness.py", "js": "harness.mjs"}[language]
    ours = str(ROOT / "clients" / "js" / "verify" / "index.js")
    script.write_text(shown(language).replace("@gatepass/verify", ours))
    found = states([sys.executable if language == "python" else node(), script])
    assert {name: state for name, state in found.items() if state != "passed" and name not in BY_CLOCK} == {}
    assert {found[name] for name in BY_CLOCK} == {"the harness cannot set its follower's clock"}
