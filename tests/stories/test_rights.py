"""What tokens may be for: narrowed when that is asked for, and at every refresh no more than holds that day."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.stories.test_oauth import API, ask, error, register
from tests.support.server import ANN, running_server
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import jwt

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.commands import Registered
    from tests.support.server import RunningServer, SettableClock

SHOP = "https://shop.example.test"
MAIL = "https://mail.example.test"


def claims(token: str) -> dict[str, Any]:
    """What a token says."""
    return dict(jwt.peek(token).claims)


def audience_of(token: str) -> set[str]:
    """Whom a token is for."""
    named = claims(token)["aud"]
    return {named} if isinstance(named, str) else set(named)


def scopes_of(token: str) -> set[str]:
    """What it allows."""
    return set(claims(token).get("scope", "").split())


def bearer(token: str) -> dict[str, str]:
    """The header."""
    return {"authorization": f"Bearer {token}"}


def encoded(*fields: tuple[str, str]) -> dict[str, Any]:
    """A form whose fields may stand twice."""
    names = dict.fromkeys(name for name, _ in fields)
    return {"data": {name: [value for other, value in fields if other == name] for name in names}}


@pytest.fixture
def partner(server: RunningServer, capsys: pytest.CaptureFixture[str]) -> Registered:
    """A client for two APIs and two scopes, with tokens of its own and of people."""
    rights = ("--audience", API, "--audience", SHOP, "--scope", "read", "--scope", "write")
    return register(server, capsys, "--grant", "refresh_token", "--grant", "client_credentials", *rights)


@pytest.fixture
def pair(api: httpx.Client, ann: dict[str, str], partner: Registered) -> dict[str, str]:
    """Somebody's tokens at that client."""
    tokens: dict[str, str] = api.post("/login", json=ann | {"client_id": partner.id}).json()
    return tokens


def refresh(api: httpx.Client, client: Registered, token: str, *more: tuple[str, str]) -> httpx.Response:
    """Refresh at the token endpoint."""
    form = encoded(("grant_type", "refresh_token"), ("refresh_token", token), *more)
    return api.post("/oauth/token", headers=client.basic, **form)


# ── narrowing ──


def test_a_refresh_can_ask_for_less(
    api: httpx.Client, partner: Registered, pair: dict[str, str], clock: SettableClock
) -> None:
    """RFC 6749 §6, RFC 8707 §2.2: one token with less, and the answer says so; the grant keeps all that it had."""
    narrow = refresh(api, partner, pair["refresh_token"], ("scope", "read"), ("resource", API)).json()
    assert narrow["scope"] == "read"
    assert (scopes_of(narrow["access_token"]), audience_of(narrow["access_token"])) == ({"read"}, {API})
    clock.advance(100)
    for name in ("audience", "resource"):
        one = refresh(api, partner, narrow["refresh_token"], (name, SHOP)).json()
        assert audience_of(one["access_token"]) == {SHOP}
    whole = refresh(api, partner, narrow["refresh_token"]).json()["access_token"]
    assert (scopes_of(whole), audience_of(whole)) == ({"read", "write"}, {API, SHOP})


@pytest.mark.parametrize(
    ("asked", "code"),
    [
        (("scope", "admin"), "invalid_scope"),
        (("scope", "read admin"), "invalid_scope"),
        (("resource", "https://elsewhere.example"), "invalid_target"),
        (("audience", "https://elsewhere.example"), "invalid_target"),
    ],
)
def test_a_refresh_cannot_ask_for_more(
    api: httpx.Client, partner: Registered, pair: dict[str, str], asked: tuple[str, str], code: str
) -> None:
    """What the grant does not hold is refused, and the grant is not moved on by it."""
    for _ in range(3):
        assert error(refresh(api, partner, pair["refresh_token"], asked)) == (400, code)
    assert refresh(api, partner, pair["refresh_token"]).status_code == 200


def test_a_narrowed_sign_in_stays_narrow(api: httpx.Client, ann: dict[str, str], partner: Registered) -> None:
    """What a sign-in did not ask for, no refresh of it brings."""
    body = ann | {"client_id": partner.id, "scope": "read", "audience": API}
    pair = api.post("/login", json=body).json()
    for asked, code in ((("scope", "write"), "invalid_scope"), (("resource", SHOP), "invalid_target")):
        assert error(refresh(api, partner, pair["refresh_token"], asked)) == (400, code)
    again = refresh(api, partner, pair["refresh_token"]).json()["access_token"]
    assert (scopes_of(again), audience_of(again)) == ({"read"}, {API})


