"""The JavaScript verifier beside npm's jose: tokens a second on Node.js, seen before and for the first time (ES256).

Both run in one process, in turns, 16 tokens at once, with a key that is imported once. Ratios are medians over rounds
that followed each other. On a machine that does other things too, processor time is the sturdier measure.
"""

from __future__ import annotations

import json
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TypeAlias

HERE = Path(__file__).parent
PEER = "jose@6.2.18"

Rounds: TypeAlias = dict[str, list[dict[str, float]]]


def measure(folder: Path) -> Rounds:
    """Install the peer, and run the rounds."""
    subprocess.run(["npm", "install", "--prefix", str(folder), PEER], check=True, capture_output=True)
    command = ["node", str(HERE / "_js_verify.mjs"), str(folder)]
    rounds: Rounds = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    return rounds


def line(name: str, rounds: Rounds, call: str) -> str:
    """One line of the table."""
    ours, theirs = rounds[call], rounds["jose"]
    rate, cpu = (statistics.median(one[of] for one in ours) for of in ("perSecond", "cpu"))
    faster = statistics.median(our["perSecond"] / their["perSecond"] for our, their in zip(ours, theirs, strict=True))
    cheaper = statistics.median(their["cpu"] / our["cpu"] for our, their in zip(ours, theirs, strict=True))
    return f"| {name} | {rate:,.0f}/s | **{faster:.2f}** | {cpu:,.1f} µs | **{cheaper:.2f}** |"


def main() -> None:
    """Measure, and print a table."""
    for tool in ("node", "npm"):
        if not shutil.which(tool):
            sys.exit(f"error: {tool} is missing\nhint: apt-get install nodejs npm")
    with tempfile.TemporaryDirectory() as folder:
        rounds = measure(Path(folder))
    print("| | tokens | times as fast | CPU | times as cheap |\n|---|---:|---:|---:|---:|")
    print(line(f"npm {PEER}, jwtVerify", rounds, "jose"))
    print(line("first time", rounds, "first"))
    print(line("seen before", rounds, "seen"))
    print(line("seen before, and judged by a status list", rounds, "followed"))


if __name__ == "__main__":
    main()
