"""`gatepass backup` beside a running server, and `gatepass restore` under one."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

import pytest
from tests.support.server import ANN, SettableClock, running_server
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import jwt

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer

BOB = {"email": "bob@example.test", "password": "bob has a long password"}


@pytest.fixture
def server(tmp_path: Path) -> Generator[RunningServer]:
    """A running server with Ann in it."""
    with running_server(tmp_path / "data", SettableClock()) as running:
        with running.client() as api:
            api.post("/signup", json=ANN)
        yield running


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client of it."""
    with server.client() as client:
        yield client


def run(server: RunningServer, *words: str) -> None:
    """Run a command on the server's data."""
    main([*words, "--data-dir", server.settings.data_dir])


def refresh(api: httpx.Client, pair: dict[str, str]) -> str:
    """Refresh; `ok` or the code of the refusal."""
    code: str = api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json().get("code", "ok")
    return code


def test_a_backup_brings_back_what_was_there(
    api: httpx.Client, server: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Accounts of that moment are back and later ones are gone, under a running server; keys go on verifying."""
    file = tmp_path / "backup.db"
    run(server, "backup", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert "master.key" in capsys.readouterr().err
    api.post("/signup", json=BOB)
    run(server, "restore", str(file))
    assert api.post("/login", json=BOB).json()["code"] == "invalid_credentials"
    assert api.post("/login", json=ANN).status_code == 200


def test_a_restore_signs_everybody_out(api: httpx.Client, server: RunningServer, tmp_path: Path) -> None:
    """Who was signed in, who had logged out since, and who signed in since: no refresh token works any more."""
    before, ended = (api.post("/login", json=ANN).json() for _ in range(2))
    run(server, "backup", str(tmp_path / "backup.db"))
    api.post("/logout", json={"refresh_token": ended["refresh_token"]})
    after = api.post("/login", json=ANN).json()
    run(server, "restore", str(tmp_path / "backup.db"))
    assert refresh(api, before) == refresh(api, ended) == "session_ended"
    assert refresh(api, after) == "invalid_refresh_token"
    uri = jwt.peek(before["token"]).claims["status"]["status_list"]["uri"]
    fresh = api.post("/login", json=ANN).json()
    assert refresh(api, fresh) == "ok"
    assert api.get(uri).status_code == 200


def test_sessions_can_be_kept(
    api: httpx.Client, server: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """With `--keep-sessions` whoever was signed in at the time of the backup still is, also after moving on since."""
    pair = api.post("/login", json=ANN).json()
    run(server, "backup", str(tmp_path / "backup.db"))
    for _ in range(3):
        server.clock.advance(60)
        pair = api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()
    run(server, "restore", str(tmp_path / "backup.db"), "--keep-sessions")
    assert "sessions were kept" in capsys.readouterr().err
    assert refresh(api, pair) == "ok"


def test_readers_and_places_begin_anew(api: httpx.Client, server: RunningServer, tmp_path: Path) -> None:
    """After a restore events have another epoch, and new sessions have places in another list."""

    def epoch() -> object:
        return jwt.peek(api.get("/revocations/snapshot").text).claims["epoch"]

    def list_of(pair: dict[str, str]) -> str:
        return str(jwt.peek(pair["token"]).claims["status"]["status_list"]["uri"])

    earlier, first = api.post("/login", json=ANN).json(), epoch()
    run(server, "backup", str(tmp_path / "backup.db"))
    run(server, "restore", str(tmp_path / "backup.db"))
    eventually(lambda: epoch() != first)
    assert list_of(api.post("/login", json=ANN).json()) != list_of(earlier)  # what was reserved is let go


def test_restoring_into_an_empty_folder(server: RunningServer, tmp_path: Path) -> None:
    """On another machine: the backup and the master key are enough."""
    run(server, "backup", str(tmp_path / "backup.db"))
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    key = elsewhere / "master.key"
    key.write_bytes((tmp_path / "data" / "master.key").read_bytes())
    key.chmod(0o600)
    main(["restore", str(tmp_path / "backup.db"), "--data-dir", str(elsewhere)])
    assert stat.S_IMODE((elsewhere / "gatepass.db").stat().st_mode) == 0o600
    with running_server(elsewhere) as other, other.client() as api:
        assert api.post("/login", json=ANN).status_code == 200


def test_what_cannot_be_done(server: RunningServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A target that exists, a source that does not or is no backup: `error:`, `hint:`, and nothing is changed."""
    existing = tmp_path / "existing"
    existing.write_text("mine")
    for words in (["backup", str(existing)], ["restore", str(existing)], ["restore", str(tmp_path / "absent")]):
        with pytest.raises(SystemExit):
            run(server, *words)
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert "\nhint: " in said
    assert existing.read_text() == "mine"
    with server.client() as api:
        assert api.post("/login", json=ANN).status_code == 200
