"""Nonces in DPoP proofs (RFC 9449 §8, §9), with the setting `dpop_nonce`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import httpx
import pytest
from tests.stories.test_dpop import Prover, bound
from tests.support.authorization import Flow
from tests.support.pages import Browser
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN, running_server

from gatepass.server.domain.sessions.dpop import NONCE_SECONDS, DPoPNonces

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    from tests.support.server import RunningServer, SettableClock


@pytest.fixture
def strict(tmp_path: Path, clock: SettableClock) -> Generator[RunningServer]:
    """A server that wants nonces; Ann has an account."""
    with running_server(tmp_path / "strict", clock, dpop_nonce=True) as running:
        httpx.post(f"{running.url}/signup", json=ANN)
        yield running


def send(server: RunningServer, path: str, form: dict[str, str], nonce: str | None = None) -> httpx.Response:
    """A form with a proof."""
    return httpx.post(server.url + path, data=form, headers=Prover(server)(path, nonce=nonce))


def test_at_the_token_endpoint_and_where_requests_are_pushed(strict: RunningServer) -> None:
    """§8: 400 `use_dpop_nonce` with the nonce; with it the same request is taken, and the answer brings the next."""
    party = add_relying_party(strict, grant_types=("client_credentials", "authorization_code"))
    with Browser(strict) as browser:
        pushed = Flow(party, browser).parameters()
    forms = {"/oauth/token": {"grant_type": "client_credentials", "scope": "email"}, "/oauth/par": pushed}
    for path, form in forms.items():
        refused = send(strict, path, party.credentials | form)
        assert (refused.status_code, refused.json()["error"]) == (400, "use_dpop_nonce")
        nonce = refused.headers["dpop-nonce"]
        assert send(strict, path, party.credentials | form, "guessed").json()["error"] == "use_dpop_nonce"
        taken = send(strict, path, party.credentials | form, nonce)
        assert taken.is_success
        assert taken.headers["dpop-nonce"] == nonce


def test_at_our_own_calls(strict: RunningServer) -> None:
    """§9: 401 with a DPoP challenge that says `use_dpop_nonce`, at the account's calls and at UserInfo."""
    prove = Prover(strict)
    login = f"{strict.url}/login"
    nonce = httpx.post(login, json=ANN, headers=prove("/login")).headers["dpop-nonce"]
    token = httpx.post(login, json=ANN, headers=prove("/login", nonce=nonce)).json()["token"]

    def call(path: str, **options: Any) -> httpx.Response:  # noqa: ANN401 - of a proof
        proof = prove(path, method="GET", token=token, **options)
        return httpx.get(strict.url + path, headers=bound(token) | proof)

    for path in ("/me", "/oauth/userinfo"):
        refused = call(path)
        assert refused.status_code == 401
        assert refused.headers["www-authenticate"].startswith('DPoP error="use_dpop_nonce"')
        assert refused.headers["dpop-nonce"] == nonce
    assert call("/me", nonce=nonce).status_code == 200


def test_without_the_setting_there_is_none(api: httpx.Client, server: RunningServer) -> None:
    """Nothing changes for who does not want it."""
    api.post("/signup", json=ANN)
    answer = api.post("/login", json=ANN, headers=Prover(server)("/login"))
    assert answer.status_code == 200
    assert "dpop-nonce" not in answer.headers


def test_two_rolling_windows() -> None:
    """A nonce is good for its window and the next, on every node that has the key, and on no other."""
    nonces, now = DPoPNonces(b"k" * 32), 10.0 * NONCE_SECONDS
    nonce = nonces.current(now)
    for age, is_good in ((0, True), (NONCE_SECONDS, True), (2 * NONCE_SECONDS - 1, True), (2 * NONCE_SECONDS, False)):
        assert DPoPNonces(b"k" * 32).accepts(nonce, now + age) is is_good
    assert not nonces.accepts(nonce, now - 1)
    assert not DPoPNonces(b"o" * 32).accepts(nonce, now)
    for wrong in (None, "", "é", nonce + "A"):
        assert not nonces.accepts(wrong, now)
