"""What happened is recorded, shown to whom it happened to, exported, and forgotten in time."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

from tests.support.events import all_events
from tests.support.server import ANN, CHEAP_ARGON2, running_server

from gatepass.cli.main import main
from gatepass.jose import jwt
from gatepass.server.app import open_server
from gatepass.server.base.settings import load
from gatepass.server.domain.events.recording import record

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    import pytest
    from tests.support.server import RunningServer, SettableClock

    from gatepass.server.domain.ports import Transaction


def events_of(api: httpx.Client, person: dict[str, str]) -> list[dict[str, Any]]:
    """Sign in and read the account's events, oldest first, without that very sign-in."""
    token = api.post("/login", json=person).json()["token"]
    answer = api.get("/account/events", headers={"authorization": f"Bearer {token}"})
    assert answer.status_code == 200
    return list(reversed(answer.json()["events"]))[:-1]


def test_a_life_in_events(server: RunningServer, api: httpx.Client) -> None:
    """Account made, sign-in refused and why, signed in, signed out: with time, address and browser."""
    api.headers["user-agent"] = "a browser"
    api.post("/signup", json=ANN)
    server.clock.advance(1)
    api.post("/login", json=ANN | {"password": "not the one at all"})
    signed_in = api.post("/login", json=ANN).json()
    for _ in range(3):
        server.clock.advance(100)
        signed_in = api.post("/refresh", json={"refresh_token": signed_in["refresh_token"]}).json()
    api.post("/logout", json={"refresh_token": signed_in["refresh_token"]})
    events = events_of(api, ANN)
    assert [(event["kind"], event["reason"]) for event in events] == [
        ("account_created", ""),
        ("sign_in_refused", "wrong_password"),
        ("signed_in", "pwd"),
        ("session_ended", "logout"),
    ]
    assert {event["user_agent"] for event in events} == {"a browser"}
    assert {event["address"] for event in events} <= {"127.0.0.1", "::1"}
    assert events[1]["at"] - events[0]["at"] == 1
    assert events[3]["session_id"] == events[2]["session_id"] == jwt.peek(signed_in["token"]).claims["sid"]


def test_somebody_sees_their_own_events_only(api: httpx.Client, ann: dict[str, str]) -> None:
    """What happens to others is not shown."""
    bob = {"email": "bob@example.test", "password": "bob has a long password"}
    api.post("/signup", json=bob)
    api.post("/login", json=bob)
    assert [event["kind"] for event in events_of(api, ann)] == ["account_created"]


def test_what_the_operator_does_is_recorded_and_exported(
    server: RunningServer,
    api: httpx.Client,
    ann: dict[str, str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`gatepass user events --json` and `gatepass events export` print one JSON object a line; no secret is in them."""
    for name, value in CHEAP_ARGON2.items():
        monkeypatch.setenv(f"GATEPASS_{name.upper()}", str(value))
    monkeypatch.setattr("sys.stdin", io.StringIO("another good long password\n"))
    first = api.post("/login", json=ann).json()
    place = server.place
    main(["user", "role", ann["email"], "admin", *place])
    main(["user", "disable", ann["email"], *place])
    api.post("/login", json=ann)
    main(["user", "enable", ann["email"], *place])
    main(["user", "password", ann["email"], *place])
    capsys.readouterr()
    main(["user", "events", ann["email"], "--json", *place])
    own = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(event["kind"], event["actor"] == "operator", event["reason"]) for event in own] == [
        ("account_created", False, ""),
        ("signed_in", False, "pwd"),
        ("role_given", True, "admin"),
        ("account_disabled", True, ""),
        ("sessions_ended", True, "user_disabled"),
        ("sign_in_refused", False, "account_disabled"),
        ("account_enabled", True, ""),
        ("password_changed", True, ""),
    ]
    assert own[1]["jti"] == jwt.peek(first["token"]).claims["jti"]
    api.post("/login", json={"email": "nobody@example.test", "password": ann["password"]})
    main(["events", "export", *place])
    text = capsys.readouterr().out
    everything = [json.loads(line) for line in text.splitlines()]
    assert [event for event in everything if event["user_id"] == own[0]["user_id"]] == own
    assert everything[-1]["reason"] == "unknown_address"
    main(["events", "export", "--after", everything[-2]["id"], *place])
    assert [json.loads(line) for line in capsys.readouterr().out.splitlines()] == everything[-1:]
    for secret in (ann["password"], first["token"], first["refresh_token"], "another good"):
        assert secret not in text


def test_keys_and_settings_are_recorded(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], clock: SettableClock
) -> None:
    """Which key was added, retired or compromised, and the names of settings that changed between two starts."""
    with running_server(tmp_path, clock):
        pass
    place = ("--data-dir", str(tmp_path))
    main(["key", "rotate", "--now", *place])
    with running_server(tmp_path, clock, smtp_url="smtps://mail.example.test", smtp_password="hidden") as server:
        main(["key", "list", "--json", *place])
        events = [(event.kind, event.actor, event.reason) for event in all_events(server)]
    capsys.readouterr()
    kinds = [kind for kind, _, _ in events]
    assert kinds.count("settings_changed") == 1
    assert ("settings_changed", "operator", "smtp_password smtp_url") in events
    assert {("key_added", "server"), ("key_added", "operator"), ("key_retired", "operator")} <= {
        (kind, actor) for kind, actor, _ in events
    }
    retired = next(kid for kind, _, kid in events if kind == "key_retired")
    assert ("key_added", "server", retired) in events


def test_events_are_forgotten_in_time(tmp_path: Path, clock: SettableClock) -> None:
    """What is older than `events_days` goes, the rest stays."""

    async def run() -> list[str]:
        settings = load(flags={"data_dir": str(tmp_path), "events_days": 30, **CHEAP_ARGON2})
        async with open_server(settings, clock) as server:

            async def happens(tx: Transaction) -> None:
                await record(tx, "signed_in", "usr_1")

            await server.core.database.transaction(happens)
            clock.advance(29 * 86_400)
            await server.core.database.transaction(happens)
            clock.advance(2 * 86_400)
            await server._forget_expired()

            async def left(tx: Transaction) -> list[str]:
                return [event.kind for event in await tx.events.after("", user_id="usr_1")]

            return await server.core.database.read(left)

    assert asyncio.run(run()) == ["signed_in"]
