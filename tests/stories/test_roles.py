"""Roles that operators keep beside those of the settings: what they permit, and when it stops."""

from __future__ import annotations

import secrets
import time
from typing import TYPE_CHECKING

import pytest
from tests.support.commands import add_client
from tests.support.factors import bearer, sign_in
from tests.support.operators import printed
from tests.support.server import SettableClock, running_server
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import JoseError, jwt
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.server import RunningServer


@pytest.fixture(scope="module", params=["sqlite", "postgres18"])
def issuer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server whose settings define one role, on either kind of database."""
    database = "" if request.param == "sqlite" else request.getfixturevalue(request.param).migrated_database()
    roles = {"editor": {"permissions": ("articles:write",)}}
    data = tmp_path_factory.mktemp("roles") / "data"
    clock = SettableClock(time.time())  # which commands have too
    with running_server(data, clock, audience=("news",), database=database, roles=roles) as running:
        yield running


@pytest.fixture
def api(issuer: RunningServer) -> Generator[httpx.Client]:
    """A client of the server."""
    with issuer.client() as client:
        yield client


@pytest.fixture
def ops(issuer: RunningServer, api: httpx.Client) -> dict[str, str]:
    """The header of a program of an operator's."""
    client = add_client(issuer, "ops", "--scope", "admin:write")
    form = {"grant_type": "client_credentials", "scope": "admin:write"}
    return bearer(api.post("/oauth/token", data=form, headers=client.basic).json()["access_token"])


@pytest.fixture
def role(api: httpx.Client, ops: dict[str, str]) -> str:
    """A new role."""
    name = f"seller-{secrets.token_hex(4)}"
    made = api.post("/admin/roles", json={"name": name, "permissions": ["shop:sell", "shop:read"]}, headers=ops)
    assert made.status_code == 201, made.text
    assert made.json()["permissions"] == ["shop:read", "shop:sell"]
    return name


class Person:
    """Somebody who signs in."""

    def __init__(self, api: httpx.Client, ops: dict[str, str], *roles: str) -> None:
        self._api = api
        who = {"email": f"{secrets.token_hex(4)}@example.test", "password": "correct horse battery"}
        made = api.post("/admin/users", json={**who, "roles": roles}, headers=ops)
        assert made.status_code == 201, made.text
        self.id = made.json()["id"]
        self._pair = sign_in(api, who).json()

    @property
    def token(self) -> str:
        """The token of the sign-in."""
        return str(self._pair["token"])

    def refreshed(self) -> str:
        """Another."""
        pair = self._api.post("/refresh", json={"refresh_token": self._pair["refresh_token"]}).json()
        return str(pair["token"])


def permissions(token: str) -> list[str]:
    """What a token permits."""
    found: list[str] = jwt.peek(token).claims.get("permissions", [])
    return found


def is_refused(verifier: Verifier, token: str) -> bool:
    """Whether it is revoked."""
    try:
        verifier.verify(token)
    except JoseError as error:
        return error.code == "revoked"
    return False


def test_what_a_role_permits_is_in_tokens_and_dies_in_them(
    issuer: RunningServer, api: httpx.Client, ops: dict[str, str], role: str
) -> None:
    """More is in the next token; less kills those that say more, at once, and the next ones say less."""
    person, other = Person(api, ops, role, "editor"), Person(api, ops, "editor")
    assert permissions(person.token) == ["articles:write", "shop:read", "shop:sell"]
    with Verifier(issuer=issuer.url, audience="news", clock=issuer.clock) as verifier:
        more = ["shop:read", "shop:sell", "shop:refund"]
        assert api.patch(f"/admin/roles/{role}", json={"permissions": more}, headers=ops).status_code == 200
        assert "shop:refund" in permissions(person.refreshed())
        assert not is_refused(verifier, person.token)
        assert api.patch(f"/admin/roles/{role}", json={"permissions": ["shop:read"]}, headers=ops).status_code == 200
        assert permissions(person.refreshed()) == ["articles:write", "shop:read"]
        eventually(lambda: is_refused(verifier, person.token))
        assert not is_refused(verifier, other.token)


def test_a_role_that_is_removed_is_taken_from_everybody(
    issuer: RunningServer, api: httpx.Client, ops: dict[str, str], role: str
) -> None:
    """So that it means nothing when another is added under its name."""
    person = Person(api, ops, role)
    with Verifier(issuer=issuer.url, audience="news", clock=issuer.clock) as verifier:
        assert api.delete(f"/admin/roles/{role}", headers=ops).status_code == 204
        eventually(lambda: is_refused(verifier, person.token))
    assert api.get(f"/admin/users/{person.id}", headers=ops).json()["roles"] == []
    assert api.post("/admin/roles", json={"name": role, "permissions": ["all"]}, headers=ops).status_code == 201
    assert permissions(person.refreshed()) == []
    assert api.delete(f"/admin/roles/{role}-x", headers=ops).json()["code"] == "role_not_found"


