"""Tokens of the system that people were imported from pass for more than a sign-in, or for longer than the move.

The tokens and people are those that fastapi-users and simplejwt made (`scripts/import-fixtures`).
"""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import jwt
import pytest
from tests.support.factors import bearer
from tests.support.server import CHEAP_ARGON2, SettableClock, running_server

from gatepass.cli.main import main
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.server import RunningServer

FILES = Path(__file__).parents[1] / "vectors" / "imports"
MADE: dict[str, Any] = json.loads((FILES / "tokens.json").read_text())
SECRET: str = MADE["secret"]
IMPORTED_AT = MADE["made_at"] + 100
LIFETIME = 3_600
ACCESS: str = MADE["fastapi-users"]["access"]
ANN = "00000000-0000-0000-0000-000000000001"


def table(kind: str, **more: object) -> dict[str, object]:
    """The settings of a system."""
    moment = datetime.fromtimestamp(IMPORTED_AT, UTC)
    return {"kind": kind, "key": SECRET, "imported_at": moment, "lifetime_seconds": LIFETIME} | more


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server some minutes after the import of both systems' people."""
    data = tmp_path_factory.mktemp("foreign") / "data"
    with pytest.MonkeyPatch.context() as patch:
        for name, value in CHEAP_ARGON2.items():
            patch.setenv(f"GATEPASS_{name.upper()}", str(value))
        main(["user", "import", str(FILES / "fastapi-users.sqlite3"), "--data-dir", str(data)])
        with pytest.raises(SystemExit):  # somebody in it has no address
            main(["user", "import", str(FILES / "django.sqlite3"), "--data-dir", str(data)])
    tables = {"shop": table("fastapi-users"), "site": table("simplejwt")}
    with running_server(data, SettableClock(IMPORTED_AT + 60), foreign_tokens=tables) as running:
        yield running


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client of it."""
    with server.client() as client:
        yield client


def like(token: str, key: str = SECRET, **claims: object) -> str:
    """A token like another one, with other claims; None leaves one out."""
    changed = jwt.decode(token, options={"verify_signature": False}) | claims
    return jwt.encode({name: value for name, value in changed.items() if value is not None}, key, "HS256")


def refused(api: httpx.Client, token: str) -> tuple[int, str]:
    """How a token is refused."""
    answer = api.post("/login", json={"foreign_token": token})
    return answer.status_code, answer.json().get("code", "")


INVALID = (401, "invalid_foreign_token")


def test_a_token_is_traded_once_and_is_as_old_as_it_is(api: httpx.Client) -> None:
    """The session is the imported person's; it is no recent sign-in, and another spelling of the token is the same."""
    answer = api.post("/login", json={"foreign_token": ACCESS})
    assert answer.status_code == 200, answer.text
    token = answer.json()["token"]
    me = api.get("/me", headers=bearer(token)).json()
    claims = jwt.decode(token, options={"verify_signature": False})
    assert (me["email"], claims["sub"], claims["amr"]) == ("argon2@example.test", ANN, ["fed"])
    assert abs(claims["auth_time"] - MADE["made_at"]) <= 2
    assert api.post("/refresh", json={"refresh_token": answer.json()["refresh_token"]}).status_code == 200
    assert refused(api, ACCESS) == INVALID
    site = api.post("/login", json={"foreign_token": MADE["simplejwt"]["access"]})
    assert jwt.decode(site.json()["token"], options={"verify_signature": False})["sub"] == "1"


@pytest.mark.parametrize(
    "token",
    [
        MADE["fastapi-users"]["reset"],
        MADE["fastapi-users"]["verify"],
        MADE["simplejwt"]["refresh"],
        MADE["simplejwt"]["sliding"],
        like(ACCESS, aud=["fastapi-users:auth", "fastapi-users:reset"]),
        like(ACCESS, aud=None),
        like(MADE["simplejwt"]["access"], token_type=None),
    ],
    ids=["reset", "verify", "refresh", "sliding", "for two", "for none", "of no type"],
)
def test_only_access_tokens_are_traded(api: httpx.Client, token: str) -> None:
    """What resets a password, proves an address or refreshes is signed with the same key, and is no sign-in."""
    assert refused(api, token) == INVALID


@pytest.mark.parametrize(
    "token",
    [
        like(ACCESS, key="another secret of thirty-two octets!"),
        like(ACCESS, exp=IMPORTED_AT + LIFETIME + 1),
        like(ACCESS, exp=IMPORTED_AT),
        like(ACCESS, exp=None),
        like(MADE["simplejwt"]["access"], iat=IMPORTED_AT + 1),
        like(MADE["simplejwt"]["access"], iat=None),
        jwt.encode(jwt.decode(ACCESS, options={"verify_signature": False}), "", "none"),
        "not a token",
        "",
    ],
    ids=[
        "forged",
        "made later",
        "expired",
        "without end",
        "made later, and says so",
        "timeless",
        "none",
        "text",
        "empty",
    ],
)
def test_nothing_that_was_made_after_the_import(api: httpx.Client, token: str) -> None:
    """Whoever finds the old key later makes no token that outlives those of before the import."""
    assert refused(api, token) == INVALID


def test_only_people_whom_the_import_brought(api: httpx.Client) -> None:
    """An id that somebody else has here, or nobody, opens nothing."""
    ours = api.post("/signup", json={"email": "new@example.test", "password": "correct horse battery"}).json()["id"]
    assert refused(api, like(ACCESS, sub=ours)) == INVALID
    assert refused(api, like(ACCESS, sub="first-party")) == INVALID
    assert refused(api, like(MADE["simplejwt"]["access"], user_id=True)) == INVALID
    assert refused(api, like(ACCESS, sub=f"{ANN[:-1]}3")) == (403, "account_disabled")


def test_what_ends_a_persons_sessions_ends_the_old_tokens_too(api: httpx.Client, server: RunningServer) -> None:
    """After "sign out everywhere", a stolen token that was not yet traded is worth nothing."""
    person = f"{ANN[:-1]}2"
    first = like(ACCESS, sub=person)
    assert refused(api, first)[0] == 200
    main(["user", "logout", "bcrypt@example.test", "--data-dir", str(server.settings.data_dir)])
    assert refused(api, like(ACCESS, sub=person, exp=IMPORTED_AT + 1_000)) == INVALID


def test_no_other_proof_stands_beside_the_token(api: httpx.Client) -> None:
    """Which of two proofs counts is not left open."""
    both = {"foreign_token": ACCESS, "email": "argon2@example.test", "password": "x"}
    assert api.post("/login", json=both).json()["code"] == "invalid_body"


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": "short"},
        {"key": ""},
        {"key_file": "/nowhere"},
        {"imported_at": "2026-11-28T12:00:00"},
        {"lifetime_seconds": 91 * 86_400},
        {"algorithm": "RS256"},
        {"algorithm": "none"},
        {"kind": "other"},
    ],
    ids=str,
)
def test_settings_that_would_let_others_in_do_not_start(wrong: dict[str, object]) -> None:
    """A secret that can be guessed, no key, a time without a zone, months of tokens, an algorithm of another key."""
    with pytest.raises(StartupError):
        load(flags={"foreign_tokens": {"shop": table("fastapi-users") | wrong}})


def test_without_settings_there_is_nothing_to_trade() -> None:
    """The key is shown nowhere."""
    settings = load(flags={"foreign_tokens": {"shop": table("fastapi-users")}})
    assert SECRET not in repr(settings) + repr(settings.foreign_tokens)
    assert load(flags={}).foreign_tokens == {}
