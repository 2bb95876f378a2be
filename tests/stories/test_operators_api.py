"""Operators manage people by HTTP: the same acts as the command line's."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

import apsw
import bcrypt
import pytest
from tests.support.commands import add_client
from tests.support.factors import bearer, set_up_totp, sign_in
from tests.support.server import ANN, running_server

from gatepass.cli.main import main
from gatepass.server.store.migrations import all_migrations

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer

PASSWORD = "a long enough password"


@pytest.fixture
def ops(server: RunningServer, api: httpx.Client) -> dict[str, str]:
    """The header of a client with the rights of operators."""
    client = add_client(server, "ops", "--scope", "admin:read", "--scope", "admin:write")
    form = {"grant_type": "client_credentials", "scope": "admin:write"}
    return bearer(api.post("/oauth/token", data=form, headers=client.basic).json()["access_token"])


def add(api: httpx.Client, ops: dict[str, str], email: str, **more: object) -> dict[str, Any]:
    """Add a person."""
    made = api.post("/admin/users", json={"email": email, "password": PASSWORD} | more, headers=ops)
    assert made.status_code == 201, made.text
    found: dict[str, Any] = made.json()
    return found


def listed(api: httpx.Client, ops: dict[str, str], **query: str | int) -> list[str]:
    """The addresses on every page of a list, in order."""
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = api.get("/admin/users", params={**query, "cursor": cursor}, headers=ops)
        assert page.status_code == 200, page.text
        found += [each["email"] for each in page.json()["users"]]
        cursor = page.json()["next"]
    return found


def test_people_are_listed_by_pages_and_found_by_how_they_begin(api: httpx.Client, ops: dict[str, str]) -> None:
    """Every person is on exactly one page, in order; a search takes the beginning of an address, a name or an id."""
    names = ["a_b@example.test", "aab@example.test", "abc@example.test", "b.c@example.test", "b-d@example.test"]
    made = [add(api, ops, name, roles=["editor"] if name.startswith("a") else []) for name in names]
    assert listed(api, ops, limit=2) == sorted(names)
    assert listed(api, ops, search="a") == sorted(names)[:3]
    assert listed(api, ops, search="A_") == ["a_b@example.test"]
    assert listed(api, ops, search="b%") == []
    assert listed(api, ops, search=made[3]["id"]) == ["b.c@example.test"]
    api.patch(f"/admin/users/{made[3]['id']}", json={"name": "Ünal A_Smith"}, headers=ops)
    assert listed(api, ops, search="ÜNAL a_") == ["b.c@example.test"]
    api.patch(f"/admin/users/{made[3]['id']}", json={"name": "Aaron"}, headers=ops)
    assert listed(api, ops, search="a") == sorted([*sorted(names)[:3], "b.c@example.test"])
    assert listed(api, ops, search="ü") == []
    api.patch(f"/admin/users/{made[3]['id']}", json={"name": ""}, headers=ops)
    assert listed(api, ops, role="editor", limit=1) == sorted(names)[:3]
    assert listed(api, ops, role="edit_r") == []
    api.patch(f"/admin/users/{made[0]['id']}", json={"disabled": True}, headers=ops)
    assert listed(api, ops, disabled="true") == ["a_b@example.test"]
    assert listed(api, ops, disabled="false", search="a") == ["aab@example.test", "abc@example.test"]


def test_a_query_that_makes_no_sense_is_told(api: httpx.Client, ops: dict[str, str], subtests: pytest.Subtests) -> None:
    """Nothing in a query is silently ignored."""
    for query in ("limit=0", "limit=201", "limit=x", "cursor=***", "unknown=1", "limit=1&limit=2"):
        with subtests.test(query):
            refused = api.get(f"/admin/users?{query}", headers=ops)
            assert (refused.status_code, refused.json()["code"]) == (422, "invalid_query")


def test_a_person_is_made_with_what_they_had_elsewhere(api: httpx.Client, ops: dict[str, str]) -> None:
    """An id is kept and taken once, also after its person was deleted; without a password nobody signs in by one."""
    made = add(api, ops, "zoe@example.test", id="auth0:17", email_verified=True, roles=["editor"])
    assert (made["id"], made["email_verified"], made["roles"]) == ("auth0:17", True, ["editor"])
    assert made["created_at"].endswith("Z")
    again = api.post("/admin/users", json={"email": "yes@example.test", "id": "auth0:17"}, headers=ops)
    assert again.json()["code"] == "email_taken"
    assert api.delete("/admin/users/auth0:17", headers=ops).status_code == 204
    again = api.post("/admin/users", json={"email": "yes@example.test", "id": "auth0:17"}, headers=ops)
    assert (again.status_code, again.json()["code"]) == (409, "user_id_deleted")
    bare = api.post("/admin/users", json={"email": "bare@example.test"}, headers=ops)
    assert bare.status_code == 201
    assert sign_in(api, {"email": "bare@example.test", "password": PASSWORD}).json()["code"] == "invalid_credentials"


def test_a_person_is_made_with_a_hash_and_all_that_is_known_of_them(api: httpx.Client, ops: dict[str, str]) -> None:
    """They sign in with their old password; a hash beside a password, of no kind or of any cost makes nobody."""
    hashed = bcrypt.hashpw(PASSWORD.encode(), bcrypt.gensalt(4)).decode()
    known = {"name": "Zoe", "locale": "de", "metadata": {"color": "blue"}, "app_metadata": {"plan": "pro"}}
    body = {"email": "zoe@example.test", "password_hash": hashed} | known
    for wrong in (
        {"password": PASSWORD},
        {"invite": True},
        {"password_hash": "md5$x"},
        {"password_hash": "pbkdf2_sha256$1000000000$c2FsdHNhbHQ$" + "A" * 43 + "="},
        {"app_metadata": {"much": "x" * 20_000}},
    ):
        assert api.post("/admin/users", json=body | wrong, headers=ops).status_code == 422
    made = api.post("/admin/users", json=body, headers=ops)
    assert made.status_code == 201, made.text
    assert "hash" not in made.text
    shown = api.get(f"/admin/users/{made.json()['id']}", headers=ops).json()
    assert {name: shown[name] for name in known} == known
    assert sign_in(api, {"email": "zoe@example.test", "password": PASSWORD}).status_code == 200


def test_what_an_operator_changes_counts_at_once(api: httpx.Client, ops: dict[str, str]) -> None:
    """Disabled: every token dead. A role taken: tokens dead, the session lives. A password: sessions end."""
    zoe = {"email": "zoe@example.test", "password": PASSWORD}
    one = f"/admin/users/{add(api, ops, zoe['email'], roles=['editor', 'author'])['id']}"
    pair = sign_in(api, zoe).json()
    narrowed = api.patch(one, json={"roles": ["author"]}, headers=ops)
    assert narrowed.json()["roles"] == ["author"]
    assert api.get("/me", headers=bearer(pair["token"])).status_code == 401
    pair = api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()
    assert api.get("/me", headers=bearer(pair["token"])).json()["roles"] == ["author"]
    api.patch(one, json={"password": "quite another password"}, headers=ops)
    assert api.get("/me", headers=bearer(pair["token"])).status_code == 401
    pair = sign_in(api, zoe | {"password": "quite another password"}).json()
    sessions = api.get(f"{one}/sessions", headers=ops).json()["sessions"]
    assert len(sessions) == 1
    assert api.delete(f"{one}/sessions/{sessions[0]['id']}", headers=ops).status_code == 204
    assert api.delete(f"{one}/sessions/{sessions[0]['id']}", headers=ops).json()["code"] == "session_not_found"
    assert api.get("/me", headers=bearer(pair["token"])).status_code == 401
    pair = sign_in(api, zoe | {"password": "quite another password"}).json()
    assert api.patch(one, json={"disabled": True}, headers=ops).json()["disabled"] is True
    assert api.get("/me", headers=bearer(pair["token"])).status_code == 401


def test_a_change_is_made_whole_or_not_at_all(api: httpx.Client, ops: dict[str, str]) -> None:
    """A taken address leaves the roles of the same request as they were."""
    add(api, ops, "taken@example.test")
    one = f"/admin/users/{add(api, ops, 'zoe@example.test', email_verified=True)['id']}"
    refused = api.patch(one, json={"email": "taken@example.test", "roles": ["editor"]}, headers=ops)
    assert refused.json()["code"] == "email_taken"
    assert api.get(one, headers=ops).json()["roles"] == []
    moved = api.patch(one, json={"email": "New@Example.test"}, headers=ops).json()
    assert (moved["email"], moved["email_verified"]) == ("new@example.test", False)
    kept = api.patch(one, json={"email_verified": True}, headers=ops).json()
    assert kept["email_verified"] is True
    assert api.patch(one, json={"email": None}, headers=ops).status_code == 422


def test_a_deleted_person_is_gone_everywhere(api: httpx.Client, ops: dict[str, str]) -> None:
    """Their token is refused, and the operator finds nobody."""
    zoe = {"email": "zoe@example.test", "password": PASSWORD}
    one = f"/admin/users/{add(api, ops, zoe['email'])['id']}"
    token = sign_in(api, zoe).json()["token"]
    assert api.delete(one, headers=ops).status_code == 204
    assert api.get("/me", headers=bearer(token)).status_code == 401
    for gone in (api.get(one, headers=ops), api.delete(one, headers=ops), api.get(f"{one}/sessions", headers=ops)):
        assert (gone.status_code, gone.json()["code"]) == (404, "user_not_found")


def test_lost_factors_are_removed(api: httpx.Client, server: RunningServer, ops: dict[str, str]) -> None:
    """A person who has lost the phone signs in by password again."""
    made = api.post("/signup", json=ANN).json()
    set_up_totp(server, api, ANN)
    factors = f"/admin/users/{made['id']}/factors"
    assert api.get(factors, headers=ops).json()["totp"] == 1
    assert api.delete(factors, headers=ops).json() == {"sessions_ended": 1, "enrollment_code": None}
    assert sign_in(api, ANN).status_code == 200


def test_every_change_names_who_made_it(
    api: httpx.Client, server: RunningServer, ops: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """The audit log has the client as actor, and where it called from."""
    made = add(api, ops, "zoe@example.test")
    api.patch(f"/admin/users/{made['id']}", json={"roles": ["editor"], "disabled": True}, headers=ops)
    capsys.readouterr()
    main(["user", "events", "zoe@example.test", "--json", *server.place])
    events = [line for line in capsys.readouterr().out.splitlines() if line]
    assert len(events) == 3
    assert all('"actor":"cli_' in event and '"address":"127.0.0.1"' in event for event in events), events


def test_an_upgrade_takes_names_that_became_rights(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Who had a role or scope of that name before, from an application, has no right here, and doctor says so."""
    with running_server(tmp_path / "data") as server, server.client() as api:
        api.post("/signup", json=ANN)
        place = server.place
    with_rights = apsw.Connection(str(tmp_path / "data" / "gatepass.db"))
    with_rights.execute("UPDATE users SET roles = 'editor gatepass-operator'")
    with_rights.execute("DROP TABLE reserved_names_taken")
    for index in ("users_by_address", "users_disabled", "users_with_roles"):
        with_rights.execute(f"DROP INDEX {index}")
    (upgrade,) = (each for each in all_migrations() if each.name.endswith("operators"))
    for statement in upgrade.statements:
        with_rights.execute(statement)
    with_rights.close()
    main(["user", "show", ANN["email"], *place])
    assert "editor\n" in capsys.readouterr().out
    main(["doctor", *place])
    assert "gatepass-operator from usr_" in capsys.readouterr().out


