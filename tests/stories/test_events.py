"""What happened is recorded, shown to whom it happened to, exported, and forgotten in time."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING, Any

from tests.support.server import ANN, CHEAP_ARGON2

from gatepass.cli.main import main
from gatepass.jose import jwt

if TYPE_CHECKING:
    import httpx
    import pytest
    from tests.support.server import RunningServer


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
    """`gatepass user events` and `gatepass events export` print one JSON object a line; no secret is in them."""
    for name, value in CHEAP_ARGON2.items():
        monkeypatch.setenv(f"GATEPASS_{name.upper()}", str(value))
    monkeypatch.setattr("sys.stdin", io.StringIO("another good long password\n"))
    first = api.post("/login", json=ann).json()
    place = ("--data-dir", server.settings.data_dir)
    main(["user", "role", ann["email"], "admin", *place])
    main(["user", "disable", ann["email"], *place])
    api.post("/login", json=ann)
    main(["user", "enable", ann["email"], *place])
    main(["user", "password", ann["email"], *place])
    capsys.readouterr()
    main(["user", "events", ann["email"], *place])
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
