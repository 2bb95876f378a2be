"""Somebody signs in with an OpenID provider that is not ours, from the first click to a token in hand."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import pytest
from tests.support.events import all_events
from tests.support.pages import Browser
from tests.support.real_provider import provider_settings, real_provider, sign_in_there
from tests.support.server import SettableClock, running_server

from gatepass.jose import jwt

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.server import RunningServer


@pytest.fixture(scope="module")
def issuer() -> Generator[str]:
    """The provider."""
    with real_provider() as issuer:
        yield issuer


@pytest.fixture
def federated(issuer: str, tmp_path: Path) -> Generator[RunningServer]:
    """A server whose people may come from there."""
    # The provider goes by the real time, so the server's clock begins at that of the test, not of the import.
    with running_server(tmp_path / "data", SettableClock(time.time()), providers=provider_settings(issuer)) as running:
        yield running


def test_somebody_new_and_then_known(federated: RunningServer) -> None:
    """The first time an account is made, with an address that is proved; the second time it is the same one."""
    subjects: set[object] = set()
    for _ in range(2):
        with Browser(federated) as browser:
            there = browser.http.get("/pages/login/with/corp", params={"return_to": "/app/orders"})
            assert there.status_code == 303
            back = sign_in_there(browser.http, browser.http.get(there.headers["location"]), "ann")
            done = browser.http.get(back)
            assert (done.status_code, done.headers["location"]) == (303, "/app/orders")
            claims = jwt.peek(browser.refresh().json()["token"]).claims
            assert (claims["acr"], claims["amr"]) == ("1", ["fed"])
            subjects.add(claims["sub"])
    assert len(subjects) == 1
    kinds = [event.kind for event in all_events(federated) if event.user_id]
    assert kinds[:4] == ["account_created", "email_verified", "provider_connected", "signed_in"]
