"""`make demo`: the whole road, walked by a program that notices when a step differs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

DEMO = Path(__file__).parents[2] / "examples" / "demo.py"


def walk(**environment: str) -> subprocess.CompletedProcess[str]:
    """Run the demo to its end."""
    return subprocess.run(
        [sys.executable, DEMO], env=os.environ | environment, check=False, capture_output=True, text=True, timeout=120
    )


def test_the_road_is_walked_and_shown() -> None:
    """Every step is as it should be; the demo shows the answers, the token in three colours, and no other secret."""
    done = walk(FORCE_COLOR="1", TERM="xterm")
    assert done.returncode == 0, done.stdout + done.stderr
    for shown in ("← 200 OK", "← 401 Unauthorized", "← 403 Forbidden", "1 · Ada signs up", "9 · She signs out"):
        assert shown in done.stdout
    header, payload, signature = "\x1b[91meyJ", "\x1b[95meyJ", "\x1b[96m"
    token = next(line for line in done.stdout.splitlines() if line.startswith(header))
    assert [part[:5] for part in token.split(".")] == [header[:5], payload[:5], signature]
    words = re.sub(r"\x1b\[[0-9;]*m", "", done.stdout).split()
    assert [word for word in words if "gpr_" in word and len(word) > 60] == []
    assert len([word for word in words if word.startswith("eyJ") and word.count(".") == 2]) == 1


def test_a_step_that_differs_ends_the_walk() -> None:
    """With tokens of another life than fifteen minutes the demo says what it expected, and its status is 1."""
    done = walk(GATEPASS_ACCESS_TOKEN_SECONDS="60")
    assert done.returncode == 1
    assert "error: expected: it lives for fifteen minutes" in done.stdout
    assert "4 · " not in done.stdout
