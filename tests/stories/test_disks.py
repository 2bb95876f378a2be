"""A disk that is full or read-only: who asks whether the server is ready is told so, and why."""

from __future__ import annotations

import os
import subprocess
from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest
from tests.support.server import ANN, running_server
from tests.support.wait import eventually

from gatepass.server.base.errors import StartupError

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a file system of a few megabytes")


@contextmanager
def mounted(folder: Path) -> Generator[Path]:
    """A file system of 3 MB."""
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=3m", "none", str(folder)], check=True)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def fill(file: Path) -> None:
    """Take all the room that is left."""
    with file.open("wb", buffering=0) as out:
        try:
            while True:
                out.write(bytes(4_096))
        except OSError:
            return


def test_a_full_disk_is_not_ready(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """503 with `full`, the system's own word for it in the log once; and ready again as soon as there is room."""
    with mounted(tmp_path / "disk") as disk, running_server(disk / "data") as server, server.client() as api:
        assert api.post("/signup", json=ANN).status_code == 201
        assert api.get("/ready").status_code == 200
        fill(disk / "filler")
        refused = api.post("/login", json=ANN)
        assert (refused.status_code, refused.json()["code"]) == (503, "store_unavailable")
        eventually(lambda: api.get("/ready").status_code == 503)
        assert api.get("/ready").json()["database"] == "full"
        assert api.get("/health").status_code == 200
        (disk / "filler").unlink()
        eventually(lambda: api.get("/ready").status_code == 200)
        assert api.post("/login", json=ANN).status_code == 200
    said = capsys.readouterr().out
    assert said.count("not ready: the database cannot be written to") == 1
    assert "ENOSPC: No space left on device" in said


def test_a_start_on_a_disk_that_cannot_be_written_names_the_cause(tmp_path: Path) -> None:
    """Read-only is not full: each has its own words, and its own cure, with a database there and without."""
    for name in ("new", "old"):
        with mounted(tmp_path / name) as disk:
            if name == "old":
                with running_server(disk / "data"):
                    pass
            subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
            with pytest.raises(StartupError) as caught, running_server(disk / "data"):
                pass
            assert "read-only" in caught.value.hint
    with mounted(tmp_path / "full") as disk:
        (disk / "data").mkdir()
        fill(disk / "filler")
        with pytest.raises(StartupError) as caught, running_server(disk / "data"):
            pass
        assert caught.value.hint == "Make room on the disk."