def test_resource_and_audience_may_be_repeated_and_nothing_else(api: httpx.Client, partner: Registered) -> None:
    """RFC 8707 §2 and RFC 8693 §2.1 let these two stand twice; of everything else two readers might read two things."""
    wanted = (("grant_type", "client_credentials"), ("resource", API), ("resource", SHOP), ("audience", SHOP))
    both = api.post("/oauth/token", headers=partner.basic, **encoded(*wanted))
    assert audience_of(both.json()["access_token"]) == {API, SHOP}
    one_is_wrong = (*wanted, ("resource", "https://elsewhere.example"))
    assert error(api.post("/oauth/token", headers=partner.basic, **encoded(*one_is_wrong))) == (400, "invalid_target")
    for name in ("scope", "grant_type", "refresh_token", "unknown"):
        twice = (*wanted, (name, "read"), (name, "read"))
        answer = api.post("/oauth/token", headers=partner.basic, **encoded(*twice))
        assert error(answer) == (400, "invalid_request"), name


# ── what was taken, and what was added ──


def edit(server: RunningServer, client: Registered, *words: str) -> None:
    """Change what a client may have."""
    main(["client", "edit", client.id, *words, *server.place])


def test_what_was_taken_from_a_client_is_gone_from_the_next_token(
    api: httpx.Client, server: RunningServer, partner: Registered, pair: dict[str, str], clock: SettableClock
) -> None:
    """Scope and audience: gone from the next token of a person's and of its own; live tokens with them are dead."""
    own = ask(api, partner).json()["access_token"]
    edit(server, partner, "--scope", "read", "--audience", API)
    clock.advance(100)
    fresh = refresh(api, partner, pair["refresh_token"]).json()["access_token"]
    # A node that has not heard of it yet mints at the place that was revoked: such a token is born dead.
    eventually(lambda: scopes_of(ask(api, partner).json()["access_token"]) == {"read"})
    for token in (fresh, ask(api, partner).json()["access_token"]):
        assert (scopes_of(token), audience_of(token)) == ({"read"}, {API})
        assert api.post("/oauth/introspect", data={"token": token}, headers=partner.basic).json()["active"] is True
    for token in (own, pair["token"]):
        assert api.post("/oauth/introspect", data={"token": token}, headers=partner.basic).json() == {"active": False}


def test_what_was_added_to_a_client(
    api: httpx.Client, server: RunningServer, partner: Registered, pair: dict[str, str], clock: SettableClock
) -> None:
    """An API that was added comes with the next token, where the sign-in was for all; an added scope does not."""
    audience = [word for api_ in (API, SHOP, MAIL) for word in ("--audience", api_)]
    edit(server, partner, *audience, "--scope", "read", "--scope", "write", "--scope", "admin")
    clock.advance(100)
    fresh = refresh(api, partner, pair["refresh_token"]).json()["access_token"]
    assert (scopes_of(fresh), audience_of(fresh)) == ({"read", "write"}, {API, SHOP, MAIL})
    assert api.post("/oauth/introspect", data={"token": pair["token"]}, headers=partner.basic).json()["active"] is True


def test_a_grant_of_which_nothing_is_left(
    api: httpx.Client, ann: dict[str, str], server: RunningServer, partner: Registered
) -> None:
    """A sign-in for an API that the client has no more brings no token for another; given back, it does again."""
    pair = api.post("/login", json=ann | {"client_id": partner.id, "audience": SHOP}).json()
    edit(server, partner, "--audience", API)
    assert error(refresh(api, partner, pair["refresh_token"])) == (400, "invalid_target")
    looked = api.post("/oauth/introspect", data={"token": pair["refresh_token"]}, headers=partner.basic)
    assert (looked.status_code, looked.json()) == (200, {"active": False})  # RFC 7662 §2.2
    edit(server, partner, "--audience", SHOP)
    assert audience_of(refresh(api, partner, pair["refresh_token"]).json()["access_token"]) == {SHOP}


