"""The wheel that people install, which an editable installation never is."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

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


def test_what_it_asks_for(wheel: zipfile.ZipFile) -> None:
    """The base asks for cryptography and msgspec alone; everything else is behind an extra."""
    name = next(name for name in wheel.namelist() if name.endswith(".dist-info/METADATA"))
    asked = [line for line in wheel.read(name).decode().splitlines() if line.startswith("Requires-Dist:")]
    base = {line.split()[1].partition(">")[0] for line in asked if "extra ==" not in line}
    assert base == {"cryptography", "msgspec"}
    assert "Provides-Extra: server" in wheel.read(name).decode()
    assert "Provides-Extra: verify" in wheel.read(name).decode()
