"""Somebody prepares an account with a victim's address and waits: the classes of Sudhodanan and Paverd (2022)."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import argon2
import pytest
from tests.support.elsewhere import sign_in
from tests.support.factors import bearer, finish, set_up_totp
from tests.support.pages import Browser
from tests.support.scripted_provider import ScriptedProvider
from tests.support.server import ANN, NOON, OUTBOX, running_server

from gatepass.cli.main import main
from gatepass.jose import jwt

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer


@pytest.fixture
def provider() -> Generator[ScriptedProvider]:
    """Where victim and thief both have an account."""
    with ScriptedProvider() as provider:
        provider.now = lambda: NOON
        yield provider


@pytest.fixture
def server(tmp_path: Path, provider: ScriptedProvider) -> Generator[RunningServer]:
    """A server without a mail server, where an address may stay unproven."""
    with running_server(tmp_path, providers={"corp": provider.settings()}) as running:
        yield running


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """The thief's client."""
    with server.client() as client:
        yield client


@pytest.fixture
def prepared(api: httpx.Client, provider: ScriptedProvider) -> dict[str, str]:
    """The thief's tokens: an account with the victim's address, a password, and an account elsewhere connected."""
    assert api.post("/signup", json=ANN).status_code == 201
    pair: dict[str, str] = api.post("/login", json=ANN).json()
    thief = provider.id_token(sub="thief", email="thief@example.test")
    body = {"provider": "corp", "id_token": thief}
    assert api.post("/account/identities", json=body, headers=bearer(pair["token"])).status_code == 201
    return pair


def test_the_first_proof_takes_everything(
    server: RunningServer, api: httpx.Client, provider: ScriptedProvider, prepared: dict[str, str]
) -> None:
    """Classic-federated merge, unexpired session, trojan identifier: none opens what the victim has proved."""
    with Browser(server) as victim:
        assert sign_in(victim, provider).status_code == 303
        token = victim.refresh().json()["token"]
        identities = api.get("/account/identities", headers=bearer(token)).json()["identities"]
    assert [each["email"] for each in identities] == [ANN["email"]]
    assert jwt.peek(token).claims["sub"] == jwt.peek(prepared["token"]).claims["sub"]
    assert api.post("/login", json=ANN).json()["code"] == "invalid_credentials"
    assert api.post("/refresh", json={"refresh_token": prepared["refresh_token"]}).status_code == 401
    assert api.get("/me", headers=bearer(prepared["token"])).status_code == 401
    thief = provider.id_token(sub="thief", email="thief@example.test", jti="2")
    again = api.post("/login", json={"provider": "corp", "id_token": thief})
    assert jwt.peek(again.json()["token"]).claims["sub"] != jwt.peek(token).claims["sub"]


def test_a_proof_by_mail_takes_it_too(
    server: RunningServer, api: httpx.Client, provider: ScriptedProvider, prepared: dict[str, str]
) -> None:
    """The thief's account elsewhere does not survive a sign-in by mail either."""
    with Browser(server) as victim:
        victim.post("/pages/login/email", email=ANN["email"])
        link = victim.get(OUTBOX).text.partition("/pages/login/link")[2].partition('"')[0]
        path = "/pages/login/link" + link.replace("&amp;", "&")
        assert victim.post("/pages/login/link", at=path).status_code == 303
        token = victim.refresh().json()["token"]
        assert api.get("/account/identities", headers=bearer(token)).json() == {"identities": []}
    assert api.get("/me", headers=bearer(prepared["token"])).status_code == 401


def test_a_provider_that_verifies_nothing(api: httpx.Client, provider: ScriptedProvider) -> None:
    """Non-verifying provider: the thief's account there, in the victim's name, opens and makes none here."""
    api.post("/signup", json=ANN)
    thief = provider.id_token(sub="thief", email_verified=False)
    answer = api.post("/login", json={"provider": "corp", "id_token": thief})
    assert answer.json()["code"] == "email_not_verified"
    assert api.post("/login", json=ANN).status_code == 200


# ── accounts that have an owner ──


def ask_by_mail(victim: Browser) -> httpx.Response:
    """Sign in by a mail's link."""
    victim.post("/pages/login/email", email=ANN["email"])
    link = victim.get(OUTBOX).text.partition("/pages/login/link")[2].partition('"')[0]
    return victim.post("/pages/login/link", at="/pages/login/link" + link.replace("&amp;", "&"))


def reset(api: httpx.Client, victim: Browser, password: str) -> httpx.Response:
    """Set a new password by a mail's link."""
    api.post("/password/forgotten", json={"email": ANN["email"]})
    token = victim.get(OUTBOX).text.partition("/pages/reset?token=")[2].partition('"')[0]
    return api.post("/password/reset", json={"token": token, "password": password})


def events(server: RunningServer, capsys: pytest.CaptureFixture[str]) -> list[tuple[str, str]]:
    """What happened to the account: kind and reason."""
    capsys.readouterr()
    main(["user", "events", ANN["email"], "--json", *server.place])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return [(each["kind"], each["reason"]) for each in told]


