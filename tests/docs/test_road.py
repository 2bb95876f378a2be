"""The README is typed as it is written: from a server that is started to a token that is refused."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.conftest import SOAK
from tests.support.server import CHEAP_ARGON2

if TYPE_CHECKING:
    from types import ModuleType

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "scripts" / "type_docs.py"
PAGES = (
    "docs/tutorial.md",
    "README.md",
    "docs/quickstart.md",
    *(f"examples/{name}/README.md" for name in ("fastapi_api", "litestar_api", "flask_api", "django_api", "embedded")),
)


def load_script() -> ModuleType:
    """Import the script, which is in no package."""
    spec = importlib.util.spec_from_file_location("type_docs", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["type_docs"] = module
    spec.loader.exec_module(module)
    return module


type_docs: Any = load_script()


def free_port() -> str:
    """A port that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


def installed(folder: Path) -> dict[str, str]:
    """Make a clone where `make` and `pip` have been: their programs are those of this environment."""
    (folder / ".venv" / "bin").mkdir(parents=True)
    (folder / ".venv" / "bin" / "activate").write_text("")
    stubs = folder / "stubs"
    stubs.mkdir()
    for name, text in {"make": 'exec gatepass "$@"', "pip": ":"}.items():
        (stubs / name).write_text(f"#!/bin/sh\n{text}\n")
        (stubs / name).chmod(0o755)
    path = os.pathsep.join(map(str, (stubs, Path(sys.executable).parent, os.environ["PATH"])))
    cheap = {f"GATEPASS_{name.upper()}": str(value) for name, value in CHEAP_ARGON2.items()}
    empty: dict[str, str] = type_docs.empty_environment(folder)
    return empty | cheap | {"PATH": path}


@pytest.mark.skipif(shutil.which("curl") is None, reason="curl is not installed")
def test_the_readme_is_typed(tmp_path: Path) -> None:
    """Every command does what the README says, and prints it: login, the API's answers, role, revocation."""
    ports = {"8000": free_port(), "9000": free_port()}
    environment = installed(tmp_path) | {"GATEPASS_PORT": ports["8000"]}
    page = (ROOT / "README.md").read_text()
    assert type_docs.Typist(tmp_path, environment, ports).type_page(page) == []
    assert '"the access token was refused: revoked"' in page


def test_a_failure_is_counted(tmp_path: Path) -> None:
    """A command that fails is one, and so is one that prints something else; `…` stands for anything."""
    page = '```sh title="a"\nfalse\n```\n\n```sh title="b"\necho good morning\n```\n\n```text\ngood evening\n```\n'
    typist = type_docs.Typist(tmp_path, os.environ)
    assert [failure.splitlines()[0] for failure in typist.type_page(page)] == ["failed: false", "expected:"]
    assert type_docs.is_printed('{"id":"usr_…"}', 'on the way\n{"id":"usr_1"}\n')
    assert not type_docs.is_printed("one\ntwo", "two\none")


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="it installs everything anew")
@pytest.mark.parametrize("page", PAGES)
def test_a_page_is_typed_from_nothing(page: str) -> None:
    """From an empty folder and an empty home, with what the page installs."""
    subprocess.run([sys.executable, SCRIPT, page], cwd=ROOT, check=True, timeout=1800)
