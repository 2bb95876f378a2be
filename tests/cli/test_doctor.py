"""`gatepass doctor` and `gatepass openapi`: looking without serving."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import socket
from typing import TYPE_CHECKING

import pytest
from tests.support.scripted_provider import ScriptedProvider
from tests.support.scripted_site import ScriptedSite
from tests.support.server import ANN, running_server
from tests.support.tls import self_signed

from gatepass.cli.main import main
from gatepass.cli.serve import warnings
from gatepass.jose import Key, KeySet
from gatepass.server.store.sqlite_log import frames_behind_damage

if TYPE_CHECKING:
    from pathlib import Path


def examined(capsys: pytest.CaptureFixture[str], folder: Path, *words: str) -> tuple[int, dict[str, dict[str, str]]]:
    """Run it; its status, and what it found by what it looked at."""
    capsys.readouterr()
    status = 0
    try:
        main(["doctor", "--json", "--data-dir", str(folder), *words])
    except SystemExit as end:
        status = int(end.code or 0)
    return status, {found["what"]: found for found in json.loads(capsys.readouterr().out)}


def test_before_the_first_start(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is there, nothing is wrong, and nothing is made."""
    status, found = examined(capsys, tmp_path / "data")
    assert status == 0
    assert "first start" in found["database"]["text"]
    assert not (tmp_path / "data").exists()


def test_beside_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """While it serves: the database, the master key and the signing keys are good."""
    with running_server(tmp_path / "data") as server, server.client() as api:
        api.post("/signup", json=ANN)
        status, found = examined(capsys, tmp_path / "data")
    assert status == 0
    assert {found[what]["level"] for what in ("database", "master key", "keys")} == {"ok"}