def by_the_operator(server: RunningServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`gatepass user add`: nobody has ever read a mail."""
    monkeypatch.setattr("sys.stdin", io.StringIO(ANN["password"]))
    main(["user", "add", ANN["email"], "--role", "admin", *server.place])


def known_to_the_operator(server: RunningServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`gatepass user add --verified`."""
    monkeypatch.setattr("sys.stdin", io.StringIO(ANN["password"]))
    main(["user", "add", ANN["email"], "--role", "admin", "--verified", *server.place])


def imported_as_verified(server: RunningServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """`gatepass user import`, from a system that had proved the address."""
    line = {
        "email": ANN["email"],
        "password_hash": argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(ANN["password"]),
        "email_verified": True,
        "roles": ["admin"],
    }
    file = tmp_path / "people.jsonl"
    file.write_text(json.dumps(line))
    main(["user", "import", str(file), *server.place])


def proved_once(server: RunningServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Signed up without a mail, then proved by one; after that the password was set."""
    with server.client() as api, Browser(server) as ann:
        api.post("/signup", json=ANN)
        assert ask_by_mail(ann).status_code == 303
        assert reset(api, ann, ANN["password"]).status_code == 204
    main(["user", "role", ANN["email"], "admin", *server.place])


OWNED = [by_the_operator, known_to_the_operator, imported_as_verified, proved_once]


@pytest.mark.parametrize("make", OWNED)
def test_a_mailbox_does_not_take_an_account_that_has_an_owner(
    make: Callable[[RunningServer, pytest.MonkeyPatch, Path], None],
    server: RunningServer,
    api: httpx.Client,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Whoever reads the mail of an operator's account is asked for its factor; password, factor and role stay.

    The proof is noted all the same: by mail, and by a new password, which changes nothing but the password.
    """
    make(server, monkeypatch, tmp_path)
    application, _ = set_up_totp(server, api, ANN)
    before = api.post("/login", json=ANN).json()
    with Browser(server) as thief:
        asked = ask_by_mail(thief)
        assert asked.headers["location"].startswith("/pages/login/factor")
        assert finish(api, api.post("/login", json=ANN), code=application.next_code()).status_code == 200
        assert reset(api, thief, "another long enough password").status_code == 204
    assert before["code"] == "second_factor_required"
    changed = ANN | {"password": "another long enough password"}
    pair = finish(api, api.post("/login", json=changed), code=application.next_code()).json()
    assert jwt.peek(pair["token"]).claims["roles"] == ["admin"]
    told = [kind for kind, _ in events(server, capsys)]
    assert "factor_removed" not in told
    assert told.count("email_verified") == (make is not imported_as_verified)


@pytest.mark.parametrize("make", OWNED)
def test_a_provider_does_not_take_an_account_that_has_an_owner(
    make: Callable[[RunningServer, pytest.MonkeyPatch, Path], None],
    server: RunningServer,
    api: httpx.Client,
    provider: ScriptedProvider,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A provider's word on the address opens nothing: the owner signs in and connects the two."""
    make(server, monkeypatch, tmp_path)
    set_up_totp(server, api, ANN)
    answer = api.post("/login", json={"provider": "corp", "id_token": provider.id_token()})
    assert (answer.status_code, answer.json()["code"]) == (409, "account_exists")
    assert api.post("/login", json=ANN).json()["code"] == "second_factor_required"


def test_what_is_taken_from_nobody_is_told(
    server: RunningServer, api: httpx.Client, prepared: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """Of an account that anybody could have made the first proof takes factors too, with a mail and an event for each.

    A short password that counted on the thief's factor is not taken either.
    """
    with server.client() as other:
        _, codes = set_up_totp(server, other, ANN)
        assert codes
    with Browser(server) as victim:
        refused = reset(api, victim, "shortish")
        assert refused.json()["code"] == "password_too_short"
        assert ask_by_mail(victim).headers["location"] == "/pages/account"
        assert "Earlier access to your account was removed" in victim.get(OUTBOX).text
    told = events(server, capsys)
    assert {
        ("password_removed", "address_proved"),
        ("factor_removed", "totp"),
        ("provider_disconnected", "corp"),
        ("sessions_ended", "address_proved"),
    } <= set(told)
    assert api.post("/login", json=ANN).json()["code"] == "invalid_credentials"


def test_an_import_that_proves_nothing_is_anybodys(server: RunningServer, api: httpx.Client, tmp_path: Path) -> None:
    """An account of a system that had not proved the address may have been made there by anybody."""
    hashed = argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(ANN["password"])
    file = tmp_path / "people.jsonl"
    file.write_text(json.dumps({"email": ANN["email"], "password_hash": hashed}))
    main(["user", "import", str(file), *server.place])
    assert api.post("/login", json=ANN).status_code == 200
    with Browser(server) as victim:
        assert ask_by_mail(victim).status_code == 303
    assert api.post("/login", json=ANN).json()["code"] == "invalid_credentials"
