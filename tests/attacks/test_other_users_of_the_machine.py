"""Other users of the machine read what lies around: password hashes, sessions, e-mail addresses."""

from __future__ import annotations

import os
import stat
from typing import TYPE_CHECKING

import pytest
from tests.support.server import ANN, running_server

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path


@pytest.fixture(autouse=True)
def careless_umask() -> Generator[None]:
    """A process whose new files everybody may write."""
    before = os.umask(0)
    yield
    os.umask(before)


def modes(folder: Path) -> dict[str, int]:
    """Permissions by file name."""
    return {file.name: stat.S_IMODE(file.stat().st_mode) for file in folder.iterdir()}


def test_a_new_database_is_ours_alone(tmp_path: Path) -> None:
    """In a folder that was there before, open to all: the database, its log and its index have mode 600."""
    tmp_path.chmod(0o755)
    with running_server(tmp_path) as server, server.client() as api:
        api.post("/signup", json=ANN)
        found = modes(tmp_path)
    assert found == dict.fromkeys(("gatepass.db", "gatepass.db-wal", "gatepass.db-shm", "master.key"), 0o600)


def test_a_new_folder_is_ours_alone(tmp_path: Path) -> None:
    """A data folder that the server makes has mode 700."""
    with running_server(tmp_path / "data"):
        assert modes(tmp_path)["data"] == 0o700


def test_an_operators_own_choice_of_mode_stays(tmp_path: Path) -> None:
    """A database that is there keeps its mode: a group may have been let in to make backups."""
    with running_server(tmp_path):
        pass
    (tmp_path / "gatepass.db").chmod(0o640)
    with running_server(tmp_path):
        assert modes(tmp_path)["gatepass.db"] == 0o640
