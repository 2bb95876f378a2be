"""Organizations: a token is for one of them, roles count in it alone, and what is lost there dies in live tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.factors import bearer
from tests.support.organizations import Operating, Person
from tests.support.server import running_server

from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load
from gatepass.verify import Verifier
from gatepass.verify.errors import InsufficientScopeError

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.server import RunningServer

API = "https://api.example.test"
SETTINGS: dict[str, Any] = {
    "audience": [API],
    "roles": {"editor": {"permissions": ["articles:write"]}, "reader": {"permissions": ["articles:read"]}},
    "claims": {
        "https://example.test/tenant": "organization.id",
        "tenant_name": "organization.name",
        "plan": "organization.metadata.plan",
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """One server for the module: each test has people and organizations of its own."""
    with running_server(tmp_path_factory.mktemp("organizations"), is_awaited=False, **SETTINGS) as running:
        yield running


@pytest.fixture(scope="module")
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client."""
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def ops(server: RunningServer, api: httpx.Client) -> Operating:
    """An operator's client."""
    return Operating.at(server, api)


def test_a_token_is_for_the_organization_that_was_chosen(
    server: RunningServer, api: httpx.Client, ops: Operating
) -> None:
    """By id or slug, at the sign-in or a refresh; it stays until another is chosen, and no other is in the token."""
    ada, acme, other = Person(api), ops.add("acme", metadata={"plan": "pro"}), ops.add("other")
    assert not {name for name in ada.claims if name.startswith("org_") or name in SETTINGS["claims"]}
    ops.join(acme, ada, "editor", "reader")
    ops.join(other, ada)
    assert ada.sign_in(organization="acme").status_code == 200
    expected = {
        "org_id": acme,
        "org_slug": "acme",
        "org_roles": ["editor", "reader"],
        "org_permissions": ["articles:read", "articles:write"],
        "https://example.test/tenant": acme,
        "tenant_name": "Acme",
        "plan": "pro",
    }
    assert {name: ada.claims.get(name) for name in expected} == expected
    assert not {"roles", "permissions"} & ada.claims.keys()
    assert ada.refresh().status_code == 200
    assert ada.claims["org_id"] == acme
    principal = Verifier(issuer=server.url, audience=API, clock=server.clock).verify(ada.pair["token"])
    principal.require(permission="articles:write", role="editor", organization=acme)
    assert ada.refresh(organization=other).status_code == 200
    assert (ada.claims["org_id"], ada.claims.get("org_roles")) == (other, None)
    assert api.get("/me", headers=ada.header).status_code == 200
    assert ada.refresh(organization="").status_code == 200
    assert "org_id" not in ada.claims
    assert ada.refresh().status_code == 200
    assert "org_id" not in ada.claims


def test_tokens_for_an_organization_are_for_its_members(api: httpx.Client, ops: Operating) -> None:
    """A stranger is told the same whether it exists, and their refresh token is as good as before."""
    eve, acme = Person(api), ops.add()
    for name in (acme, "org_nothing", "nothing", "\x00", "a" * 300):
        for answer in (eve.sign_in(organization=name), eve.refresh(organization=name)):
            assert (answer.status_code, answer.json()["code"]) == (403, "not_a_member")
    assert eve.refresh().status_code == 200
    assert "org_id" not in eve.claims