def test_a_role_that_is_removed_is_taken_in_organizations(api: httpx.Client, ops: dict[str, str], role: str) -> None:
    """From members, and from invitations, which would bring it back later."""
    person = Person(api, ops)
    made = api.post("/admin/organizations", json={"slug": role.lower(), "name": "Acme"}, headers=ops).json()["id"]
    at = f"/admin/organizations/{made}"
    assert api.post(f"{at}/members", json={"user": person.id, "roles": [role]}, headers=ops).status_code == 201
    invited = {"email": f"{role}@example.test", "roles": [role, "editor"]}
    assert api.post(f"{at}/invitations", json=invited, headers=ops).status_code == 201
    assert api.delete(f"/admin/roles/{role}", headers=ops).status_code == 204
    assert [each["roles"] for each in api.get(f"{at}/members", headers=ops).json()["members"]] == [[]]
    assert [each["roles"] for each in api.get(f"{at}/invitations", headers=ops).json()["invitations"]] == [["editor"]]


def test_capitals_make_another_role(api: httpx.Client, ops: dict[str, str], role: str) -> None:
    """What is taken from those who have one is not taken from those who have the other."""
    other = Person(api, ops)
    assert api.post("/admin/roles", json={"name": role.upper()}, headers=ops).status_code == 201
    api.patch(f"/admin/users/{other.id}", json={"roles": [role.upper()]}, headers=ops)
    assert api.get("/admin/users", params={"role": role}, headers=ops).json()["users"] == []
    token = other.refreshed()
    assert api.delete(f"/admin/roles/{role}", headers=ops).status_code == 204
    assert api.get("/me", headers=bearer(token)).json()["roles"] == [role.upper()]
    events = api.get("/admin/events", params={"user": other.id, "kind": "role_taken"}, headers=ops).json()["events"]
    assert events == []


def test_what_the_settings_define_is_changed_there(api: httpx.Client, ops: dict[str, str], role: str) -> None:
    """Not by HTTP: the next start would bring it back."""
    for answer in (
        api.patch("/admin/roles/editor", json={"permissions": []}, headers=ops),
        api.delete("/admin/roles/editor", headers=ops),
        api.post("/admin/roles", json={"name": "editor"}, headers=ops),
    ):
        assert (answer.status_code, answer.json()["code"]) == (409, "defined_in_configuration")
    shown = {
        each["name"]: each["defined_in_configuration"] for each in api.get("/admin/roles", headers=ops).json()["roles"]
    }
    assert shown["editor"]
    assert not shown[role]


def test_names_are_checked(api: httpx.Client, ops: dict[str, str], role: str) -> None:
    """A role is a word that is not ours and not there yet; so is a permission; a typing error in a role is refused."""
    for body, code in (
        ({"name": "gatepass-operator"}, "invalid_role"),
        ({"name": "a b"}, "invalid_role"),
        ({"name": role}, "role_exists"),
        ({"name": "x", "permissions": ["a b"]}, "invalid_permission"),
    ):
        assert api.post("/admin/roles", json=body, headers=ops).json()["code"] == code
    refused = api.post("/admin/users", json={"email": "typo@example.test", "roles": [f"{role}x"]}, headers=ops)
    assert refused.json()["code"] == "unknown_role"
    assert role in refused.json()["detail"]


def test_the_command_line_does_the_same(issuer: RunningServer, api: httpx.Client, ops: dict[str, str]) -> None:
    """`role set`, `list` and `remove`, beside a running server that sees it at once; each is an event."""
    name = f"clerk-{secrets.token_hex(4)}"
    assert printed(issuer, "role", "set", name, "--permission", "mail:read")["permissions"] == ["mail:read"]
    person = Person(api, ops, name)
    assert permissions(person.token) == ["mail:read"]
    printed(issuer, "role", "set", name)
    assert permissions(person.refreshed()) == []
    assert name in str(printed(issuer, "role", "list"))
    main(["role", "remove", name, *issuer.place])
    kinds = [each["kind"] for each in api.get("/admin/events", params={"limit": 200}, headers=ops).json()["events"]]
    assert [kind for kind in kinds if kind in ("role_added", "role_changed", "role_removed")][-3:] == [
        "role_added",
        "role_changed",
        "role_removed",
    ]