def test_a_client_is_registered_changed_and_removed(api: httpx.Client, ops: dict[str, str]) -> None:
    """Its secret is shown once and never read again; a right that is taken dies in its tokens."""
    body = {"name": "Shop", "grant_types": ["client_credentials"], "scope": ["read", "write"]}
    made = api.post("/admin/clients", json=body, headers=ops).json()
    client_id, secret = made["client"]["client_id"], made["client_secret"]
    one = f"/admin/clients/{client_id}"
    form = {"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret}
    assert api.post("/oauth/token", data=form).json()["scope"] == "read write"
    assert secret not in api.get(one, headers=ops).text + api.get("/admin/clients", headers=ops).text
    assert api.patch(one, json={"scope": ["read"], "name": "Shops"}, headers=ops).json()["scope"] == ["read"]
    assert api.post("/oauth/token", data=form).json()["scope"] == "read"
    new = api.post(f"{one}/secret", json={}, headers=ops).json()["client_secret"]
    assert api.post("/oauth/token", data=form).status_code == 401
    assert api.patch(one, json={"disabled": True}, headers=ops).json()["disabled"] is True
    assert api.post("/oauth/token", data=form | {"client_secret": new}).status_code == 401
    assert api.patch(one, json={"disabled": False}, headers=ops).json()["disabled"] is False
    assert api.delete(one, headers=ops).status_code == 204
    assert api.get(one, headers=ops).json()["code"] == "client_not_found"


def test_a_web_client_by_its_redirect_uri(api: httpx.Client, ops: dict[str, str]) -> None:
    """What a client says of itself, and what the operator decides, each where it belongs."""
    body = {
        "name": "Shop",
        "grant_types": ["authorization_code", "refresh_token"],
        "redirect_uris": ["https://shop.example.test/cb"],
        "pkce": "optional",
        "scope": ["openid"],
    }
    made = api.post("/admin/clients", json=body, headers=ops).json()["client"]
    assert made["metadata"]["redirect_uris"] == body["redirect_uris"]
    assert made["rules"]["pkce"] == "optional"
    bad = api.post("/admin/clients", json=body | {"redirect_uris": ["http://shop.example.test/cb"]}, headers=ops)
    assert (bad.status_code, bad.json()["code"]) == (400, "invalid_redirect_uri")


def test_an_api_is_added_and_removed(api: httpx.Client, ops: dict[str, str]) -> None:
    """Its audience, often a URL, stands percent-encoded in the path."""
    body = {"audience": "https://files.example.test/mcp", "scopes": [{"name": "files:read", "text": "Read files"}]}
    assert api.post("/admin/apis", json=body, headers=ops).json()["name"] == body["audience"]
    one = "/admin/apis/https%3A%2F%2Ffiles.example.test%2Fmcp"
    assert api.get(one, headers=ops).json()["scopes"] == body["scopes"]
    assert len(api.get("/admin/apis", headers=ops).json()["apis"]) == 1
    merge_patch = ops | {"content-type": "application/merge-patch+json"}
    changed = api.patch(one, content='{"name": "Files"}', headers=merge_patch).json()
    assert (changed["name"], changed["scopes"]) == ("Files", body["scopes"])
    refused = api.patch(one, json={"scopes": [{"name": "admin:read", "text": "x"}]}, headers=ops)
    assert refused.json()["code"] == "invalid_scope"
    assert api.delete(one, headers=ops).status_code == 204
    assert api.get(one, headers=ops).json()["code"] == "api_not_found"
    for kind in ("api_added", "api_changed", "api_removed"):
        (event,) = api.get("/admin/events", params={"kind": kind}, headers=ops).json()["events"]
        assert (event["reason"], event["actor"][:4]) == (body["audience"], "cli_")


def test_the_log_is_followed_and_filtered(api: httpx.Client, ops: dict[str, str]) -> None:
    """Every event once and in order, by pages; by kind, person and client."""
    zoe = {"email": "zoe@example.test", "password": PASSWORD}
    person = add(api, ops, zoe["email"])
    sign_in(api, zoe)
    client = api.post("/admin/clients", json={"name": "S", "grant_types": ["client_credentials"]}, headers=ops).json()
    found: list[dict[str, Any]] = []
    after = ""
    while True:
        page = api.get("/admin/events", params={"limit": 2, "after": after}, headers=ops).json()
        found += page["events"]
        if page["next"] is None:
            break
        after = page["next"]
    assert [each["id"] for each in found] == sorted({each["id"] for each in found})
    assert {"account_created", "signed_in", "client_added"} <= {each["kind"] for each in found}

    def kinds(**query: str) -> list[str]:
        answer = api.get("/admin/events", params=query, headers=ops)
        assert answer.status_code == 200, answer.text
        return [each["kind"] for each in answer.json()["events"]]

    assert kinds(kind="signed_in") == ["signed_in"]
    assert kinds(user=person["id"]) == ["account_created", "signed_in"]
    assert kinds(client=client["client"]["client_id"]) == ["client_added"]
    assert api.get("/admin/events?kind=nonsense", headers=ops).json()["code"] == "invalid_query"


def test_thirty_days_in_numbers(api: httpx.Client, server: RunningServer, ops: dict[str, str]) -> None:
    """Every day is there, today last, with what happened on it."""
    zoe = {"email": "zoe@example.test", "password": PASSWORD}
    add(api, ops, zoe["email"])
    sign_in(api, zoe)
    sign_in(api, zoe | {"password": "wrong"})
    stats = api.get("/admin/stats", headers=ops).json()
    assert (stats["people"], stats["disabled_people"], stats["clients"], len(stats["days"])) == (1, 0, 1, 30)
    today = stats["days"][-1]
    assert (today["signups"], today["sign_ins"], today["refused_sign_ins"]) == (1, 1, 1)
    assert sum(day["sign_ins"] for day in stats["days"][:-1]) == 0
    assert server.clock.now // 86_400 * 86_400 == datetime.fromisoformat(f"{today['day']}T00:00:00Z").timestamp()


def test_keys_are_rotated_and_withdrawn(api: httpx.Client, ops: dict[str, str]) -> None:
    """A new key is published at once; a withdrawn one signs no more, and its tokens, this one too, are dead."""
    first = api.get("/admin/keys", headers=ops).json()["keys"]
    assert "sealed" not in str(first)
    rotated = api.post("/admin/keys/rotate", json={}, headers=ops).json()["keys"]
    assert len(rotated) == len(first) + 1
    assert len(api.get("/.well-known/jwks.json").json()["keys"]) >= 2
    assert api.post("/admin/keys/nonsense/compromise", headers=ops).json()["code"] == "key_not_found"
    (signing,) = (key["kid"] for key in first if key["state"] == "signing" and key["use"] == "sig")
    assert api.post(f"/admin/keys/{signing}/compromise", headers=ops).status_code == 200
    assert api.get("/admin/keys", headers=ops).status_code == 401


def test_all_that_is_kept_of_a_person(api: httpx.Client, ops: dict[str, str]) -> None:
    """An export is complete and recorded; what is not there is told as such."""
    person = add(api, ops, "zoe@example.test")
    one = f"/admin/users/{person['id']}"
    exported = api.get(f"{one}/export", headers=ops).json()
    assert exported["account"]["email"] == "zoe@example.test"
    assert [event["kind"] for event in exported["events"]] == ["account_created", "data_exported"]
    assert api.get(f"{one}/identities", headers=ops).json() == {"identities": []}
    assert api.get(f"{one}/consents", headers=ops).json() == {"consents": []}
    assert api.delete(f"{one}/consents/first-party", headers=ops).json()["code"] == "consent_not_found"
    assert api.get("/admin/users/usr_nobody/export", headers=ops).json()["code"] == "user_not_found"