def test_a_proxy_that_does_not_say_who_calls(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning with how many sign-ins it concerns; and an error where a proxy must be there and is not declared."""
    with running_server(tmp_path / "data", trusted_proxy=("127.0.0.0/8", "::1/128")) as server, server.client() as api:
        api.post("/signup", json=ANN)
        api.post("/login", json=ANN)
        _, found = examined(capsys, tmp_path / "data")
        assert (found["addresses"]["level"], "1 of the last day's 1" in found["addresses"]["text"]) == ("warning", True)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GATEPASS_ISSUER", "https://auth.example.com")
        status, found = examined(capsys, tmp_path / "data")
    assert (status, found["proxy"]["level"]) == (1, "error")


def test_a_damaged_log(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """SQLite takes the first frame that is not sound for the end; the doctor counts what is behind it."""
    with running_server(tmp_path / "data") as server, server.client() as api:
        api.post("/signup", json=ANN)
        api.post("/login", json=ANN)
        _, found = examined(capsys, tmp_path / "data")
        assert found["log"]["level"] == "ok"
        copy = tmp_path / "copy"
        copy.mkdir(mode=0o700)
        for name in ("gatepass.db", "gatepass.db-wal", "master.key"):
            shutil.copy2(tmp_path / "data" / name, copy / name)
    log = copy / "gatepass.db-wal"
    sound = log.read_bytes()
    frames = (len(sound) - 32) // (24 + 4_096)
    assert frames > 2
    for place, unseen in ((32 + 24 + 4_096 + 500, frames - 1), (32 + 4, frames)):
        log.write_bytes(sound[:place] + bytes([sound[place] ^ 1]) + sound[place + 1 :])
        assert frames_behind_damage(copy / "gatepass.db") == unseen
    status, found = examined(capsys, copy)
    assert found["log"]["level"] == "warning"
    assert f"{frames} pages" in found["log"]["text"]
    assert status in (0, 1)


def test_a_database_that_others_can_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Warned of, with the command that closes it, by the doctor and at the start."""
    with running_server(tmp_path / "data") as server:
        server.settings.sqlite_path.chmod(0o644)
        assert any("chmod 600" in text for text in warnings(server.settings))
        _, found = examined(capsys, tmp_path / "data")
        assert (found["settings"]["level"], "chmod 600" in found["settings"]["text"]) == ("warning", True)


def test_damaged_pages(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A sound database is said to be, with what nobody can tell of its log; one with a page overwritten is not."""
    with running_server(tmp_path / "data") as server, server.client() as api:
        api.post("/signup", json=ANN)
    status, found = examined(capsys, tmp_path / "data")
    assert (status, found["integrity"]["level"]) == (0, "ok")
    assert "-wal" in found["integrity"]["text"]
    database = tmp_path / "data" / "gatepass.db"
    pages = bytearray(database.read_bytes())
    for page in range(8, len(pages) // 4_096):
        pages[page * 4_096 : page * 4_096 + 64] = os.urandom(64)
    database.write_bytes(pages)
    status, found = examined(capsys, tmp_path / "data")
    assert (status, found["integrity"]["level"]) == (1, "error")
    assert "backup" in found["integrity"]["hint"]


def test_another_servers_master_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """An error with what to do about it, and status 1."""
    for name in ("data", "other"):
        with running_server(tmp_path / name):
            pass
    (tmp_path / "data" / "master.key").write_bytes((tmp_path / "other" / "master.key").read_bytes())
    status, found = examined(capsys, tmp_path / "data")
    assert (status, found["database"]["level"]) == (1, "error")
    assert found["database"]["hint"]


def test_a_folder_that_is_open_to_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A warning, which is no failure, with the command that mends it."""
    (tmp_path / "data").mkdir(mode=0o755)
    status, found = examined(capsys, tmp_path / "data")
    assert (status, found["data folder"]["level"]) == (0, "warning")
    assert found["data folder"]["hint"].startswith("chmod 700")


def test_a_mail_server_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is asked, and does not answer."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        monkeypatch.setenv("GATEPASS_SMTP_URL", f"smtp://127.0.0.1:{nobody.getsockname()[1]}")
        monkeypatch.setenv("GATEPASS_MAIL_FROM", "no-reply@example.test")
        status, found = examined(capsys, tmp_path / "data")
    assert (status, found["mail server"]["level"]) == (1, "error")


def test_providers_that_can_be_asked_and_cannot(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The metadata is read; one about another issuer is an error, which says whose it is."""
    with ScriptedProvider() as provider:
        monkeypatch.setenv("GATEPASS_PROVIDERS", json.dumps({"corp": provider.settings()}))
        status, found = examined(capsys, tmp_path / "data")
        assert (status, found["providers"]["text"]) == (0, "corp can be used to sign in")
        provider.metadata = {"issuer": "https://login.example.test"}
        status, found = examined(capsys, tmp_path / "data")
    assert (status, found["providers"]["level"]) == (1, "error")
    assert "another issuer" in found["providers"]["text"]


def test_settings_that_cannot_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The one finding, in the words of a start."""
    monkeypatch.setenv("GATEPASS_ISSUER", "ftp://auth.example.test")
    status, found = examined(capsys, tmp_path / "data")
    assert (status, list(found)) == (1, ["settings"])


def test_the_description_without_a_server(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is what a server with these settings answers, and nothing is made."""
    with running_server(tmp_path / "data") as server, server.client() as api:
        served = api.get("/openapi.json").json()
        issuer = server.url
    capsys.readouterr()
    (tmp_path / "settings.toml").write_text(f'issuer = "{issuer}"\n')
    main(["openapi", "--config", str(tmp_path / "settings.toml"), "--data-dir", str(tmp_path / "none")])
    assert json.loads(capsys.readouterr().out) == served
    assert not (tmp_path / "none").exists()


def test_a_certificate_that_ends_soon(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A warning two weeks before, so that somebody renews it."""
    cert, key = self_signed(tmp_path)
    monkeypatch.setenv("GATEPASS_TLS_CERT", cert)
    monkeypatch.setenv("GATEPASS_TLS_KEY", key)
    status, found = examined(capsys, tmp_path / "data")
    assert (status, found["certificate"]["level"]) == (0, "warning")


def test_a_kid_that_begins_with_a_hyphen(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """One thumbprint in 64 does: it is a key that is not there, and no option."""
    for command in ("retire", "compromise"):
        with contextlib.suppress(SystemExit):
            main(["key", command, "-Q_y-afczD8c0JOQ5EiCxmp3zbS2NBst4xmMviIbsKk", "--data-dir", str(tmp_path)])
        assert "Unknown option" not in capsys.readouterr().err


def test_trusted_issuers_that_have_keys_and_do_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their keys are fetched; one that publishes none would have every assertion refused, and is an error."""
    with ScriptedSite() as corp:
        url = corp.put("/jwks", KeySet([Key.generate("ES256").public()]).to_jwks())
        table = {"issuer": corp.url, "jwks_url": url, "clients": ["cli_1"], "audiences": ["https://api.test"]}
        monkeypatch.setenv("GATEPASS_TRUSTED_ISSUERS", json.dumps({"corp": table}))
        status, found = examined(capsys, tmp_path / "data")
        assert (status, found["trusted issuers"]["text"]) == (0, "corp: it publishes 1 keys")
        corp.put("/jwks", {"keys": []})
        status, found = examined(capsys, tmp_path / "data")
        assert (status, found["trusted issuers"]["level"]) == (1, "error")
        corp.answers.clear()
        status, found = examined(capsys, tmp_path / "data")
    assert (status, found["trusted issuers"]["level"]) == (1, "error")
    assert "404" in found["trusted issuers"]["text"]


@pytest.mark.parametrize(
    ("imported_at", "level"), [("2020-01-01T00:00:00Z", "warning"), ("2100-01-01T00:00:00Z", "ok")]
)
def test_tokens_of_a_former_system_have_an_end(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], imported_at: str, level: str
) -> None:
    """Once the last one has expired, the table and its key are of no use to anyone but a thief."""
    file = tmp_path / "gatepass.toml"
    system = f'kind = "simplejwt"\nkey = "{"s" * 32}"\nimported_at = {imported_at}\nlifetime_seconds = 60\n'
    file.write_text(f"[foreign_tokens.shop]\n{system}")
    _, found = examined(capsys, tmp_path / "data", "--config", str(file))
    assert found["foreign tokens"]["level"] == level
    assert "s" * 32 not in found["foreign tokens"]["text"]
