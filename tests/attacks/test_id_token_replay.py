"""Somebody has got hold of an ID token: from a log, a history, or as another client of the same provider."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest
from tests.support.scripted_provider import ScriptedProvider
from tests.support.server import SettableClock, running_server

from gatepass.jose import base64url

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.server import RunningServer

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


@pytest.fixture
def clock() -> SettableClock:
    """The time."""
    return SettableClock()


@pytest.fixture
def provider(clock: SettableClock) -> Generator[ScriptedProvider]:
    """The provider."""
    with ScriptedProvider() as provider:
        provider.now = clock
        yield provider


@pytest.fixture
def server(tmp_path: Path, clock: SettableClock, provider: ScriptedProvider) -> Generator[RunningServer]:
    """A server that knows it."""
    with running_server(tmp_path, clock, providers={"corp": provider.settings()}) as running:
        yield running


def test_each_id_token_is_good_once(server: RunningServer, provider: ScriptedProvider) -> None:
    """Of twenty who come at once with the same one, one gets in; nor does the twin of its signature get in."""
    token = provider.id_token()

    def present(text: str) -> int:
        with server.client() as api:
            return api.post("/login", json={"provider": "corp", "id_token": text}).status_code

    with ThreadPoolExecutor(8) as threads:
        statuses = list(threads.map(present, [token] * 20))
    assert sorted(statuses) == [200] + [403] * 19
    message, _, signature = token.rpartition(".")
    octets = base64url.decode(signature)
    s = P256_ORDER - int.from_bytes(octets[32:])
    assert present(f"{message}.{base64url.encode(octets[:32] + s.to_bytes(32))}") == 403


def test_it_is_remembered_as_long_as_it_would_be_good(
    server: RunningServer, clock: SettableClock, provider: ScriptedProvider
) -> None:
    """Up to five minutes it was used before; after that it is too old."""
    body = {"provider": "corp", "id_token": provider.id_token()}
    with server.client() as api:
        assert api.post("/login", json=body).status_code == 200
        for _ in range(4):
            clock.advance(90)
            assert api.post("/login", json=body).status_code == 403


def test_a_token_for_another_client(server: RunningServer, provider: ScriptedProvider) -> None:
    """Another application of the same provider cannot sign in here as its users (the confused deputy)."""
    for claims in ({"aud": "game"}, {"aud": ["game", "gatepass"], "azp": "game"}, {"azp": "game"}):
        body = {"provider": "corp", "id_token": provider.id_token(**claims)}
        with server.client() as api:
            assert api.post("/login", json=body).json()["code"] == "invalid_id_token"
