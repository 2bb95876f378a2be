"""Pairwise subjects (OpenID Connect Core §8): sites that compare notes do not find that they know one person."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

import pytest
from tests.support.authorization import Flow, answer_of, code_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.server import ANN, SettableClock, running_server

from gatepass.jose import jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

SCOPE = ("openid", "email")


class Known(NamedTuple):
    """By which names a client knows a person and their sign-in."""

    sub: str
    sid: str


def site(server: RunningServer, host: str, *, scope: tuple[str, ...] = SCOPE) -> RelyingParty:
    """A client with pairwise names, at a host."""
    metadata = ClientMetadata(redirect_uris=(f"https://{host}/cb",), subject_type="pairwise")
    return add_relying_party(server, metadata=metadata, scope=scope)


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    """The header."""
    return {"authorization": f"Bearer {tokens['access_token']}"}


def known(api: httpx.Client, app: RelyingParty, tokens: dict[str, Any]) -> Known:
    """What the client learns, which is the same wherever it looks."""
    claims = [jwt.peek(tokens[name]).claims for name in ("access_token", "id_token")]
    asked = [
        api.post("/oauth/introspect", data={"token": tokens[name], **app.credentials}).json()
        for name in ("access_token", "refresh_token")
    ]
    every = [Known(each["sub"], each["sid"]) for each in (*claims, *asked)]
    assert set(every) == {every[0]}
    assert api.get("/oauth/userinfo", headers=bearer(tokens)).json()["sub"] == every[0].sub
    return every[0]


def test_one_person_at_two_sites(api: httpx.Client, server: RunningServer, ann: dict[str, str]) -> None:
    """Clients of one host know her alike, others otherwise, in each token and answer; none is told the account's id."""
    mine = api.get("/me", headers={"authorization": f"Bearer {api.post('/login', json=ann).json()['token']}"}).json()
    shop, help_desk, other = (site(server, host) for host in ("shop.example", "shop.example", "other.example"))
    at_shop, at_help_desk, elsewhere = (known(api, app, app.sign_in(api)) for app in (shop, help_desk, other))
    assert at_shop.sub == at_help_desk.sub != elsewhere.sub
    assert mine["id"] not in (at_shop.sub, elsewhere.sub)
    assert not at_shop.sid.startswith("ses_")
    public = add_relying_party(server)
    assert known(api, public, public.sign_in(api)).sub == mine["id"]


def test_the_names_stay(tmp_path: Path) -> None:
    """Over refreshes, sign-ins, and starts of the server."""
    clock = SettableClock()
    with running_server(tmp_path, clock, issuer="http://localhost:8000") as server, server.client() as api:
        api.base_url = f"http://localhost:{server.settings.port}"
        api.post("/signup", json=ANN)
        app = site(server, "shop.example")
        tokens = app.sign_in(api)
        before = known(api, app, tokens)
        assert known(api, app, app.sign_in(api)).sub == before.sub
    with running_server(tmp_path, clock, issuer="http://localhost:8000") as server, server.client() as api:
        api.base_url = f"http://localhost:{server.settings.port}"
        assert known(api, app, app.refresh(api, tokens["refresh_token"])) == before


def test_the_servers_own_calls_know_who_it_is(api: httpx.Client, server: RunningServer, ann: dict[str, str]) -> None:
    """A client that may open the account finds it: the person is found by the grant, and not by a name in the token."""
    app = site(server, "shop.example", scope=("openid", "gatepass:account"))
    tokens, bystander = app.sign_in(api), app.sign_in(api)
    assert api.get("/me", headers=bearer(tokens)).json()["email"] == ann["email"]
    sessions = api.get("/sessions", headers=bearer(tokens)).json()
    assert [each["current"] for each in sessions["sessions"]].count(True) == 1
    assert api.post("/logout", headers=bearer(tokens)).status_code == 204
    assert api.get("/me", headers=bearer(tokens)).status_code == 401
    assert api.post("/logout", headers=bearer(tokens)).status_code == 401
    assert api.get("/me", headers=bearer(bystander)).status_code == 200


def test_a_pairwise_name_of_a_client_is_nobody_elsewhere(api: httpx.Client, server: RunningServer) -> None:
    """Revoking, by access token and by refresh token, works as for any."""
    api.post("/signup", json=ANN)
    app = site(server, "shop.example")
    first = app.sign_in(api)
    api.post("/oauth/revoke", data={"token": first["access_token"], **app.credentials})
    assert api.get("/oauth/userinfo", headers=bearer(first)).status_code == 401
    second = app.refresh(api, first["refresh_token"])
    assert api.get("/oauth/userinfo", headers=bearer(second)).status_code == 200
    api.post("/oauth/revoke", data={"token": first["refresh_token"], **app.credentials})
    assert api.get("/oauth/userinfo", headers=bearer(second)).status_code == 401


def test_the_authorization_code_grant_gives_the_same_names(api: httpx.Client, server: RunningServer) -> None:
    """Also to a hint, and to a `sub` that is asked for: the client speaks of the person by the name it knows."""
    api.post("/signup", json=ANN)
    metadata = ClientMetadata(redirect_uris=(CALLBACK,), subject_type="pairwise")
    app, other = (add_relying_party(server, metadata=metadata) for _ in range(2))
    with Browser(server) as browser:
        assert browser.sign_in(ANN).status_code == 303
        first = Flow(app, browser)
        tokens = first.redeem(api, code_of(first.ask())).json()
        names = known(api, app, tokens)
        assert not names.sub.startswith("usr_")
        again = Flow(app, browser)
        code_of(again.ask(prompt="none", id_token_hint=tokens["id_token"]))
        code_of(again.ask(prompt="none", claims=f'{{"id_token": {{"sub": {{"value": "{names.sub}"}}}}}}'))
        somebody_else = again.ask(prompt="none", claims='{"id_token": {"sub": {"value": "usr_bob"}}}')
        assert answer_of(somebody_else)["error"] == "login_required"
        foreign = Flow(other, browser).ask(prompt="none", id_token_hint=tokens["id_token"])
        assert answer_of(foreign)["error"] == "invalid_request"


@pytest.mark.parametrize("subject_type", ["public", "pairwise"])
def test_a_client_cannot_look_like_a_person(
    api: httpx.Client, server: RunningServer, ann: dict[str, str], subject_type: Literal["public", "pairwise"]
) -> None:
    """RFC 9700 §4.15: neither kind of name is ever a client's id, nor the built-in client's."""
    app = add_relying_party(server, metadata=ClientMetadata(redirect_uris=(CALLBACK,), subject_type=subject_type))
    sub = known(api, app, app.sign_in(api)).sub
    assert not sub.startswith(("cli_", "https://", "first-party"))
