"""Everything survives a restart, and `kill -9` in the middle of a load loses nothing that was answered with 200."""

from __future__ import annotations

import signal
import threading
from typing import TYPE_CHECKING

import httpx
from tests.support.server import ANN, gatepass_serve, running_server

from gatepass.jose import jwt

if TYPE_CHECKING:
    from pathlib import Path


def test_users_sessions_and_keys_survive_a_restart(tmp_path: Path) -> None:
    """After a restart the password, the refresh token and the access token of before go on working."""
    with running_server(tmp_path, issuer="http://localhost") as server, server.client() as api:
        api.base_url = f"http://localhost:{server.settings.port}"
        api.post("/signup", json=ANN)
        pair = api.post("/login", json=ANN).json()
        keys = api.get("/.well-known/jwks.json").json()
    with running_server(tmp_path, issuer="http://localhost") as server, server.client() as api:
        api.base_url = f"http://localhost:{server.settings.port}"
        assert api.get("/.well-known/jwks.json").json() == keys
        assert api.get("/me", headers={"authorization": f"Bearer {pair['token']}"}).status_code == 200
        assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 200
        assert api.post("/login", json=ANN).status_code == 200


def test_kill_9_in_the_middle_of_a_load_loses_nothing(tmp_path: Path, effort: int) -> None:
    """Of all sign-ups, logins and refreshes that were answered before the kill, each is there after it.

    Here the quiet time is 0, so that every refresh writes a new serial.
    """
    for _ in range(min(effort, 20)):
        people: list[dict[str, str]] = []
        pairs: list[dict[str, str]] = []
        enough = threading.Event()
        issuer = {
            "GATEPASS_ISSUER": "http://localhost",
            "GATEPASS_REFRESH_QUIET_SECONDS": "0",
            "GATEPASS_SIGNUPS_PER_ADDRESS": "1000",
        }
        with gatepass_serve(tmp_path / "data", **issuer) as (process, url):
            threads = [
                threading.Thread(target=_load, args=(url, f"{len(people)}-{number}", people, pairs, enough))
                for number in range(8)
            ]
            for thread in threads:
                thread.start()
            assert enough.wait(30)
            process.send_signal(signal.SIGKILL)
            for thread in threads:
                thread.join()
        with gatepass_serve(tmp_path / "data", **issuer) as (_, url), httpx.Client(base_url=url) as api:
            assert len(pairs) >= 100
            for person in people:
                assert api.post("/login", json=person).status_code == 200
            for pair in pairs:
                answer = api.post("/refresh", json={"refresh_token": pair["refresh_token"]})
                assert answer.status_code == 200, answer.text
                session = jwt.peek(answer.json()["token"]).claims["sid"]
                assert session == jwt.peek(pair["token"]).claims["sid"]
        (tmp_path / "data").rename(tmp_path / f"data-{len(list(tmp_path.iterdir()))}")


def _load(
    url: str, name: str, people: list[dict[str, str]], pairs: list[dict[str, str]], enough: threading.Event
) -> None:
    """Sign up, log in and refresh until the server is gone; keep what was answered."""
    number = 0
    with httpx.Client(base_url=url, timeout=5) as api:
        try:
            while True:
                number += 1
                person = {"email": f"p{name}-{number}@example.test", "password": "a password that is long enough"}
                if api.post("/signup", json=person).status_code == 201:
                    people.append(person)
                pair = api.post("/login", json=person).json()
                pairs.append(pair)
                answer = api.post("/refresh", json={"refresh_token": pair["refresh_token"]})
                if answer.status_code == 200:
                    pairs[pairs.index(pair)] = answer.json()
                if len(pairs) >= 120:
                    enough.set()
        except httpx.HTTPError:
            return
