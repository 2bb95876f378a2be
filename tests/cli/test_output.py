"""What the command line says about itself."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from gatepass.cli.output import how_to_type_it

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


def program(path: Path, *beside: str) -> Path:
    """An executable, and empty files beside it."""
    path.parent.mkdir(parents=True)
    for file in (path, *map(path.with_name, beside)):
        file.write_text("")
    path.chmod(0o755)
    return path


def test_it_says_how_to_type_it_where_it_is_not_on_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After `make serve` that is the environment in this folder; another's program is none; on the PATH, nothing."""
    ours = program(tmp_path / "clone" / ".venv" / "bin" / "gatepass", "activate")
    monkeypatch.chdir(tmp_path / "clone")
    monkeypatch.setattr(sys, "argv", [str(ours)])
    monkeypatch.setenv("PATH", str(tmp_path))
    expected = "This program is not on your PATH: type .venv/bin/gatepass; or first: . .venv/bin/activate"
    assert how_to_type_it() == expected
    monkeypatch.setenv("PATH", str(program(tmp_path / "other" / "gatepass").parent))
    assert how_to_type_it() == expected
    monkeypatch.setenv("PATH", str(ours.parent))
    assert how_to_type_it() is None


def test_it_needs_no_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program beside which there is nothing to activate is reached by its folder."""
    ours = program(tmp_path / "bin" / "gatepass")
    monkeypatch.setattr(sys, "argv", [str(ours)])
    monkeypatch.setenv("PATH", "/nowhere")
    assert (
        how_to_type_it() == f"This program is not on your PATH: type {ours}; or first: export PATH={ours.parent}:$PATH"
    )