def test_what_a_member_loses_dies_in_live_tokens(api: httpx.Client, ops: Operating) -> None:
    """A role taken, a removal, another slug, mapped metadata: tokens that name it die, others and the session live."""
    ada, acme, other = Person(api), ops.add(), ops.add()
    ops.join(acme, ada, "editor", "reader")
    ops.join(other, ada)
    member = f"/{acme}/members/{ada.id}"

    def dies(method: str, path: str, **body: object) -> None:
        assert ada.is_let_in
        assert ops.call(method, path, **body).status_code in (200, 204)
        assert not ada.is_let_in
        assert ada.refresh().status_code == 200
        assert ada.is_let_in

    ada.sign_in(organization=acme)
    assert ops.call("PATCH", member, roles=["editor", "reader", "admin"]).status_code == 200
    assert ada.is_let_in
    dies("PATCH", member, roles=["reader"])
    assert ada.claims["org_roles"] == ["reader"]
    dies("PATCH", f"/{acme}", slug=f"renamed-{acme[-8:]}".replace("_", "-"))
    dies("PATCH", f"/{acme}", metadata={"plan": "free"})
    assert ada.claims["plan"] == "free"
    assert ops.call("PATCH", f"/{acme}", name="Another name", metadata={"note": 1}).status_code == 200
    assert ada.is_let_in
    old = ada.pair["token"]
    assert ada.refresh(organization=other).status_code == 200
    assert api.get("/me", headers=bearer(old)).status_code == 200  # both tokens hang on one grant
    assert ops.call("DELETE", member).status_code == 204
    assert api.get("/me", headers=bearer(old)).status_code == 401
    assert ada.refresh().status_code == 200
    assert ada.claims["org_id"] == other
    assert ada.refresh(organization=acme).json()["code"] == "not_a_member"
    dies("DELETE", f"/{other}")
    assert "org_id" not in ada.claims
    ops.join(acme, ada)
    assert ada.refresh().status_code == 200
    assert "org_id" not in ada.claims  # joining again chooses nothing


def test_a_person_without_the_organization_is_left_alone(api: httpx.Client, ops: Operating) -> None:
    """A change in an organization kills no token that does not name it, of members neither."""
    ada, bob, acme = Person(api), Person(api), ops.add()
    ops.join(acme, ada, "editor")
    ops.join(acme, bob)
    bob.sign_in(organization=acme)
    assert ops.call("PATCH", f"/{acme}/members/{ada.id}", roles=[]).status_code == 200
    assert ada.is_let_in
    assert bob.is_let_in
    assert ops.call("DELETE", f"/{acme}").status_code == 204
    assert ada.is_let_in
    assert not bob.is_let_in


def test_many_switches_are_found_again(api: httpx.Client, ops: Operating) -> None:
    """A grant remembers which organizations its live tokens name; past 20 it revokes them, so that none is missed."""
    ada = Person(api)
    organizations = [ops.add() for _ in range(23)]
    for each in organizations:
        ops.join(each, ada)
    first = ""
    for each in organizations:
        assert ada.refresh(organization=each).status_code == 200
        first = first or ada.pair["token"]
    assert ada.is_let_in
    assert api.get("/me", headers=bearer(first)).status_code == 401
    assert ops.call("DELETE", f"/{organizations[-1]}").status_code == 204
    assert not ada.is_let_in


def test_a_person_sees_and_leaves_their_own(api: httpx.Client, ops: Operating) -> None:
    """The list says which is in use; leaving kills its tokens; the last admin stays."""
    ada, acme = Person(api), ops.add()
    ops.join(acme, ada, "admin", "editor")
    ada.sign_in(organization=acme)
    (shown,) = api.get("/organizations", headers=ada.header).json()["organizations"]
    assert (shown["id"], shown["roles"], shown["active"]) == (acme, ["admin", "editor"], True)
    assert shown["permissions"] == ["articles:write"]
    stuck = api.post(f"/organizations/{acme}/leave", headers=ada.header)
    assert (stuck.status_code, stuck.json()["code"]) == (409, "last_admin")
    bob = Person(api)
    ops.join(acme, bob, "admin")
    assert api.post(f"/organizations/{acme}/leave", headers=ada.header).status_code == 204
    assert not ada.is_let_in
    ada.refresh()
    assert api.get("/organizations", headers=ada.header).json()["organizations"] == []
    assert api.post(f"/organizations/{acme}/leave", headers=ada.header).json()["code"] == "organization_not_found"


