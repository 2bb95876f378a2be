"""`examples/embedded`, run as its README says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import httpx
import pytest
from tests.support.ports import free_port
from tests.support.server import ANN, CHEAP_ARGON2

MAIN = Path(__file__).parents[2] / "examples" / "embedded" / "main.py"


def test_the_steps_of_the_readme(tmp_path: Path) -> None:
    """Sign up, sign in, and read the notes with the token; without one, no. Then it ends when it is told to."""
    port = free_port()
    cheap = {f"GATEPASS_{name.upper()}": str(value) for name, value in CHEAP_ARGON2.items()}
    environment = os.environ | cheap | {"PORT": str(port), "GATEPASS_DATA_DIR": str(tmp_path / "data")}
    with subprocess.Popen([sys.executable, str(MAIN)], env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = ""
        for line in process.stderr:
            said += line
            if re.search(r"running on http", line):
                break
        else:
            pytest.fail(said)
        with httpx.Client(base_url=f"http://localhost:{port}", trust_env=False) as client:
            person = client.post("/auth/signup", json=ANN).json()["id"]
            token = client.post("/auth/login", json=ANN).json()["token"]
            notes = client.get("/notes", headers={"Authorization": f"Bearer {token}"})
            assert notes.json() == {"message": f"The notes of {person}."}
            assert client.get("/notes").status_code == 401
        process.terminate()  # while the verifier in the application follows its stream
        process.communicate(timeout=20)
        assert process.returncode in (0, -15)
