"""The whole road, as its users walk it: two processes, the server and somebody's API, and real HTTP between them."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.server import ANN, first_url, gatepass_serve
from tests.support.wait import eventually

from gatepass.jose import jwt

if TYPE_CHECKING:
    from collections.abc import Generator

EXAMPLE = Path(__file__).parents[2] / "examples" / "fastapi_api" / "main.py"
GATEPASS = str(Path(sys.executable).with_name("gatepass"))


@contextmanager
def example_api(issuer: str, audience: str) -> Generator[httpx.Client]:
    """Run examples/fastapi_api for the issuer; a client of it."""
    environment = {**os.environ, "GATEPASS_ISSUER": issuer, "GATEPASS_AUDIENCE": audience, "PORT": "0"}
    program = subprocess.Popen([sys.executable, str(EXAMPLE)], env=environment, stderr=subprocess.PIPE, text=True)
    try:
        with httpx.Client(base_url=first_url(program), timeout=30) as client:
            yield client
    finally:
        program.kill()
        program.communicate()


def bearer(token: str) -> dict[str, str]:
    """The header of a call."""
    return {"authorization": f"Bearer {token}"}


@pytest.mark.parametrize("alg", ["ES256", "RS256", "PS256", "Ed25519"])
def test_the_whole_road(tmp_path: Path, alg: str) -> None:
    """Sign up, log in, call, be refused, refresh with a new role, log out and be dead; no call needs the server."""
    audience = "https://orders.example.test"
    serving = gatepass_serve(tmp_path, "--alg", alg, "--audience", audience)
    with serving as (process, url), httpx.Client(base_url=url) as api, example_api(url, audience) as orders:
        assert api.post("/signup", json=ANN).status_code == 201
        pair = api.post("/login", json=ANN).json()
        assert jwt.peek(pair["token"]).headers["alg"] == alg
        welcome = orders.get("/dashboard", headers=bearer(pair["token"]))
        assert (welcome.status_code, welcome.json()["roles"]) == (200, [])

        bare = orders.get("/dashboard")
        assert (bare.status_code, bare.headers["www-authenticate"]) == (401, "Bearer")
        without_right = orders.get("/admin", headers=bearer(pair["token"]))
        assert without_right.status_code == 403
        assert 'error="insufficient_scope"' in without_right.headers["www-authenticate"]
        for bad in (*unsigned(pair["token"]), pair["token"][:-4] + "AAAA", "x.y.z", "x" * 1_000):
            refused = orders.get("/dashboard", headers=bearer(bad))
            assert refused.status_code == 401
            assert 'error="invalid_token"' in refused.headers["www-authenticate"]

        given = subprocess.run(
            [GATEPASS, "user", "role", ANN["email"], "admin", "--data-dir", str(tmp_path)],
            check=False, capture_output=True, text=True,
        )  # fmt: skip
        assert given.returncode == 0, given.stderr
        renewed = api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()
        assert orders.get("/admin", headers=bearer(renewed["token"])).status_code == 200

        other = api.post("/login", json=ANN).json()["token"]
        assert orders.get("/admin", headers=bearer(other)).status_code == 200

        assert api.post("/logout", headers=bearer(renewed["token"])).status_code == 204
        eventually(lambda: orders.get("/admin", headers=bearer(renewed["token"])).status_code == 401)
        dead = api.post("/refresh", json={"refresh_token": renewed["refresh_token"]})
        assert (dead.status_code, dead.json()["code"]) == (401, "session_ended")

        process.kill()
        process.wait()
        statuses = {orders.get("/admin", headers=bearer(other)).status_code for _ in range(50)}
        assert statuses == {200}


def unsigned(token: str) -> list[str]:
    """The token with `alg: none`, in every spelling, with and without its signature."""
    _, payload, signature = token.split(".")
    found: list[str] = []
    for alg in ("none", "None", "NONE", "nOnE", "", " none", "none\u0000"):
        header = json.dumps({"alg": alg, "typ": "at+jwt"}).encode()
        head = base64.urlsafe_b64encode(header).decode().rstrip("=")
        found += [f"{head}.{payload}.", f"{head}.{payload}.{signature}", f"{head}.{payload}"]
    return found
