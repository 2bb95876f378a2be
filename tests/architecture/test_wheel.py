"""The wheel that people install, which an editable installation never is."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import httpx
import pytest
from tests.conftest import SOAK

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """Build the wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    return zipfile.ZipFile(path)


def test_it_holds_the_package_and_nothing_else(wheel: zipfile.ZipFile) -> None:
    """Every file of src/gatepass is in it, SQL, templates and the type marker included; tests and docs are not."""
    source = ROOT / "src"
    expected = {
        str(path.relative_to(source))
        for path in (source / "gatepass").rglob("*")
        if path.is_file() and path.suffix != ".pyc"
    }
    held = {name for name in wheel.namelist() if ".dist-info/" not in name}
    assert held == expected
    assert {"gatepass/py.typed", "gatepass/cli/main.py"} <= held
    assert any(name.endswith(".sql") for name in held)
    assert b"export function createClient" in wheel.read("gatepass/server/features/browser_client/gatepass.js")
    assert all(wheel.read(name) == (source / name).read_bytes() for name in held)


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="it builds twice")
def test_the_source_archive_makes_the_same_wheel(wheel: zipfile.ZipFile, tmp_path: Path) -> None:
    """What pip builds from the sdist, where there is no repository, holds the same bytes."""
    build = [sys.executable, "-m", "hatchling", "build"]
    subprocess.run([*build, "-t", "sdist", "-d", tmp_path], cwd=ROOT, check=True, capture_output=True)
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as opened:
        assert not [member.name for member in opened if member.islnk() or member.issym()]
        opened.extractall(tmp_path, filter="data")
    unpacked = tmp_path / archive.name.removesuffix(".tar.gz")
    subprocess.run([*build, "-t", "wheel", "-d", tmp_path], cwd=unpacked, check=True, capture_output=True)
    (path,) = tmp_path.glob("*.whl")
    with zipfile.ZipFile(path) as again:
        assert {name: again.read(name) for name in again.namelist()} == {
            name: wheel.read(name) for name in wheel.namelist()
        }


def test_what_it_asks_for(wheel: zipfile.ZipFile) -> None:
    """The base asks for cryptography and msgspec alone; everything else is behind an extra."""
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    asked = [line for line in wheel.read(name).decode().splitlines() if line.startswith("Requires-Dist:")]
    base = {line.split()[1].partition(">")[0] for line in asked if "extra ==" not in line}
    assert base == {"cryptography", "msgspec"}
    assert "Provides-Extra: server" in wheel.read(name).decode()
    assert "Provides-Extra: verify" in wheel.read(name).decode()


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="it installs everything anew")
@pytest.mark.parametrize("version", ["3.11", "3.12", "3.13"])
def test_it_serves_without_make(wheel: zipfile.ZipFile, version: str, tmp_path: Path) -> None:
    """Installed by pip into an empty environment, as pipx and uv do, `gatepass serve` answers."""
    python = shutil.which(f"python{version}")
    if python is None or subprocess.run([python, "-V"], check=False, capture_output=True).returncode:
        pytest.skip(f"no Python {version} here")
    subprocess.run([python, "-m", "venv", tmp_path / "venv"], check=True)
    subprocess.run([tmp_path / "venv/bin/pip", "install", "-q", f"{wheel.filename}[server]"], check=True)
    command = [str(tmp_path / "venv/bin/gatepass"), "serve", "--port", "0"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as server:
        assert server.stderr is not None
        lines = iter(server.stderr.readline, "")
        url = next(match[1] for line in lines if (match := re.search(r"listening +(\S+)", line)))
        assert httpx.get(f"{url}/health", trust_env=False).status_code == 200
        server.terminate()
        server.stderr.read()
        assert server.wait(30) == 0
