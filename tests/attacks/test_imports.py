"""What comes from another system is used against this one: ids, roles and hashes in an imported file."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import TYPE_CHECKING

import apsw
import pytest
from tests.support.server import CHEAP_ARGON2

from gatepass.cli.main import main

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """The options of a data folder."""
    for name, value in CHEAP_ARGON2.items():
        monkeypatch.setenv(f"GATEPASS_{name.upper()}", str(value))
    return ("--data-dir", str(tmp_path / "data"))


def refusals(
    place: tuple[str, ...], file: Path, capsys: pytest.CaptureFixture[str], *people: Mapping[str, object]
) -> list[str]:
    """The codes with which these people are refused by an import."""
    file.write_text("\n".join(map(json.dumps, people)))
    capsys.readouterr()
    with suppress(SystemExit):
        main(["user", "import", str(file), "--json", *place])
    return [each["code"] for each in json.loads(capsys.readouterr().out)["refused"]]


def test_nobody_moves_in_under_the_id_of_a_deleted_person(
    place: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Applications keep data under a `sub`: the same file again, or another person with that id, brings nobody back."""
    file, zoe = tmp_path / "people.jsonl", {"email": "zoe@example.test", "id": "auth0|zoe"}
    assert refusals(place, file, capsys, zoe) == []
    assert refusals(place, file, capsys, zoe | {"email": "eve@example.test"}) == ["email_taken"]
    main(["user", "delete", "zoe@example.test", "--yes", *place])
    assert refusals(place, file, capsys, zoe, zoe | {"email": "eve@example.test"}) == ["user_id_deleted"] * 2
    connection = apsw.Connection(str(tmp_path / "data" / "gatepass.db"))
    assert b"zoe" not in b"".join(row[0] for row in connection.execute("SELECT digest FROM deleted_user_ids"))
    connection.close()


HASHES_OF_ANY_COST = (
    "pbkdf2_sha256$1000000000$c2FsdHNhbHQ$" + "A" * 43 + "=",
    "$pbkdf2-sha256$i=1000000000,l=32$c2FsdHNhbHQ$" + "A" * 43,
    "scrypt$1048576$c2FsdHNhbHQ$32$16$" + "A" * 86 + "==",
    "argon2$argon2id$v=19$m=999999,t=99,p=1$c2FsdHNhbHQ$" + "A" * 43,
    "bcrypt_sha256$$2b$31$" + "a" * 53,
)


@pytest.mark.parametrize("system", ["gatepass", "auth0", "django"])
def test_a_hash_of_any_cost_is_not_taken(
    place: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str], system: str
) -> None:
    """One sign-in would stop the server for minutes; the row is named, and nobody is made without the password."""
    people: list[dict[str, object]] = []
    for number, password_hash in enumerate(HASHES_OF_ANY_COST):
        email = f"zoe{number}@example.test"
        of_system: dict[str, dict[str, object]] = {
            "gatepass": {"email": email, "password_hash": password_hash},
            "auth0": {"email": email, "user_id": str(number), "password_hash": password_hash},
            "django": {"model": "auth.user", "pk": number, "fields": {"email": email, "password": password_hash}},
        }
        people.append(of_system[system])
    told = refusals(place, tmp_path / "people.jsonl", capsys, *people)
    assert told == ["unknown_password_hash"] * len(HASHES_OF_ANY_COST)


def test_no_group_of_another_system_is_a_role_of_ours(
    place: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Roles of Keycloak and groups of Django that begin with `gatepass-` refuse their row, in every format."""
    group = ["gatepass-operator"]
    fields = {"email": "zoe@example.test", "password": "!", "groups": [group]}
    file = tmp_path / "people.jsonl"
    assert refusals(place, file, capsys, {"model": "auth.user", "pk": 1, "fields": fields}) == ["invalid_role"]
    realm = {"realm": "shop", "users": [{"username": "zoe", "email": "zoe@example.test", "realmRoles": group}]}
    assert refusals(place, file, capsys, realm) == ["invalid_role"]
