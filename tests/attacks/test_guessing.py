"""Guessing passwords: one account many times, many accounts once each, and the question who has an account at all."""

from __future__ import annotations

import asyncio
import statistics
import time
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.events import all_events
from tests.support.server import ANN, SettableClock, running_server

from gatepass.server.domain.credentials.passwords.hashing import PasswordHasher

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.server import RunningServer


WRONG = {"password": "certainly not this one"}
LIMIT = 10


def guess(api: httpx.Client, email: str = ANN["email"], **more: str) -> httpx.Response:
    """Guess wrongly."""
    return api.post("/login", json={"email": email, **WRONG, **more})


def test_guesses_meet_longer_and_longer_pauses(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """After ten failures 429 with Retry-After, also for the right password; each further failure doubles the pause."""
    assert [guess(api).status_code for _ in range(LIMIT)] == [401] * LIMIT
    for pause in (30, 60, 120, 240, 480, 900, 900):
        for password in (WRONG["password"], ann["password"]):
            answer = api.post("/login", json={"email": ann["email"], "password": password})
            assert (answer.status_code, answer.json()["code"]) == (429, "too_many_attempts")
            assert answer.headers["retry-after"] == str(pause)
        server.clock.advance(pause)
        assert guess(api).status_code == 401
    server.clock.advance(900)
    assert api.post("/login", json=ann).status_code == 200


def test_a_success_clears_the_count(api: httpx.Client, ann: dict[str, str]) -> None:
    """Somebody who mistypes now and then never meets a pause."""
    for _ in range(3):
        assert [guess(api).status_code for _ in range(LIMIT - 1)] == [401] * (LIMIT - 1)
        assert api.post("/login", json=ann).status_code == 200


def test_counts_are_forgotten_with_their_window(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """A day after the first failure the count begins anew."""
    for _ in range(LIMIT):
        guess(api)
    server.clock.advance(86_400)
    assert [guess(api).status_code for _ in range(LIMIT)] == [401] * LIMIT
    assert api.post("/login", json=ann).status_code == 429


def test_the_pauses_do_not_tell_who_has_an_account(api: httpx.Client, ann: dict[str, str]) -> None:
    """An address that nobody has gets the same answers, byte by byte but for the request's id, and the same pauses."""

    def answers(email: str) -> list[tuple[int, Any, str | None]]:
        seen: list[tuple[int, Any, str | None]] = []
        for _ in range(LIMIT + 2):
            answer = guess(api, email)
            body = {name: value for name, value in answer.json().items() if name != "request_id"}
            seen.append((answer.status_code, body, answer.headers.get("retry-after")))
        return seen

    assert answers(ann["email"]) == answers("nobody@example.test")


@pytest.mark.parametrize("server", ["sqlite", "postgres18"], indirect=True)
def test_guessing_in_parallel_tells_nothing_past_the_limit(server: RunningServer, ann: dict[str, str]) -> None:
    """Of fifty guesses at once no more than ten are judged; among the others even the right one is refused."""

    async def race() -> list[int]:
        async with httpx.AsyncClient(base_url=server.url, timeout=30) as api:
            wrong = [api.post("/login", json={"email": ann["email"], **WRONG}) for _ in range(50)]
            return [answer.status_code for answer in await asyncio.gather(*wrong)]

    answers = asyncio.run(race())
    assert answers.count(401) == LIMIT
    assert set(answers) == {401, 429}


def test_many_accounts_from_one_address(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """Credential stuffing is noticed; after a hundred failures the address pauses, and successes do not help."""
    for number in range(100):
        assert guess(api, f"p{number}@example.test").status_code == 401
        if number % 20 == 0:
            assert api.post("/login", json=ann).status_code == 200
    assert api.post("/login", json=ann).status_code == 429
    server.clock.advance(3_600)
    assert api.post("/login", json=ann).status_code == 200
    assert [event.kind for event in all_events(server)].count("credential_stuffing_noticed") == 1


def test_an_address_is_what_a_trusted_proxy_says(tmp_path: Path) -> None:
    """X-Forwarded-For counts from a trusted proxy only, and an IPv6 network is one address however long its list is."""
    settings: dict[str, Any] = {"attempts_per_address": 3, "attempts_per_account": 100}
    with running_server(tmp_path / "a", **settings) as server, server.client() as api:
        for number in range(3):
            api.headers["x-forwarded-for"] = f"192.0.2.{number}"
            assert guess(api, f"p{number}@example.test").status_code == 401
        assert guess(api).status_code == 429
    with (
        running_server(tmp_path / "b", trusted_proxy=("127.0.0.0/8", "::1/128"), **settings) as server,
        server.client() as api,
    ):
        for number in range(3):
            api.headers["x-forwarded-for"] = f"2001:db8:1:2::{number}"
            assert guess(api, f"p{number}@example.test").status_code == 401
        api.headers["x-forwarded-for"] = "2001:db8:1:2:ffff::1"
        assert guess(api).status_code == 429
        api.headers["x-forwarded-for"] = "2001:db8:1:3::1"
        assert guess(api).status_code == 401


def test_a_proxy_that_does_not_say_who_calls_locks_nobody_out(tmp_path: Path) -> None:
    """Guesses of unknown callers slow those at the same account, and nobody else's sign-in, however many there are."""
    behind: dict[str, Any] = {
        "trusted_proxy": ("127.0.0.0/8", "::1/128"),
        "attempts_per_address": 3,
        "attempts_per_account": 2,
    }
    with running_server(tmp_path, **behind) as server, server.client() as api:
        assert api.post("/signup", json=ANN).status_code == 201
        for header in ("", "unknown", "_obfuscated", "198.51.100.7:99:99"):
            api.headers["x-forwarded-for"] = header
            assert [guess(api, f"p{len(header)}-{number}@example.test").status_code for number in range(4)] == [401] * 4
        assert [guess(api, "bob@example.test").status_code for _ in range(3)] == [401, 401, 429]
        assert api.post("/login", json=ANN).status_code == 200


def test_ports_do_not_make_many_clients_of_one(tmp_path: Path) -> None:
    """A proxy that writes the port too (Azure) gives one client no fresh budget with each connection."""
    behind: dict[str, Any] = {"trusted_proxy": ("127.0.0.0/8", "::1/128"), "attempts_per_address": 3}
    with running_server(tmp_path, **behind) as server, server.client() as api:
        seen = []
        for port in range(1031, 1035):
            api.headers["x-forwarded-for"] = f"198.51.100.7:{port}"
            seen.append(guess(api, f"p{port}@example.test").status_code)
        assert seen == [401, 401, 401, 429]
        api.headers["x-forwarded-for"] = "198.51.100.8:1031"
        assert guess(api).status_code == 401


@pytest.mark.parametrize("email", [ANN["email"], "nobody@example.test"])
def test_each_try_costs_one_hash_whoever_it_is_for(
    api: httpx.Client, ann: dict[str, str], email: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rule behind equal times: one verification for each try, none during a pause; known or not."""
    calls: list[str] = []
    verify = PasswordHasher.verify

    async def counted(self: PasswordHasher, password: str, password_hash: str | None) -> bool:
        calls.append("verify")
        return await verify(self, password, password_hash)

    monkeypatch.setattr(PasswordHasher, "verify", counted)
    for _ in range(LIMIT + 5):
        guess(api, email)
    assert len(calls) == LIMIT


@pytest.mark.soak
@pytest.mark.parametrize("path", ["/login", "/password/forgotten", "/login/email"])
def test_times_do_not_tell_who_has_an_account(path: str, tmp_path: Path, effort: int, record_property: Any) -> None:  # noqa: ANN401
    """Over 2,000 tries in turn, the medians of known and unknown addresses differ by less than a tenth."""
    if effort == 1:
        pytest.skip("times are for `make soak`; the tests that count hashes and mails have the rule")
    times: dict[str, list[float]] = {"p": [], "n": []}
    settings: dict[str, Any] = {
        "attempts_per_account": 100,
        "attempts_per_address": 10_000,
        "mails_per_address": 100,
        "argon2_memory_kib": 4_096,
    }
    with running_server(tmp_path, SettableClock(), **settings) as server, server.client() as api:
        for number in range(10):
            api.post("/signup", json={"email": f"p{number}@example.test", "password": "a sentence of words"})
        for turn in range(1_000):
            for name, measured in times.items():
                body = {"email": f"{name}{turn % 10}@example.test"} | (WRONG if path == "/login" else {})
                began = time.perf_counter()
                assert api.post(path, json=body).status_code in (401, 202)
                measured.append(time.perf_counter() - began)
    known, unknown = (statistics.median(measured) for measured in times.values())
    difference = abs(known - unknown) / known
    record_property("figures", f"2,000 tries at {path}, {known * 1_000:.2f} ms, medians differ by {difference:.1%}")
    assert difference < 0.1
