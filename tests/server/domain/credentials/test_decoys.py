"""What an address without a password costs: as much as somebody's, in the proportion in which there are such hashes."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import bcrypt
import pytest
from tests.support.server import ANN, running_server

from gatepass.cli.main import main
from gatepass.server.domain.credentials.passwords.decoys import Decoys, Kind
from gatepass.server.domain.credentials.passwords.foreign import kind_of
from gatepass.server.domain.credentials.passwords.hashing import PasswordHasher
from gatepass.server.domain.credentials.passwords.spellings import read_hash

if TYPE_CHECKING:
    from pathlib import Path

CHEAP = bcrypt.hashpw(ANN["password"].encode(), b"$2b$04$" + b"a" * 21 + b"u").decode()
DEAR = "pbkdf2_sha256$90000$salt$tW8gZ0bkmFkC0jJbYGVxMQZ9sKEy4ZmBvKjN4ewL8uY="
ARGON2 = "$argon2id$v=19$m=65536,t=3,p=4$c2FsdHNhbHQ$aGFzaGhhc2g"


def test_kinds_are_drawn_in_proportion() -> None:
    """Of many addresses that nobody has as many cost like each kind as people do; each always the same."""
    decoys = Decoys(bytes(32))
    assert decoys.of("anybody@example.test") is None
    decoys.learn(1_000, [Kind("pbkdf2", 100, "dear"), Kind("bcrypt", 300, "cheap")])
    emails = [f"p{number}@example.test" for number in range(10_000)]
    drawn = [decoys.of(email) for email in emails]
    assert drawn == [decoys.of(email) for email in emails]
    for sample, share in (("dear", 0.1), ("cheap", 0.3), (None, 0.6)):
        assert abs(drawn.count(sample) / len(drawn) - share) < 0.02
    other = Decoys(bytes(31) + b"\x01")
    other.learn(1_000, [Kind("pbkdf2", 100, "dear"), Kind("bcrypt", 300, "cheap")])
    assert [other.of(email) for email in emails] != drawn


@pytest.mark.parametrize(
    ("one", "other", "is_same"),
    [
        (CHEAP, CHEAP[:-4] + "aaaa", True),
        (CHEAP, CHEAP.replace("$04$", "$05$"), False),
        (DEAR, DEAR.replace("$salt$", "$other$"), True),
        (DEAR, DEAR.replace("90000", "90001"), False),
        (DEAR, CHEAP, False),
        (ARGON2, ARGON2.replace("c2FsdHNhbHQ", "b3RoZXJzYWx0"), True),
    ],
    ids=["bcrypt", "bcrypt's cost", "PBKDF2", "PBKDF2's cost", "both", "Argon2"],
)
def test_a_kind_is_what_a_check_costs(one: str, other: str, is_same: bool) -> None:  # noqa: FBT001 - a column
    """Two hashes are of one kind where checking them takes as long."""
    kinds = {kind_of(read_hash(text) or "") for text in (one, other)}
    assert len(kinds) == (1 if is_same else 2)
    assert "" not in kinds
    assert kind_of("$argon2id$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g") == ""


def test_nobody_costs_what_somebody_could(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where everybody moved in with bcrypt, an unknown address is compared with bcrypt too; a match opens nothing.

    Who signs in has a hash of ours from then on, and so have more of those that nobody has.
    """
    file = tmp_path / "people.jsonl"
    people = [{"email": f"p{number}@example.test", "password_hash": CHEAP} for number in range(20)]
    file.write_text("\n".join(json.dumps(person) for person in people))
    main(["user", "import", str(file), "--data-dir", str(tmp_path / "data")])
    compared: list[str] = []
    verify = PasswordHasher.verify

    async def noted(self: PasswordHasher, password: str, password_hash: str | None) -> bool:
        compared.append(kind_of(password_hash or ""))
        return await verify(self, password, password_hash)

    monkeypatch.setattr(PasswordHasher, "verify", noted)
    settings: dict[str, Any] = {"attempts_per_address": 1_000}
    with running_server(tmp_path / "data", **settings) as server, server.client() as api:
        for number in range(10):
            answer = api.post("/login", json={"email": f"nobody{number}@example.test", "password": ANN["password"]})
            assert (answer.status_code, answer.json()["code"]) == (401, "invalid_credentials")
        assert compared == ["bcrypt 04"] * 10
        assert api.post("/login", json={"email": "p1@example.test", "password": ANN["password"]}).status_code == 200
        clock = server.clock
    compared.clear()
    with running_server(tmp_path / "data", clock, **settings) as server, server.client() as api:
        for number in range(200):
            api.post("/login", json={"email": f"nobody{number}@example.test", "password": "x"})
    assert 2 < 200 - compared.count("bcrypt 04") < 30
