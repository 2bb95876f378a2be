"""`gatepass user import`: people move in with the passwords that they have."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import apsw
import bcrypt
import pytest
from tests.support.server import CHEAP_ARGON2, running_server
from werkzeug.security import generate_password_hash

from gatepass.cli.main import main
from gatepass.jose import jwt

FIXTURES = Path(__file__).parents[1] / "vectors" / "imports"
PASSWORD = "old and known words"


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A data folder for the commands."""
    for name, value in CHEAP_ARGON2.items():
        monkeypatch.setenv(f"GATEPASS_{name.upper()}", str(value))
    return tmp_path / "data"


def take(data: Path, file: Path, *more: str) -> int:
    """Import a file; the exit status."""
    try:
        main(["user", "import", str(file), "--data-dir", str(data), *more])
    except SystemExit as end:
        return int(end.code or 0)
    return 0


def hashes(data: Path) -> list[str]:
    """The hashes in the database."""
    connection = apsw.Connection(str(data / "gatepass.db"))
    found = [str(row[0]) for row in connection.execute("SELECT hash FROM passwords ORDER BY user_id")]
    connection.close()
    return found


def test_people_sign_in_with_their_old_passwords(data: Path, tmp_path: Path) -> None:
    """Each kind of hash is checked once and is Argon2id after that; a wrong password changes nothing."""
    people: list[dict[str, object]] = [
        {
            "email": "Bob@example.test",
            "password_hash": bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode(),
            "email_verified": True,
            "roles": ["editor"],
            "created_at": 1_600_000_000,
        },
        {"email": "cid@example.test", "password_hash": generate_password_hash(PASSWORD, "pbkdf2:sha256:1000")},
        {"email": "dee@example.test", "disabled": True, "password_hash": generate_password_hash(PASSWORD)},
        {"email": "eve@example.test"},
    ]
    file = tmp_path / "people.jsonl"
    file.write_text("\n".join(map(json.dumps, people)))
    assert take(data, file) == 0
    assert [kept.startswith("$foreign$") for kept in hashes(data)] == [True, True, True]
    with running_server(data) as server, server.client() as api:
        answers = [
            api.post("/login", json={"email": person["email"], "password": password})
            for person in people
            for password in ("another one", PASSWORD, PASSWORD)
        ]
        assert [answer.status_code for answer in answers] == [
            401,
            200,
            200,
            401,
            200,
            200,
            401,
            403,
            403,
            401,
            401,
            401,
        ]
        me = api.get("/me", headers={"authorization": f"Bearer {answers[1].json()['token']}"}).json()
    assert (me["email"], me["email_verified"], me["roles"]) == ("bob@example.test", True, ["editor"])
    assert me["created_at"] == 1_600_000_000
    assert [kept.startswith("$argon2id$") for kept in hashes(data)] == [True, True, False]


