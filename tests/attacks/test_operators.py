"""Attacks on the rights of operators: by an everyday token, by a client, and by whoever reads a new operator's mail."""

from __future__ import annotations

import asyncio
import io
import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.commands import add_client
from tests.support.factors import Application, bearer, finish, sign_in
from tests.support.operators import RIGHTS, add_operator, enroll, printed
from tests.support.server import ANN, running_server

from gatepass.cli.main import main
from gatepass.jose import Key, jwt
from gatepass.server.app import open_server
from gatepass.server.base.settings import load
from gatepass.server.web.auth.requirements import OPERATOR_READ, OPERATOR_WRITE

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx
    from tests.support.operators import OperatorInPerson
    from tests.support.server import RunningServer

    from gatepass.server.web.routing import Route


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """One server for all of these, with an API beside the issuer."""
    data = tmp_path_factory.mktemp("operators") / "data"
    with running_server(data, audience=("orders",), scopes=("orders:read",)) as running:
        yield running


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client of the server."""
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def olga(server: RunningServer) -> OperatorInPerson:
    """An operator, who has enrolled an authenticator app with the code that the command printed."""
    return add_operator(server, "olga@example.test")


@pytest.fixture(scope="module")
def routes(tmp_path_factory: pytest.TempPathFactory) -> tuple[Route, ...]:
    """Every call of the operators' API."""

    async def read() -> tuple[Route, ...]:
        async with open_server(load(flags={"data_dir": str(tmp_path_factory.mktemp("routes"))})) as server:
            return tuple(route for route in server.routes if route.auth in (OPERATOR_READ, OPERATOR_WRITE))

    return asyncio.run(read())


def refusals(api: httpx.Client, routes: tuple[Route, ...], headers: dict[str, str]) -> set[tuple[int, str]]:
    """What every call of the operators' API says to a caller."""
    found: set[tuple[int, str]] = set()
    for route in routes:
        answer = api.request(route.method, route.path.replace("{", "").replace("}", ""), headers=headers)
        found.add((answer.status_code, answer.json()["code"]))
    return found


def test_an_operators_everyday_token_opens_nothing(
    api: httpx.Client, olga: OperatorInPerson, routes: tuple[Route, ...]
) -> None:
    """The token that every API sees, from sign-in, cookie mode or refresh, is refused by every call under /admin."""
    assert len(routes) > 9
    signed_in = finish(api, sign_in(api, olga.credentials), code=olga.app.next_code()).json()
    assert refusals(api, routes, bearer(signed_in["token"])) == {(403, "insufficient_scope")}
    refreshed = api.post("/refresh", json={"refresh_token": signed_in["refresh_token"]}).json()
    assert refusals(api, routes, bearer(refreshed["token"])) == {(403, "insufficient_scope")}
    assert refusals(api, routes, {}) == {(401, "missing_token")}
    told = api.get("/admin/users", headers=bearer(refreshed["token"]))
    assert told.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="admin:read"'


def test_rights_are_asked_for_by_name_and_alone(api: httpx.Client, olga: OperatorInPerson) -> None:
    """They come beside no other scope, in no cookie and by no refresh, for five minutes and for nothing else."""
    for mixed in ("admin:read orders:read", "admin:read openid"):
        assert sign_in(api, olga.credentials, scope=mixed).json()["code"] == "invalid_scope"
    assert sign_in(api, olga.credentials, scope="admin:read", cookie=True).json()["code"] == "invalid_scope"
    assert sign_in(api, olga.credentials, scope="admin:read", audience="orders").json()["code"] == "invalid_audience"
    answer = finish(api, sign_in(api, olga.credentials, scope="admin:read"), code=olga.app.next_code()).json()
    assert "refresh_token" not in answer
    assert answer["expires_in"] == 300
    claims = jwt.peek(answer["token"]).claims
    assert (claims["aud"], claims["scope"]) == (f"{api.base_url}/admin".replace("//admin", "/admin"), "admin:read")
    assert "gatepass-operator" not in claims.get("roles", ())
    for everyday in ("/me", "/sessions"):
        assert api.get(everyday, headers=bearer(answer["token"])).status_code == 401
    assert api.get("/admin/users", headers=bearer(answer["token"])).status_code == 200
    assert api.delete(f"/admin/users/{olga.id}/sessions", headers=bearer(answer["token"])).status_code == 403


