"""`gatepass migrate-data`: from one file to PostgreSQL, and `gatepass restore --in-place` there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import apsw
import pytest
from tests.support.server import ANN, SettableClock, running_server

from gatepass.cli.main import main
from gatepass.jose import jwt

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.postgres import Postgres


def refresh(api: httpx.Client, pair: dict[str, str]) -> httpx.Response:
    """Refresh."""
    return api.post("/refresh", json={"refresh_token": pair["refresh_token"]})


def test_everybody_stays_signed_in(tmp_path: Path, postgres18: Postgres, capsys: pytest.CaptureFixture[str]) -> None:
    """People, sessions, clients, keys and what is revoked are all there; refresh tokens and access tokens go on."""
    clock, url, data_dir = SettableClock(), postgres18.new_database(), str(tmp_path / "data")
    with running_server(tmp_path / "data", clock) as before, before.client() as api:
        issuer = before.url
        assert api.post("/signup", json=ANN).status_code == 201
        ann, left = (api.post("/login", json=ANN).json() for _ in range(2))
        assert api.post("/logout", json={"refresh_token": left["refresh_token"]}).status_code == 204
        keys = api.get("/.well-known/jwks.json").json()
    main(["migrate-data", "--from", f"sqlite:///{data_dir}/gatepass.db", "--to", url])
    told = capsys.readouterr()
    assert "sessions" in told.out
    assert "Keep the same master key" in told.err
    with running_server(tmp_path / "data", clock, issuer=issuer, database=url) as after, after.client() as api:
        assert api.get("/.well-known/jwks.json").json() == keys
        assert api.get("/me", headers={"authorization": f"Bearer {ann['token']}"}).json()["email"] == ANN["email"]
        assert refresh(api, ann).status_code == 200
        assert refresh(api, left).json()["code"] == "session_ended"
        assert api.get("/me", headers={"authorization": f"Bearer {left['token']}"}).status_code == 401
        again = api.post("/login", json=ANN).json()
        places = [jwt.peek(pair["token"]).claims["status"]["status_list"] for pair in (ann, left, again)]
        assert len({(place["uri"], place["idx"]) for place in places}) == 3


def test_nothing_is_written_over(tmp_path: Path, postgres18: Postgres, capsys: pytest.CaptureFixture[str]) -> None:
    """A target with rows, a source that is not there, the wrong way round: an error with a hint each."""
    url = postgres18.new_database()
    with running_server(tmp_path / "data", database=url) as server, server.client() as api:
        api.post("/signup", json=ANN)
    with running_server(tmp_path / "other"):
        pass
    sqlite = f"sqlite:///{tmp_path}/other/gatepass.db"
    for source, target in ((sqlite, url), (f"sqlite:///{tmp_path}/absent.db", url), (url, sqlite)):
        with pytest.raises(SystemExit):
            main(["migrate-data", "--from", source, "--to", target])
        said = capsys.readouterr().err
        assert said.startswith("error: ")
        assert "\nhint: " in said
    ((count,),) = postgres18.run("SELECT COUNT(*) FROM users", url.rpartition("/")[2])
    assert count == 1


def test_a_count_that_differs_undoes_everything(
    tmp_path: Path, postgres18: Postgres, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows that do not arrive are noticed, and then nothing has arrived."""
    url = postgres18.new_database()
    with running_server(tmp_path / "data") as server, server.client() as api:
        api.post("/signup", json=ANN)
    with running_server(tmp_path / "new", database=url):
        pass  # makes the tables, and keys in them
    name = url.rpartition("/")[2]
    postgres18.run("TRUNCATE keys, data_key, revocation_head, status_lists, settings_seen", name)
    postgres18.run("CREATE FUNCTION nothing() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'", name)
    postgres18.run("CREATE TRIGGER lose BEFORE INSERT ON passwords FOR EACH ROW EXECUTE FUNCTION nothing()", name)
    with pytest.raises(SystemExit):
        main(["migrate-data", "--from", f"sqlite:///{tmp_path}/data/gatepass.db", "--to", url])
    ((count,),) = postgres18.run("SELECT COUNT(*) FROM users", name)
    assert count == 0
    with apsw.Connection(str(tmp_path / "data" / "gatepass.db")) as source:
        assert source.execute("SELECT COUNT(*) FROM users").get == 1


def test_after_postgresql_was_restored(
    tmp_path: Path, postgres18: Postgres, capsys: pytest.CaptureFixture[str]
) -> None:
    """`gatepass restore --in-place` ends every session and begins another epoch; backups are PostgreSQL's own."""
    with running_server(tmp_path / "data", database=postgres18.new_database()) as server, server.client() as api:
        api.post("/signup", json=ANN)
        pair = api.post("/login", json=ANN).json()
        epoch = jwt.peek(api.get("/revocations/snapshot").text).claims["epoch"]
        for words in (["backup", str(tmp_path / "file")], ["restore", str(tmp_path / "file")], ["restore"]):
            with pytest.raises(SystemExit):
                main([*words, *server.place])
        capsys.readouterr()
        main(["restore", "--in-place", *server.place])
        assert "1 sessions ended" in capsys.readouterr().err
        assert refresh(api, pair).json()["code"] == "session_ended"
        assert refresh(api, api.post("/login", json=ANN).json()).status_code == 200
    with running_server(tmp_path / "data", database=server.settings.database) as server, server.client() as api:
        assert jwt.peek(api.get("/revocations/snapshot").text).claims["epoch"] != epoch
