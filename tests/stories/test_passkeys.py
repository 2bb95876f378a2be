"""Somebody adds a passkey and signs in with it; or signs up with one and never has a password."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.support.authenticator import BE, BS, UP, UV, Authenticator
from tests.support.events import all_events
from tests.support.factors import bearer, finish, sign_in
from tests.support.pages import Browser
from tests.support.server import ANN, NOON, running_server

from gatepass.jose import jwt

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer


def claims_of(answer: httpx.Response) -> dict[str, object]:
    """The claims of an answer's access token."""
    return dict(jwt.peek(answer.json()["token"]).claims)


def add(api: httpx.Client, authenticator: Authenticator, token: str, name: str = "") -> httpx.Response:
    """Add a passkey to the account behind a token."""
    options = api.post("/account/passkeys/options", headers=bearer(token)).json()["public_key"]
    body = {"credential": authenticator.create(options), "name": name}
    return api.post("/account/passkeys", json=body, headers=bearer(token))


def enter(api: httpx.Client, authenticator: Authenticator, **more: object) -> httpx.Response:
    """Sign in with a passkey and nothing else."""
    options = api.post("/login/passkey/options").json()["public_key"]
    return api.post("/login/passkey", json={"credential": authenticator.get(options)} | more)


def test_a_passkey_signs_in_alone(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """No address, no password: a token pair that says two factors; the first factor brings recovery codes."""
    authenticator = Authenticator(server.url, count=1)
    made = add(api, authenticator, sign_in(api, ann).json()["token"], "  My \t telephone ")
    assert made.status_code == 201, made.text
    assert made.json()["name"] == "My telephone"
    assert len(made.json()["recovery_codes"]) == 10
    done = enter(api, authenticator)
    assert set(done.json()) == {"token", "token_type", "expires_in", "refresh_token"}
    claims = claims_of(done)
    assert (claims["acr"], claims["amr"], claims["auth_time"]) == ("2", ["hwk", "user", "mfa"], int(NOON))
    me = api.get("/me", headers=bearer(done.json()["token"])).json()
    assert me["email"] == ann["email"]


def test_what_a_sign_in_may_ask_for(tmp_path: Path) -> None:
    """Audience, scope, cookie mode and clients, as with a password."""
    with (
        running_server(tmp_path, scopes=("read", "write")) as server,
        server.client(headers={"origin": server.url, "gatepass-request": "1"}) as api,
    ):
        api.post("/signup", json=ANN)
        authenticator = Authenticator(server.url)
        add(api, authenticator, sign_in(api, ANN).json()["token"])
        assert claims_of(enter(api, authenticator, scope="read"))["scope"] == "read"
        assert enter(api, authenticator, client_id="cli_nobody").json()["code"] == "unknown_client"
        in_cookie = enter(api, authenticator, cookie=True)
        assert "refresh_token" not in in_cookie.json()
        assert claims_of(api.post("/refresh"))["acr"] == "2"


def test_a_passkey_as_the_second_factor(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """After the password the options name the person's own passkeys, and no other's will do."""
    mine, other = Authenticator(server.url, flags=UP | UV | BE | BS), Authenticator(server.url)
    add(api, mine, sign_in(api, ann).json()["token"])
    bob = ANN | {"email": "bob@example.test"}
    api.post("/signup", json=bob)
    add(api, other, sign_in(api, bob).json()["token"])
    due = sign_in(api, ann)
    assert due.json()["factors"] == ["passkey", "recovery_code"]
    asked = api.post("/login/factor/options", json={"challenge": due.json()["challenge"]}).json()["public_key"]
    assert len(asked["allowCredentials"]) == 1
    wrong = finish(api, due, passkey=other.get(asked))
    assert (wrong.status_code, wrong.json()["code"]) == (403, "invalid_passkey")
    done = finish(api, due, passkey=mine.get(asked))
    assert claims_of(done)["amr"] == ["pwd", "swk", "user", "mfa"]
    again = finish(api, sign_in(api, ann), passkey=mine.get(asked))
    assert again.json()["code"] == "invalid_passkey"


def test_several_with_names(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """Listed with counter and backup state behind them, renamed, removed; the others go on."""
    first, second = Authenticator(server.url), Authenticator(server.url, flags=UP | UV | BE | BS)
    add(api, first, sign_in(api, ann).json()["token"])
    me = bearer(enter(api, first).json()["token"])
    added = add(api, second, enter(api, first).json()["token"], "keychain").json()
    assert added["recovery_codes"] == []
    listed = api.get("/account/factors", headers=me).json()["passkeys"]
    assert [(each["name"], each["can_be_backed_up"], each["is_backed_up"]) for each in listed] == [
        ("Passkey 1", False, False),
        ("keychain", True, True),
    ]
    assert [each["used_at"] for each in listed] == [int(NOON), None]
    path = f"/account/passkeys/{listed[0]['id']}"
    assert api.patch(path, json={"name": "old telephone"}, headers=me).status_code == 204
    assert api.patch(path, json={"name": "  "}, headers=me).status_code == 404
    assert api.get("/account/factors", headers=me).json()["passkeys"][0]["name"] == "old telephone"
    assert api.delete(path, headers=me).status_code == 204
    assert api.delete(path, headers=me).status_code == 404
    assert enter(api, first).json()["code"] == "invalid_passkey"
    assert enter(api, second).status_code == 200


def test_nobody_changes_another_persons(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """Another's passkey and device are not found, and a credential belongs to one account."""
    authenticator = Authenticator(server.url)
    made = add(api, authenticator, sign_in(api, ann).json()["token"]).json()
    bob = ANN | {"email": "bob@example.test"}
    api.post("/signup", json=bob)
    token = sign_in(api, bob).json()["token"]
    assert api.delete(f"/account/passkeys/{made['id']}", headers=bearer(token)).status_code == 404
    assert api.patch(f"/account/passkeys/{made['id']}", json={"name": "x"}, headers=bearer(token)).status_code == 404
    twice = add(api, authenticator, token)
    assert (twice.status_code, twice.json()["code"]) == (409, "factor_exists")


def test_an_account_without_a_password(server: RunningServer, api: httpx.Client) -> None:
    """Signed up with a passkey: it signs in, a password does not, and a taken address is not taken over."""
    authenticator = Authenticator(server.url)
    offered = api.post("/signup/passkey/options", json={"email": "Cid@example.test"}).json()
    body = {"id": offered["id"], "email": "cid@example.test", "credential": authenticator.create(offered["public_key"])}
    assert api.post("/signup/passkey", json=body | {"email": "bob@example.test"}).json()["code"] == "invalid_passkey"
    made = api.post("/signup/passkey", json=body)
    assert made.status_code == 201, made.text
    assert (made.json()["id"], made.json()["email"]) == (offered["id"], "cid@example.test")
    assert len(made.json()["recovery_codes"]) == 10
    assert api.post("/signup/passkey", json=body).json()["code"] == "invalid_passkey"
    assert enter(api, authenticator).status_code == 200
    assert sign_in(api, {"email": "cid@example.test", "password": ""}).status_code == 401
    second = api.post("/signup/passkey/options", json={"email": "cid@example.test"}).json()
    stolen = {"id": second["id"], "email": "cid@example.test"}
    stolen["credential"] = Authenticator(server.url).create(second["public_key"])
    taken = api.post("/signup/passkey", json=stolen)
    assert (taken.status_code, taken.json()["code"]) == (409, "email_taken")


def test_where_passkeys_do_not_make_accounts(tmp_path: Path) -> None:
    """Where only the operator adds people, and where an account begins with a mail, whose page does not offer it."""
    servers: dict[str, dict[str, Any]] = {
        "signup_closed": {"signup": "closed"},
        "signup_by_mail_only": {"smtp_url": "smtp://127.0.0.1:9"},
    }
    for code, settings in servers.items():
        with running_server(tmp_path / code, **settings) as server, server.client() as api:
            answer = api.post("/signup/passkey/options", json={"email": "cid@example.test"})
            assert (answer.status_code, answer.json()["code"]) == (403, code)
            is_offered = "/pages/signup/passkey" in api.get("/pages/signup").text
            assert is_offered == (code == "signup_closed")


def test_stepping_up_with_a_passkey(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """The options are for this session; the next tokens are of two factors."""
    authenticator = Authenticator(server.url)
    first = sign_in(api, ann).json()
    add(api, authenticator, first["token"])
    me = bearer(first["token"])
    server.clock.advance(60)
    options = api.post("/reauthenticate/options", headers=me).json()["public_key"]
    again = api.post("/reauthenticate", json={"passkey": authenticator.get(options)}, headers=me)
    claims = claims_of(again)
    assert (claims["acr"], claims["amr"]) == ("2", ["pwd", "hwk", "user", "mfa"])
    assert claims["auth_time"] == int(NOON) + 60
    elsewhere = bearer(enter(api, authenticator).json()["token"])
    answer = api.post("/reauthenticate", json={"passkey": authenticator.get(options)}, headers=elsewhere)
    assert answer.json()["code"] == "invalid_passkey"


def test_a_counter_that_goes_back(server: RunningServer, api: httpx.Client, ann: dict[str, str]) -> None:
    """A copied authenticator is told by its counter, and that is recorded."""
    authenticator = Authenticator(server.url, count=5)
    add(api, authenticator, sign_in(api, ann).json()["token"])
    assert enter(api, authenticator).status_code == 200
    authenticator.count = 3
    refused = enter(api, authenticator)
    assert (refused.status_code, refused.json()["code"]) == (403, "invalid_passkey")
    kinds = [event.kind for event in all_events(server)]
    assert kinds[-2:] == ["passkey_counter_went_back", "sign_in_refused"]


def test_the_pages_have_one_script_and_no_other_may_run(server: RunningServer, ann: dict[str, str]) -> None:
    """The policy names its URL; the form of the sign-in page carries the options."""
    with Browser(server) as browser:
        page = browser.get("/pages/login")
        script = browser.get("/static/passkeys.js")
    assert f"script-src {server.url}/static/passkeys.js" in page.headers["content-security-policy"]
    assert page.text.count("<script") == 1
    assert 'autocomplete="username webauthn"' in page.text
    assert script.headers["content-type"] == "text/javascript; charset=utf-8"
