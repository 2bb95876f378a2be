"""nginx, Caddy and HAProxy with their sample configurations: what comes through, and what does not."""

from __future__ import annotations

import time
from contextlib import ExitStack
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.support.commands import add_client
from tests.support.factors import bearer
from tests.support.guarded import PROXIES, asgi_echo, guard, proxy, wsgi_echo
from tests.support.organizations import Person
from tests.support.ports import free_port
from tests.support.server import SettableClock, running_server
from tests.support.wait import soon

from gatepass.guard.identity import NAMES
from gatepass.jose import Key
from gatepass.tokens import dpop_proof

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.guarded import Echo
    from tests.support.server import RunningServer

API = "https://api.example.test"
SETTINGS: dict[str, Any] = {"audience": (API,), "attempts_per_address": 1_000}
ECHOES = {"wsgi": wsgi_echo, "asgi": asgi_echo}


@dataclass
class Guarded:
    """A proxy before an application, and the server that its tokens come from."""

    url: str
    echo: Echo
    server: RunningServer
    api: httpx.Client
    client: httpx.Client

    def get(self, token: str = "", **headers: str) -> httpx.Response:
        """Ask for a page."""
        return self.client.get("/orders", headers={**(bearer(token) if token else {}), **headers})


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[RunningServer, httpx.Client, str]]:
    """A server, a client of it, and guard, for all proxies."""
    folder = tmp_path_factory.mktemp("server")
    with (
        running_server(folder, SettableClock(time.time()), is_awaited=False, **SETTINGS) as server,
        server.client() as api,
        guard(server.url, API, "--proxy", "127.0.0.1") as url,
    ):
        yield server, api, url


@pytest.fixture(scope="module", params=[(name, kind) for name in PROXIES for kind in ECHOES], ids="-".join)
def guarded(
    request: pytest.FixtureRequest,
    tmp_path_factory: pytest.TempPathFactory,
    world: tuple[RunningServer, httpx.Client, str],
) -> Generator[Guarded]:
    """Each proxy, before an application of each kind."""
    name, kind = request.param
    server, api, url = world
    with ExitStack() as stack:
        echo = stack.enter_context(ECHOES[kind]())
        folder = tmp_path_factory.mktemp(name) / "it"
        front = stack.enter_context(proxy(name, folder, guard=url, upstream=echo.port))
        yield Guarded(front, echo, server, api, stack.enter_context(httpx.Client(base_url=front, timeout=30)))


def test_a_good_token_comes_through_and_says_whose_it_is(guarded: Guarded) -> None:
    """The application reads who calls, and what they may do; without a token it is not asked at all."""
    ann = Person(guarded.api)
    told = guarded.get(ann.pair["token"])
    assert told.status_code == 200
    assert (told.json()["SUBJECT"], told.json()["CLIENT"]) == (ann.id, "first-party")
    before = len(guarded.echo.asked)
    bare, wrong = guarded.get(), guarded.get("not.a.token")
    assert [bare.status_code, wrong.status_code] == [401, 401]
    assert bare.headers["www-authenticate"] == "Bearer"
    assert 'error="invalid_token"' in wrong.headers["www-authenticate"]
    assert len(guarded.echo.asked) == before


SPELLINGS = {
    "as we write it": ("X-Auth-Subject", "X-Auth-Roles", "X-Auth-Actor"),
    "in lower case": ("x-auth-subject", "x-auth-roles", "x-auth-actor"),
    "with underscores": ("X_Auth_Subject", "X_Auth_Roles", "X_AUTH_ACTOR"),
    "mixed": ("X-Auth_Subject", "X_Auth-Roles", "x_auth-actor"),
}


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_what_a_client_writes_under_our_names_does_not_come_through(guarded: Guarded, spelling: str) -> None:
    """Whatever the spelling, also of headers that the token says nothing about, and named in `Connection`."""
    ann = Person(guarded.api)
    names = SPELLINGS[spelling]
    written = dict.fromkeys(names, "admin")
    for connection in ("", "close, " + ", ".join(names), ", ".join(each.replace("_", "-") for each in names)):
        headers = {**written, **({"Connection": connection} if connection else {})}
        told = guarded.get(ann.pair["token"], **headers)
        assert told.status_code == 200
        assert told.json()["SUBJECT"] == ann.id
        assert {name: told.json().get(name, "") for name in ("ROLES", "ACTOR")} == {"ROLES": "", "ACTOR": ""}
        assert guarded.get("", **headers).status_code == 401


def test_every_header_is_in_every_sample(guarded: Guarded) -> None:
    """None that guard sends is forgotten in a configuration, so that no name is the client's to fill."""
    ann = Person(guarded.api)
    told = guarded.get(ann.pair["token"], **dict.fromkeys(NAMES, "forged")).json()
    assert "forged" not in told.values()
    assert set(told) <= {name.removeprefix("X-Auth-").replace("-", "_").upper() for name in NAMES}


def test_a_token_is_dead_at_the_proxy_when_its_session_ends(guarded: Guarded) -> None:
    """A logout reaches the proxy as fast as it reaches an API."""
    ann, other = Person(guarded.api), Person(guarded.api)
    assert guarded.get(ann.pair["token"]).status_code == 200
    body = {"refresh_token": ann.pair["refresh_token"]}
    assert guarded.api.post("/logout", json=body).status_code == 204
    soon(lambda: guarded.get(ann.pair["token"]).status_code == 401)
    assert guarded.get(other.pair["token"]).status_code == 200


def test_a_bound_token_needs_a_proof_about_what_the_client_called(guarded: Guarded) -> None:
    """The proxy tells guard the URL; a client that tells another one is not believed."""
    key = Key.generate("ES256")
    client = add_client(guarded.server, "service", "--audience", API, "--require-dpop")
    form = {"grant_type": "client_credentials"}

    def proof(url: str) -> dict[str, str]:
        return {"DPoP": dpop_proof.make(key, method="GET", url=url, now=guarded.server.clock.now, token=token)}

    token = ""
    made = {"DPoP": dpop_proof.make(key, method="POST", url=f"{guarded.server.url}/oauth/token", now=time.time())}
    answer = guarded.api.post("/oauth/token", data=form, headers={**client.basic, **made})
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]
    bound = {"authorization": f"DPoP {token}"}
    told = guarded.get(**bound, **proof(f"{guarded.url}/orders"))
    assert (told.status_code, told.json().get("SUBJECT")) == (200, client.id)
    elsewhere = proof(f"{guarded.url}/elsewhere")
    lies = {"X-Forwarded-Uri": "/elsewhere", "X-Forwarded-Method": "GET"}
    assert guarded.get(**bound, **elsewhere, **lies).status_code == 401
    assert guarded.get(token).status_code == 401


@pytest.mark.parametrize("name", PROXIES)
def test_without_guard_nobody_comes_through(name: str, tmp_path: Path) -> None:
    """It fails closed: a proxy that cannot ask passes nothing on."""
    nowhere = f"http://127.0.0.1:{free_port()}"
    with wsgi_echo() as echo, proxy(name, tmp_path / "it", guard=nowhere, upstream=echo.port) as front:
        answer = httpx.get(f"{front}/orders", headers=bearer("any.good.token"))
        assert answer.status_code >= 500
        assert echo.asked == []