def test_what_was_taken_from_the_settings_is_gone_from_the_next_token(tmp_path: Path) -> None:
    """The same for the operator's own applications; a step-up brings no more than a refresh."""
    with running_server(tmp_path, audience=(API, SHOP), scopes=("read", "write")) as server, server.client() as api:
        api.post("/signup", json=ANN)
        pair = api.post("/login", json=ANN).json()
        narrow = api.post("/login", json=ANN | {"audience": API, "scope": "write"}).json()
        assert audience_of(pair["token"]) == {server.url, API, SHOP}
        issuer, clock = server.url, server.clock
    clock.advance(100)
    changed = {"issuer": issuer, "audience": (SHOP, MAIL), "scopes": ("read", "other")}
    with running_server(tmp_path, clock, **changed) as server, server.client() as api:  # type: ignore[arg-type]
        fresh = api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()["token"]
        stepped_up = api.post("/reauthenticate", json={"password": ANN["password"]}, headers=bearer(pair["token"]))
        for token in (fresh, stepped_up.json()["token"]):
            assert audience_of(token) == {issuer, SHOP, MAIL}
            assert scopes_of(token) == {"read"}
        refused = api.post("/refresh", json={"refresh_token": narrow["refresh_token"]})
        assert (refused.status_code, refused.json()["code"]) == (400, "invalid_audience")


def test_another_issuer(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Under another issuer a session goes on with tokens of that one, also where the sign-in named the issuer alone."""
    with running_server(tmp_path, issuer="http://localhost:1", audience=(API,)) as server, server.client() as api:
        api.post("/signup", json=ANN)
        whole = api.post("/login", json=ANN).json()
        narrow = api.post("/login", json=ANN | {"audience": "http://localhost:1"}).json()
        clock = server.clock
    clock.advance(100)
    capsys.readouterr()
    with (
        running_server(tmp_path, clock, issuer="http://localhost:2", audience=(API,)) as server,
        server.client() as api,
    ):
        assert "the issuer has changed" in "".join(capsys.readouterr())
        for pair, audience in ((whole, {"http://localhost:2", API}), (narrow, {"http://localhost:2"})):
            assert api.get("/me", headers=bearer(pair["token"])).json()["code"] == "invalid_token"
            fresh = api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()
            assert (claims(fresh["token"])["iss"], audience_of(fresh["token"])) == ("http://localhost:2", audience)
            assert api.get("/me", headers=bearer(fresh["token"])).status_code == 200
            assert api.post("/logout", headers=bearer(fresh["token"])).status_code == 204


# ── theft ──


def test_a_theft_at_a_client_ends_its_grant_and_not_the_persons_session(
    api: httpx.Client,
    ann: dict[str, str],
    server: RunningServer,
    partner: Registered,
    clock: SettableClock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A refresh token that two parties hold ends what the client holds, with an event; everything else lives on."""
    own = api.post("/login", json=ann).json()
    pair = api.post("/login", json=ann | {"client_id": partner.id}).json()
    other = api.post("/login", json=ann | {"client_id": partner.id}).json()
    first = second = pair["refresh_token"]
    answer: dict[str, str] = {}
    for _ in range(2):
        clock.advance(100)
        answer = refresh(api, partner, second).json()
        second = answer["refresh_token"]
    refused = refresh(api, partner, first)
    assert error(refused) == (400, "invalid_grant")
    assert refused.json()["error_description"] == "refresh_token_reused"
    introspected = api.post("/oauth/introspect", data={"token": answer["access_token"]}, headers=partner.basic)
    assert introspected.json() == {"active": False}
    assert error(refresh(api, partner, second)) == (400, "invalid_grant")
    assert refresh(api, partner, other["refresh_token"]).status_code == 200
    assert api.post("/refresh", json={"refresh_token": own["refresh_token"]}).status_code == 200
    capsys.readouterr()
    main(["user", "events", ANN["email"], "--json", *server.place])
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [(each["kind"], each["reason"]) for each in told if each["kind"] == "refresh_token_reused"] == [
        ("refresh_token_reused", partner.id)
    ]
    assert not [each for each in told if each["kind"] in ("session_ended", "sessions_ended")]