def test_operators_manage_organizations(api: httpx.Client, ops: Operating) -> None:
    """Listed by pages and search, changed whole or not at all; names are checked, roles are those of the table."""
    made = [ops.add(f"zz-{n}") for n in range(3)]
    page = api.get("/admin/organizations", params={"search": "zz-", "limit": 2}, headers=ops.header).json()
    assert [each["slug"] for each in page["organizations"]] == ["zz-0", "zz-1"]
    params = {"search": "zz-", "cursor": page["next"]}
    rest = api.get("/admin/organizations", params=params, headers=ops.header).json()
    assert ([each["slug"] for each in rest["organizations"]], rest["next"]) == (["zz-2"], None)
    found = api.get("/admin/organizations", params={"search": made[1]}, headers=ops.header).json()
    assert [each["id"] for each in found["organizations"]] == [made[1]]
    for body, code in (
        ({"slug": "zz-1", "name": "x"}, "slug_taken"),
        ({"slug": "Big", "name": "x"}, "invalid_organization"),
        ({"slug": "org_x", "name": "x"}, "invalid_organization"),
        ({"slug": "ok", "name": " "}, "invalid_organization"),
        ({"slug": "ok", "name": "two\nlines"}, "invalid_organization"),
        ({"slug": "ok", "name": "x", "metadata": {"x": "y" * 20_000}}, "metadata_too_large"),
    ):
        assert ops.call("POST", "", **body).json()["code"] == code
    assert ops.call("PATCH", f"/{made[0]}", slug="zz-1", name="y").json()["code"] == "slug_taken"
    shown = ops.call("GET", "/zz-0").json()
    assert (shown["id"], shown["name"], shown["members"]) == (made[0], "Zz-0", 0)
    ada = Person(api)
    for user, roles, code in (
        ("usr_nobody", [], "user_not_found"),
        (ada.id, ["editr"], "unknown_role"),
        (ada.id, ["gatepass-operator"], "invalid_role"),
        (ada.id, ["gatepass-x"], "invalid_role"),
    ):
        assert ops.call("POST", f"/{made[0]}/members", user=user, roles=roles).json()["code"] == code
    role = {"name": "owner", "permissions": ["bills:pay"]}
    assert api.post("/admin/roles", json=role, headers=ops.header).status_code == 201
    assert ops.call("POST", f"/{made[0]}/invitations", email="new@example.test", roles=["owner"]).status_code == 201
    assert ops.call("POST", f"/{made[0]}/members", user=ada.given["email"], roles=["admin"]).status_code == 201
    assert ops.call("POST", f"/{made[0]}/members", user=ada.id).json()["code"] == "already_a_member"
    (member,) = ops.call("GET", f"/{made[0]}/members").json()["members"]
    assert (member["id"], member["email"], member["roles"]) == (ada.id, ada.given["email"], ["admin"])
    assert ops.call("GET", f"/{made[0]}/members?search=nobody").json() == {"members": [], "next": None}
    one = f"/{made[0]}/members/{ada.id}"
    assert ops.call("PATCH", one, roles=["gatepass-operator"]).json()["code"] == "invalid_role"
    assert ops.call("PATCH", one, roles=["editr"]).json()["code"] == "unknown_role"
    assert ops.call("DELETE", f"/{made[0]}/members/usr_x").json()["code"] == "member_not_found"
    assert ops.call("GET", "/org_nothing").json()["code"] == "organization_not_found"
    for query, people in (({"organization": made[0]}, [ada.id]), ({"organization": made[1]}, [])):
        listed = api.get("/admin/users", params=query, headers=ops.header).json()["users"]
        assert [each["id"] for each in listed] == people
    theirs = api.get(f"/admin/users/{ada.id}/organizations", headers=ops.header).json()["organizations"]
    assert [(each["id"], each["roles"]) for each in theirs] == [(made[0], ["admin"])]
    gone = api.get("/admin/users/usr_nobody/organizations", headers=ops.header)
    assert gone.json()["code"] == "user_not_found"
    kept = api.get(f"/admin/users/{ada.id}/export", headers=ops.header).json()["organizations"]
    assert [(each["id"], each["roles"], "metadata" in each) for each in kept] == [(made[0], ["admin"], False)]
    kinds = api.get("/admin/events", params={"user": ada.id}, headers=ops.header).json()["events"]
    joined = next(each for each in kinds if each["kind"] == "member_added")
    assert joined["reason"] == made[0]
    assert joined["actor"] not in ("", ada.id)


