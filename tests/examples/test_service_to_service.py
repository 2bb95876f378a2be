"""`examples/service_to_service`, run as its README says, against a Gatepass server."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.ports import free_port
from tests.support.server import SettableClock, running_server

from gatepass.cli.main import main

if TYPE_CHECKING:
    import pytest

MAIN = Path(__file__).parents[2] / "examples" / "service_to_service" / "main.py"


def test_the_worker_calls_the_api(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Three calls succeed, each as the client that was registered."""
    port = free_port()
    with running_server(tmp_path / "data", SettableClock(time.time())) as server:
        words = ["--audience", "https://reports.example.com", "--scope", "read", "--json"]
        main(["client", "add", "worker", *words, "--data-dir", server.settings.data_dir])
        client = json.loads(capsys.readouterr().out)
        environment = os.environ | {
            "GATEPASS_ISSUER": server.url,
            "PORT": str(port),
            "CLIENT_ID": client["client_id"],
            "CLIENT_SECRET": client["client_secret"],
        }
        done = subprocess.run(
            [sys.executable, str(MAIN)], env=environment, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.stdout.splitlines() == [f'200 {{"reports for":"{client["client_id"]}"}}'] * 3, done.stderr
