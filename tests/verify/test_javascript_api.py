"""APIs in Node.js behind the JavaScript verifier and a real server: let in, refused, and dead within a second."""

from __future__ import annotations

import json
import os
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.commands import add_client
from tests.support.factors import bearer
from tests.support.node import installed, node
from tests.support.organizations import Operating, Person
from tests.support.server import SettableClock, running_server
from tests.support.wait import eventually

from gatepass.jose import Key
from gatepass.tokens import dpop_proof

if TYPE_CHECKING:
    from collections.abc import Generator

    from tests.support.server import RunningServer

SOAK = os.environ.get("SOAK") == "1"
API = "https://api.example.test"
SCRIPT = Path(__file__).parent / "javascript" / "api.mjs"
FRAMEWORKS = Path(__file__).parents[1] / "support" / "javascript_frameworks"


@contextmanager
def apis(issuer: str, *folder: Path, audience: str = API) -> Generator[dict[str, str]]:
    """Run the APIs in one process of Node.js; gives where each of them listens."""
    process = subprocess.Popen([node(), SCRIPT, issuer, audience, *folder], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
    finally:
        process.terminate()
        process.communicate(timeout=30)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """One server for the module."""
    settings: dict[str, Any] = {"audience": (API,), "attempts_per_address": 1_000}
    folder = tmp_path_factory.mktemp("server")
    with running_server(folder, SettableClock(time.time()), is_awaited=False, **settings) as running:
        yield running


@pytest.fixture(scope="module")
def client(server: RunningServer) -> Generator[httpx.Client]:
    """A client of it."""
    with server.client() as client:
        yield client


def test_a_session_that_ends(server: RunningServer, client: httpx.Client) -> None:
    """Behind plain `fetch`: what each request is answered, and that a sign-out is known within a second."""
    with apis(server.url) as where, httpx.Client(base_url=where["plain"]) as asked:
        check_answers(server, client, asked)
        assert asked.get("/maybe").json() == {"subject": None}
        assert asked.get("/maybe", headers=bearer("bad.bad.bad")).status_code == 401
        check_sign_out(client, asked)
        health = asked.get("/health").json()
        assert (health["feed"], health["ready"], health["refusals"]) == ("live", True, 0)


@pytest.mark.soak
@pytest.mark.skipif(not SOAK, reason="npm would take longer than all other tests of the verifier: see make soak")
@pytest.mark.parametrize("framework", ["express", "fastify", "hono"])
def test_frameworks(server: RunningServer, client: httpx.Client, framework: str) -> None:
    """The same behind the frameworks themselves, as npm has them."""
    with apis(server.url, installed(FRAMEWORKS)) as where, httpx.Client(base_url=where[framework]) as asked:
        check_answers(server, client, asked)
        check_sign_out(client, asked)


def check_answers(server: RunningServer, client: httpx.Client, asked: httpx.Client) -> None:
    """Statuses and challenges are those of RFC 6750 and RFC 9449."""
    bare = asked.get("/me")
    assert (bare.status_code, bare.headers["www-authenticate"]) == (401, "Bearer")
    bad = asked.get("/me", headers=bearer("bad.bad.bad"))
    assert (bad.status_code, bad.json()) == (401, {"detail": "the access token was refused: malformed"})
    assert 'error="invalid_token"' in bad.headers["www-authenticate"]
    person, operator = Person(client), Operating.at(server, client)
    good = asked.get("/me", headers=person.header)
    assert (good.status_code, good.json()["subject"]) == (200, person.id)
    for path in ("/edit", "/late"):
        without = asked.get(path, headers=person.header)
        assert (without.status_code, without.json()) == (403, {"detail": "the role is missing"})
        assert 'error="insufficient_scope"' in without.headers["www-authenticate"]
    twice = [("authorization", person.header["authorization"])] * 2
    assert asked.get("/me", headers=twice).status_code == 400
    client.patch(f"/admin/users/{person.id}", json={"roles": ["editor"]}, headers=operator.header).raise_for_status()
    person.refresh()
    for path in ("/edit", "/late"):
        assert asked.get(path, headers=person.header).json() == {"subject": person.id}
    check_proofs(server, client, asked)


def check_proofs(server: RunningServer, client: httpx.Client, asked: httpx.Client) -> None:
    """A token that is bound to a key opens nothing without a proof, and each proof counts once."""
    key, now = Key.generate("ES256"), time.time()
    service = add_client(server, "service", "--audience", API, "--require-dpop")
    proof = dpop_proof.make(key, method="POST", url=f"{server.url}/oauth/token", now=now)
    form = {"grant_type": "client_credentials"}
    answer = client.post("/oauth/token", data=form, headers={**service.basic, "DPoP": proof})
    token = answer.json()["access_token"]
    made = dpop_proof.make(key, method="GET", url=f"{asked.base_url}/me", now=now, token=token)
    headers = {"authorization": f"DPoP {token}", "DPoP": made}
    assert asked.get("/me", headers=headers).status_code == 200
    again = asked.get("/me", headers=headers)
    assert again.status_code == 401
    assert again.headers["www-authenticate"].startswith('DPoP error="invalid_dpop_proof"')
    for wrong in (bearer(token), {"authorization": f"DPoP {token}"}):
        assert asked.get("/me", headers=wrong).status_code in (400, 401)
    other = dpop_proof.make(key, method="GET", url=f"{asked.base_url}/edit", now=now, token=token)
    assert asked.get("/me", headers={**headers, "DPoP": other}).status_code == 401


def check_sign_out(client: httpx.Client, asked: httpx.Client) -> None:
    """From the answer to the sign-out on it takes less than a second until the token is refused."""
    person = Person(client)
    assert asked.get("/me", headers=person.header).status_code == 200
    client.post("/logout", json={"refresh_token": person.pair["refresh_token"]}).raise_for_status()
    began = time.monotonic()
    eventually(lambda: asked.get("/me", headers=person.header).status_code == 401)
    assert time.monotonic() - began < 1
    refused = asked.get("/me", headers=person.header)
    assert refused.json() == {"detail": "the access token was refused: revoked"}
