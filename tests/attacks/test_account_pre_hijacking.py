"""Somebody prepares an account with a victim's address and waits: the classes of Sudhodanan and Paverd (2022)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.elsewhere import sign_in
from tests.support.factors import bearer
from tests.support.pages import Browser
from tests.support.scripted_provider import ScriptedProvider
from tests.support.server import ANN, NOON, OUTBOX, running_server

from gatepass.jose import jwt

if TYPE_CHECKING:
    from collections.abc import Generator
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