def test_a_member_does_not_read_where_the_admin_was(api: httpx.Client, ops: Operating) -> None:
    """What another did to an account is in its history, without that one's address and browser."""
    ada, bob, acme = Person(api), Person(api), ops.add()
    ops.join(acme, ada, "admin")
    ops.join(acme, bob)
    assert ada.sign_in(organization=acme).status_code == 200
    change = {"roles": ["reader"]}
    assert api.patch(f"/organizations/{acme}/members/{bob.id}", json=change, headers=ada.header).status_code == 200
    seen = api.get("/account/events", headers=bob.header).json()["events"]
    changed = next(each for each in seen if each["kind"] == "member_roles_changed")
    assert (changed["address"], changed["user_agent"]) == ("", "")
    own = next(each for each in seen if each["kind"] == "signed_in")
    assert own["address"] == "127.0.0.1"
    exported = api.get("/account/export", headers=bob.header).json()["events"]
    assert [(each["address"], each["user_agent"]) for each in exported if each["kind"] == changed["kind"]] == [("", "")]


def test_an_account_that_is_deleted_is_a_member_no_more(api: httpx.Client, ops: Operating) -> None:
    """And an organization can be removed after it."""
    ada, acme = Person(api), ops.add()
    ops.join(acme, ada)
    assert api.delete(f"/admin/users/{ada.id}", headers=ops.header).status_code == 204
    assert ops.call("GET", f"/{acme}").json()["members"] == 0
    assert ops.call("DELETE", f"/{acme}").status_code == 204


def test_an_admin_of_one_organization_is_nothing_elsewhere(
    server: RunningServer, api: httpx.Client, ops: Operating
) -> None:
    """The role `admin` opens its own organization's members: no other, no operator's call, and no global `require`."""
    eve, bob, acme, other = Person(api), Person(api), ops.add(), ops.add()
    ops.join(acme, eve, "admin", "editor")
    ops.join(acme, bob)
    ops.join(other, eve, "reader")
    eve.sign_in(organization=acme)
    theirs = f"/organizations/{acme}/members/{bob.id}"
    assert api.patch(theirs, json={"roles": ["reader"]}, headers=eve.header).json()["roles"] == ["reader"]
    for path, code in (
        (f"/organizations/{other}/members", "not_organization_admin"),
        (f"/organizations/{ops.add()}/members", "organization_not_found"),
        ("/organizations/org_nothing/members", "organization_not_found"),
        (f"/admin/organizations/{acme}/members", "insufficient_scope"),
        ("/admin/users", "insufficient_scope"),
    ):
        assert api.get(path, headers=eve.header).json()["code"] == code
    assert api.get(f"/organizations/{acme}/members", headers=bob.header).json()["code"] == "not_organization_admin"
    principal = Verifier(issuer=server.url, audience=API, clock=server.clock).verify(eve.pair["token"])
    elsewhere: tuple[dict[str, Any], ...] = (
        {"role": "admin"},
        {"permission": "articles:write"},
        {"role": "admin", "organization": other},
        {"organization": "acme"},
    )
    for required in elsewhere:
        with pytest.raises(InsufficientScopeError):
            principal.require(**required)
    principal.require(role="admin", organization=acme)
    principal.require(permission="articles:write", organization="*")
    assert (
        api.patch(f"/organizations/{acme}/members/{eve.id}", json={"roles": []}, headers=eve.header).json()["code"]
        == "last_admin"
    )
    server.clock.advance(server.settings.recent_sign_in_seconds + 1)
    old = api.patch(theirs, json={"roles": []}, headers=eve.header)
    assert old.json()["code"] in ("recent_sign_in_required", "invalid_token")


@pytest.mark.parametrize(
    "path", ["organization", "organization.secret", "organization.metadata", "organization.metadata."]
)
def test_an_unknown_path_of_organizations_refuses_to_start(path: str) -> None:
    """Claims come from what there is."""
    with pytest.raises(StartupError):
        load(flags={"claims": {"x": path}})
