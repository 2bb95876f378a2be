"""`gatepass guard`: decisions a second on one core, about tokens that were seen before, and its memory."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import httpx

from _load import PERSON, check_tools, gatepass

TOKENS = 1_000
SECONDS = 5
AUDIENCE = "https://api.example.com"


def resident(process: subprocess.Popen[str]) -> float:
    """Megabytes (of a million bytes)."""
    pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def load(url: str, tokens: list[str], folder: Path) -> str:
    """Ask as fast as 16 connections can, on core 1; what wrk says."""
    script = folder / "tokens.lua"
    lines = "\n".join(f'"{token}",' for token in tokens)
    script.write_text(
        f"local tokens = {{{lines}}}\nlocal at = 0\n"
        'request = function() at = at % #tokens + 1; return wrk.format("GET", "/",'
        ' {["Authorization"] = "Bearer " .. tokens[at]}) end\n'
    )
    command = ["taskset", "-c", "1", "wrk", "-t1", "-c16", f"-d{SECONDS}s", "-s", str(script), url]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Run guard on core 0."""
    check_tools()
    command = [str(Path(sys.executable).with_name("gatepass")), "guard", "--audience", AUDIENCE, "--port", "0"]
    with tempfile.TemporaryDirectory() as made, gatepass(Path(made), audience=AUDIENCE) as server:
        with httpx.Client(base_url=server.url) as api:
            api.post("/signup", json=PERSON)
            token = api.post("/login", json=PERSON).json()["refresh_token"]
            tokens: list[str] = []
            for _ in range(TOKENS):
                pair = api.post("/refresh", json={"refresh_token": token}).json()
                tokens.append(pair["token"])
                token = pair["refresh_token"]
        pinned = ["taskset", "-c", "0", *command, "--issuer", server.url]
        with subprocess.Popen(pinned, stderr=subprocess.PIPE, text=True) as process:
            assert process.stderr is not None
            url = next(line for line in process.stderr if "listens on" in line).split()[-1]
            before = resident(process)
            print("| tokens | decisions a second | memory |\n|---|---:|---:|")
            print(f"| none yet | | {before:.0f} MB |")
            for name, some in (("one", tokens[-1:]), (f"{TOKENS:,} different", tokens)):
                load(url, some, Path(made))  # now each has been seen
                said = load(url, some, Path(made))
                assert "Non-2xx" not in said, said
                found = re.search(r"Requests/sec: +([\d.]+)", said)
                assert found is not None, said
                print(f"| {name} | {float(found[1]):,.0f} | {resident(process):.0f} MB |")
            process.terminate()


if __name__ == "__main__":
    main()