def test_an_operators_token_ends_by_itself(api: httpx.Client, server: RunningServer, olga: OperatorInPerson) -> None:
    """After five minutes it is refused."""
    token = olga.token(api)
    server.clock.advance(301)
    assert api.get("/admin/users", headers=bearer(token)).status_code == 401


def test_an_operators_token_ends_with_the_role(api: httpx.Client, server: RunningServer) -> None:
    """It is refused at once when the role is taken, although no bit was read yet."""
    otto = {"email": "otto@example.test", "password": "correct horse battery"}
    made = printed(server, "user", "add", otto["email"], "--operator", stdin=f"{otto['password']}\n")
    app = enroll(server, api, otto, made["enrollment_code"])
    token = finish(api, sign_in(api, otto, scope="admin:read"), code=app.next_code()).json()["token"]
    assert api.get("/admin/users", headers=bearer(token)).status_code == 200
    main(["user", "role", otto["email"], "gatepass-operator", "--remove", *server.place])
    assert api.get("/admin/users", headers=bearer(token)).status_code in (401, 403)


def test_a_factor_from_before_the_role_counts_for_nothing(
    api: httpx.Client, server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """A stranger who signed up with the address, set up an app or has begun to, is not the operator."""
    for name, is_confirmed in (("begun", False), ("done", True)):
        boss = {"email": f"boss-{name}@example.test", "password": "correct horse battery"}
        api.post("/signup", json=boss)
        token = sign_in(api, boss).json()["token"]
        app = Application(server, api.post("/account/totp", headers=bearer(token)).json()["uri"])
        confirm: dict[str, Any] = {"json": {"code": app.code()}, "headers": bearer(token)}
        if is_confirmed:
            assert api.post("/account/totp/confirm", **confirm).status_code == 200
        capsys.readouterr()
        main(["user", "role", boss["email"], "gatepass-operator", *server.place])
        code = capsys.readouterr().out.strip()
        assert len(code) > 20
        assert api.post("/account/totp/confirm", **confirm).status_code == 401
        again = sign_in(api, boss)
        assert again.status_code == 200
        confirm["headers"] = bearer(again.json()["token"])
        assert api.post("/account/totp/confirm", **confirm).json()["code"] == "factor_not_found"
        assert sign_in(api, boss, scope="admin:read").json()["code"] == "operator_needs_factor"
        enroll(server, api, boss, code)


def test_a_printed_code_outlives_a_new_password(
    api: httpx.Client, server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """What ends mailed links does not take the operator's code away, and no client mails an operator a link."""
    nina = {"email": "nina@example.test", "password": "correct horse battery"}
    made = printed(server, "user", "add", nina["email"], "--operator", stdin=f"{nina['password']}\n")
    ops = bearer(ops_token(api, server))
    refused = api.post("/admin/users", json={"email": nina["email"], "invite": True}, headers=ops)
    assert refused.json()["code"] in ("operator_protected", "email_taken", "mail_not_configured")
    nina["password"] = "another good password"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.stdin", io.StringIO(f"{nina['password']}\n"))
        main(["user", "password", nina["email"], *server.place])
    capsys.readouterr()
    enroll(server, api, nina, made["enrollment_code"])


def test_an_api_with_the_shared_secret_makes_no_operator(tmp_path: Path) -> None:
    """Under HS256 an API can sign whatever it likes; the operators' API takes nothing of the kind."""
    olga = {"email": "olga@example.test", "password": "correct horse battery"}
    with running_server(tmp_path / "data", alg="HS256", audience=("orders",)) as server, server.client() as api:
        printed(server, "user", "add", olga["email"], "--operator", stdin=f"{olga['password']}\n")
        claims = dict(jwt.peek(sign_in(api, olga).json()["token"]).claims)
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("GATEPASS_ALG", "HS256")
            patch.setenv("GATEPASS_AUDIENCE", "orders")
            main(["key", "export", str(tmp_path / "key"), *server.place])
        exported = Key.from_jwk(json.loads((tmp_path / "key").read_text()))
        forged = claims | {"aud": f"{server.url}/admin", "scope": "admin:write", "acr": "2"}
        answer = api.get("/admin/users", headers=bearer(jwt.sign(forged, exported, typ="at+jwt")))
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")


@pytest.mark.parametrize("user_id", ["operator", "server", "first-party", "cli_x", "ses_x", "..", "a/b", "a b", ""])
def test_nobody_is_made_under_a_name_that_means_something_else(
    api: httpx.Client, server: RunningServer, user_id: str
) -> None:
    """An id that services, the log or a path take for another is refused."""
    body = {"email": "evil@example.test", "id": user_id}
    refused = api.post("/admin/users", json=body, headers=bearer(ops_token(api, server)))
    assert (refused.status_code, refused.json()["code"]) == (422, "invalid_user_id")


def test_a_right_for_persons_alone_is_no_clients(api: httpx.Client, olga: OperatorInPerson) -> None:
    """No client is given `admin:impersonate`."""
    body = {"name": "early", "grant_types": ["client_credentials"], "scope": ["admin:impersonate"]}
    answer = api.post("/admin/clients", json=body, headers=bearer(olga.token(api)))
    assert answer.json()["code"] == "invalid_scope"


def test_nobody_else_gets_the_rights(api: httpx.Client) -> None:
    """A person without the role is refused after the password, and one with the application's role `admin` too."""
    api.post("/signup", json=ANN)
    answer = sign_in(api, ANN, scope="admin:read")
    assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")


def test_a_role_of_ours_is_given_by_no_import_and_no_client(
    api: httpx.Client, server: RunningServer, olga: OperatorInPerson, tmp_path: Path
) -> None:
    """Names that begin with `gatepass-` are refused in imports and in what clients ask; in person an operator may."""
    ann = api.post("/signup", json={**ANN, "email": "role@example.test"}).json()["id"]
    users = tmp_path / "users.jsonl"
    users.write_text('{"email": "mallory@example.test", "roles": ["gatepass-operator"]}\n')
    with pytest.raises(SystemExit):
        main(["user", "import", str(users), *server.place])
    machine = ops_token(api, server)
    new = {"email": "new@example.test", "roles": ["gatepass-operator"]}
    for roles in (["gatepass-operator"], ["gatepass-root"]):
        refused = api.patch(f"/admin/users/{ann}", json={"roles": roles}, headers=bearer(machine))
        assert refused.json()["code"] in ("operator_protected", "invalid_role")
    made = api.post("/admin/users", json=new, headers=bearer(machine))
    assert made.json()["code"] == "invalid_role"
    given = api.patch(f"/admin/users/{ann}", json={"roles": ["gatepass-operator"]}, headers=bearer(olga.token(api)))
    assert given.status_code == 200, given.text
    assert given.json()["enrollment_code"]


def ops_token(api: httpx.Client, server: RunningServer, scope: str = RIGHTS) -> str:
    """A client's own operator token."""
    ops = add_client(server, "ops", "--scope", "admin:read", "--scope", "admin:write")
    answer = api.post("/oauth/token", data={"grant_type": "client_credentials", "scope": scope}, headers=ops.basic)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


def test_no_client_changes_an_operator(api: httpx.Client, server: RunningServer, olga: OperatorInPerson) -> None:
    """Whatever a client with `admin:write` tries on an operator, by address, password or factor, is refused."""
    token = ops_token(api, server)
    one = f"/admin/users/{olga.id}"
    changes: tuple[dict[str, Any], ...] = (
        {"email": "thief@example.test"},
        {"password": "a password of the thief's own"},
        {"disabled": True},
        {"roles": []},
        {"email_verified": False},
    )
    tried = [api.patch(one, json=change, headers=bearer(token)) for change in changes]
    tried += [api.delete(f"{one}{rest}", headers=bearer(token)) for rest in ("", "/factors", "/sessions")]
    assert {(each.status_code, each.json()["code"]) for each in tried} == {(403, "operator_protected")}
    assert api.get(one, headers=bearer(token)).json()["email"] == olga.credentials["email"]


def test_a_client_gets_the_rights_by_name_and_for_itself_only(api: httpx.Client, server: RunningServer) -> None:
    """Not by default, not beside another scope, and no client that acts for people can be given them."""
    ops = add_client(server, "ops", "--scope", "admin:read", "--scope", "read")
    for scope, given in (({}, "read"), ({"scope": "admin:read"}, "admin:read")):
        answer = api.post("/oauth/token", data={"grant_type": "client_credentials", **scope}, headers=ops.basic)
        assert answer.json()["scope"] == given
        assert answer.json()["expires_in"] == (300 if scope else 900)
    for more in ("admin:read read", "admin:write"):
        answer = api.post("/oauth/token", data={"grant_type": "client_credentials", "scope": more}, headers=ops.basic)
        assert answer.json()["error"] == "invalid_scope"
    for grant in ("refresh_token", "authorization_code"):
        with pytest.raises(SystemExit):
            main(["client", "add", "evil", "--grant", grant, "--scope", "admin:read", *server.place])


def test_a_disabled_client_loses_its_token(api: httpx.Client, server: RunningServer) -> None:
    """Its operator token is refused at once."""
    ops = add_client(server, "ops", "--scope", "admin:read")
    answer = api.post(
        "/oauth/token", data={"grant_type": "client_credentials", "scope": "admin:read"}, headers=ops.basic
    )
    token = answer.json()["access_token"]
    assert api.get("/admin/users", headers=bearer(token)).status_code == 200
    main(["client", "disable", ops.id, *server.place])
    assert api.get("/admin/users", headers=bearer(token)).status_code == 401


def test_whoever_reads_a_new_operators_mail_enrolls_nothing(api: httpx.Client, server: RunningServer) -> None:
    """The first factor needs the printed code, once; without it neither app nor passkey is taken, nor any right."""
    nora = {"email": "nora@example.test", "password": "correct horse battery"}
    made = printed(server, "user", "add", nora["email"], "--operator", stdin=f"{nora['password']}\n")
    assert sign_in(api, nora, scope="admin:read").json()["code"] == "operator_needs_factor"
    token = sign_in(api, nora).json()["token"]
    for body in ({}, {"enrollment_code": "a guess"}):
        refused = api.post("/account/totp", json=body, headers=bearer(token))
        assert (refused.status_code, refused.json()["code"]) == (403, "enrollment_code_required")
    used = api.post("/account/totp", json={"enrollment_code": made["enrollment_code"]}, headers=bearer(token))
    assert used.status_code == 201
    again = api.post("/account/totp", json={"enrollment_code": made["enrollment_code"]}, headers=bearer(token))
    assert again.json()["code"] == "enrollment_code_required"


def test_the_api_gives_no_client_what_the_command_line_gives(
    api: httpx.Client, server: RunningServer, olga: OperatorInPerson
) -> None:
    """Scopes of this server, and signing people in unasked, are refused to an operator in person and to a client."""
    service = {"name": "evil", "grant_types": ["client_credentials"]}
    web = {"name": "evil", "grant_types": ["authorization_code"], "redirect_uris": ["https://evil.example.test/cb"]}
    wanted: tuple[dict[str, Any], ...] = (
        service | {"scope": ["admin:write"]},
        service | {"scope": ["gatepass:account"]},
        web | {"consent": "never"},
    )
    for token in (ops_token(api, server), olga.token(api)):
        for body in wanted:
            refused = api.post("/admin/clients", json=body, headers=bearer(token))
            assert (refused.status_code, refused.json()["code"]) == (403, "command_line_only"), body
        made = api.post("/admin/clients", json=web, headers=bearer(token)).json()["client"]
        for change in ({"consent": "never"}, {"scope": ["gatepass:account"]}):
            refused = api.patch(f"/admin/clients/{made['client_id']}", json=change, headers=bearer(token))
            assert refused.json()["code"] == "command_line_only", change


def test_no_client_takes_over_one_that_has_more(
    api: httpx.Client, server: RunningServer, olga: OperatorInPerson
) -> None:
    """A client with `admin:write` sets no secret and no redirect URI of a client that the operator trusts."""
    redirect = ("--redirect-uri", "https://own.example.test/cb")
    trusted = add_client(server, "own", *redirect, "--consent", "never")
    ops = add_client(server, "ops2", "--scope", "admin:read")
    token = ops_token(api, server)
    for client_id in (trusted.id, ops.id):
        one = f"/admin/clients/{client_id}"
        tried = (
            api.post(f"{one}/secret", json={}, headers=bearer(token)),
            api.patch(one, json={"name": "mine"}, headers=bearer(token)),
            api.patch(one, json={"disabled": True}, headers=bearer(token)),
            api.delete(one, headers=bearer(token)),
        )
        assert {(each.status_code, each.json()["code"]) for each in tried} == {(403, "operator_protected")}
    moved = {"redirect_uris": ["https://own.example.test/new"]}
    assert api.patch(f"/admin/clients/{trusted.id}", json=moved, headers=bearer(olga.token(api))).status_code == 200