def test_lines_that_cannot_be_taken_are_named(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """All others are taken; the exit status is 1, and no hash is shown."""
    file = tmp_path / "people.jsonl"
    lines = (
        '{"email": "bob@example.test"}',
        '{"email": "bob@example.test"}',
        "not json",
        '{"email": "nobody"}',
        '{"email": "cid@example.test", "password_hash": "md5$secret"}',
        '{"email": "dee@example.test", "roles": ["a b"]}',
        '{"email": "fay@example.test", "firebase": {"passwordHash": "AAAA", "salt": "AAAA"}}',
        '{"email": "eve@example.test"}',
    )
    file.write_text("\n".join(lines))
    assert take(data, file, "--json") == 1
    told = json.loads(capsys.readouterr().out)
    assert told["imported"] == 2
    assert {each["line"]: each["code"] for each in told["refused"]} == {
        2: "email_taken",
        3: "invalid_body",
        4: "invalid_email",
        5: "unknown_password_hash",
        6: "invalid_role",
        7: "unknown_password_hash",
    }
    assert take(data, file) == 1
    assert "md5$secret" not in capsys.readouterr().err


def test_ids_are_kept_and_people_without_a_password_come_too(data: Path, tmp_path: Path) -> None:
    """An `id` becomes the `sub`; Django's `!` is nobody's password; an id that is there already refuses the line."""
    file = tmp_path / "people.jsonl"
    hashed = generate_password_hash(PASSWORD, "pbkdf2:sha256:1000")
    people = [
        {"email": "bob@example.test", "id": "auth0|507f1f77bcf86cd799439020", "password_hash": hashed},
        {"email": "cid@example.test", "id": "42", "password_hash": "!unusable"},
        {"email": "dee@example.test", "id": "42"},
        {"email": "eve@example.test", "id": "cli_0123"},
    ]
    file.write_text("\n".join(map(json.dumps, people)))
    assert take(data, file) == 1
    with running_server(data) as server, server.client() as api:
        pair = api.post("/login", json={"email": "bob@example.test", "password": PASSWORD}).json()
        assert jwt.peek(pair["token"]).claims["sub"] == "auth0|507f1f77bcf86cd799439020"
        for email in ("cid@example.test", "dee@example.test"):
            assert api.post("/login", json={"email": email, "password": "!unusable"}).status_code == 401
    assert len(hashes(data)) == 1


def test_a_member_that_is_not_known_is_named(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever moves thousands of people learns which name is wrong, and of a wrong type where."""
    file = tmp_path / "people.jsonl"
    lines = (
        '{"email": "bob@example.test", "passwrod": "x"}',
        '{"email": 1}',
        '{"email": "a@b.test", "email": "c@d.test"}',
    )
    file.write_text("\n".join(lines))
    assert take(data, file) == 1
    said = capsys.readouterr().err
    assert "`passwrod`" in said
    assert "$.email" in said
    assert "line 3: invalid_body" in said


def test_a_firebase_project(data: Path, tmp_path: Path) -> None:
    """Its parameters come from a file of their own; here Google's published example."""
    project, file = tmp_path / "project.json", tmp_path / "people.jsonl"
    signer_key = "jxspr8Ki0RYycVU8zykbdLGjFQ3McFUH0uiiTvC8pVMXAn210wjLNmdZJzxUECKbm0QsEmYUSDzZvpjeJ9WmXA=="
    project.write_text(json.dumps({"signer_key": signer_key, "salt_separator": "Bw==", "rounds": 8, "mem_cost": 14}))
    hashed = "lSrfV15cpx95/sZS2W9c9Kp6i/LVgQNDNC/qzrCnh1SAyZvqmZqAjTdn3aoItz+VHjoZilo78198JAdRuid5lQ=="
    file.write_text(
        json.dumps({"email": "bob@example.test", "firebase": {"passwordHash": hashed, "salt": "42xEC+ixf3L2lw=="}})
    )
    assert take(data, file, "--firebase", str(project)) == 0
    with running_server(data) as server, server.client() as api:
        assert api.post("/login", json={"email": "bob@example.test", "password": "user1password"}).status_code == 200


def test_files_that_are_not_there(data: Path, tmp_path: Path) -> None:
    """Neither file may be missing."""
    file = tmp_path / "people.jsonl"
    assert take(data, file) == 1
    file.write_text("")
    assert take(data, file, "--firebase", str(tmp_path / "none.json")) == 1


def told_of(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    """What was printed, as JSON."""
    told: dict[str, Any] = json.loads(capsys.readouterr().out)
    return told


def test_a_dry_run_says_what_would_happen_and_changes_nothing(
    data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row by row and in sum, as the import then does it, also where an earlier portion of the file took an address."""
    monkeypatch.setattr("gatepass.server.features.admin.imports.import_file._PORTION", 2)
    file = tmp_path / "people.jsonl"
    file.write_text(
        '{"email": "ann@example.test", "id": "1", "identities": [{"provider": "nowhere", "subject": "1"}]}\n'
        '{"email": "bob@example.test", "roles": ["gatepass-operator"]}\n'
        '{"email": "cid@example.test", "id": "1"}\n'
        '{"email": "ANN@example.test"}\n'
        '{"email": "dee@example.test"}\n'
    )
    assert take(data, file, "--dry-run", "--json") == 1
    dry = told_of(capsys)
    assert not data.exists()
    assert [(row["line"], row["id"], row["email"]) for row in dry["rows"]] == [
        (1, "1", "ann@example.test"),
        (5, None, "dee@example.test"),
    ]
    assert "nowhere" in dry["rows"][0]["notes"][0]
    assert dry["causes"] == {"email_taken": 2, "invalid_role": 1}
    assert take(data, file, "--json") == 1
    real = told_of(capsys)
    assert [(each["line"], each["code"]) for each in dry["refused"]] == [
        (each["line"], each["code"]) for each in real["refused"]
    ]
    assert (dry["imported"], real["imported"], dry["format"]) == (2, 2, "gatepass")
    take(data, file, "--dry-run")
    text = capsys.readouterr()
    assert "line 1: email_taken" in text.err
    assert "Would import 0; 5 refused (4 email_taken, 1 invalid_role)." in text.err


def test_users_of_other_systems_move_in_whole(
    data: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """From a realm: ids, profile, roles and connected accounts; one that is connected already refuses the row."""
    provider = {"google": {"client_id": "c", "client_secret": "s"}}
    monkeypatch.setenv("GATEPASS_PROVIDERS", json.dumps(provider))
    assert take(data, FIXTURES / "keycloak.json", "--json") == 0
    rows = {row["email"]: row for row in told_of(capsys)["rows"]}
    main(["user", "export", "argon2@example.test", "--data-dir", str(data)])
    exported = told_of(capsys)
    assert exported["account"]["id"] == rows["argon2@example.test"]["id"]
    assert [each["subject"] for each in exported["identities"]] == ["1150"]
    main(["user", "export", "pbkdf2-sha256@example.test", "--data-dir", str(data)])
    exported = told_of(capsys)
    assert (exported["account"]["roles"], exported["profile"]["app_metadata"]["plan"]) == (["editor"], "pro")
    assert take(data, FIXTURES / "supabase.json", "--json") == 1
    refused = {each["email"]: each["code"] for each in told_of(capsys)["refused"]}
    assert refused == {"ann@example.test": "identity_taken", "": "invalid_email"}


def test_a_file_of_no_format_is_told(data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing is guessed: another CSV file, or another SQLite file, needs `--from`."""
    file = tmp_path / "people.csv"
    file.write_text("email,password\nann@example.test,secret\n")
    assert take(data, file) == 1
    assert "--from" in capsys.readouterr().err
    file.write_bytes(b"SQLite format 3\0" + bytes(100))
    assert take(data, file) == 1
    assert "error:" in capsys.readouterr().err
