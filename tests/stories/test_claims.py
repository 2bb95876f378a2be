"""What an application needs to know of people stands in their tokens: roles, what these permit, and claims."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.support.commands import add_client
from tests.support.factors import bearer
from tests.support.server import ANN, running_server

from gatepass.cli.main import main
from gatepass.jose import jwt
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer

API = "https://api.example.test"
ROLES: dict[str, Any] = {
    "editor": {"permissions": ["articles:write", "articles:read"]},
    "reader": {"permissions": ["articles:read", "comments:read"]},
    "guest": {},
}
SETTINGS: dict[str, Any] = {"audience": [API], "roles": ROLES}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """One server for the module: each test has people of its own."""
    with running_server(tmp_path_factory.mktemp("claims"), is_awaited=False, **SETTINGS) as running:
        yield running


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client."""
    with server.client() as client:
        yield client


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch) -> None:
    """The commands know the server's settings."""
    for name, value in SETTINGS.items():
        monkeypatch.setenv(f"GATEPASS_{name.upper()}", json.dumps(value) if isinstance(value, dict) else value[0])


@pytest.fixture(scope="module")
def ops(server: RunningServer) -> dict[str, str]:
    """The header of a client with the rights of operators."""
    client = add_client(server, "ops", "--scope", "admin:read", "--scope", "admin:write")
    form = {"grant_type": "client_credentials", "scope": "admin:write"}
    with server.client() as client_api:
        answer = client_api.post("/oauth/token", data=form, headers=client.basic).json()
    return bearer(answer["access_token"])


class Person:
    """Somebody who has signed up, and what their tokens say."""

    def __init__(self, api: httpx.Client, name: str) -> None:
        self.api = api
        self.given = ANN | {"email": f"{name}@example.test"}
        assert api.post("/signup", json=self.given).status_code == 201
        self.sign_in()

    def sign_in(self) -> None:
        """Sign in anew."""
        self.pair = self.api.post("/login", json=self.given).json()
        self.id = self.claims["sub"]

    @property
    def claims(self) -> dict[str, Any]:
        """Of the last token."""
        return dict(jwt.peek(self.pair["token"]).claims)

    @property
    def header(self) -> dict[str, str]:
        """Of a request."""
        return bearer(self.pair["token"])

    def refresh(self) -> dict[str, Any]:
        """What the next token says."""
        self.pair = self.api.post("/refresh", json={"refresh_token": self.pair["refresh_token"]}).json()
        return self.claims


def test_tokens_name_what_the_roles_permit(server: RunningServer, api: httpx.Client, ops: dict[str, str]) -> None:
    """Together, sorted, from the roles that somebody has when the token is made; a lost role kills."""
    ada = Person(api, "ada")
    assert "permissions" not in ada.claims
    changed = api.patch(f"/admin/users/{ada.id}", json={"roles": ["editor", "reader", "guest"]}, headers=ops)
    assert changed.status_code == 200
    assert ada.refresh()["permissions"] == ["articles:read", "articles:write", "comments:read"]
    principal = Verifier(issuer=server.url, audience=API, clock=server.clock).verify(ada.pair["token"])
    principal.require(permission="articles:write comments:read")
    api.patch(f"/admin/users/{ada.id}", json={"roles": ["reader"]}, headers=ops)
    assert api.get("/me", headers=ada.header).status_code == 401
    assert ada.refresh()["permissions"] == ["articles:read", "comments:read"]


@pytest.mark.usefixtures("table")
def test_a_role_that_is_not_in_the_table_is_not_given(
    server: RunningServer, api: httpx.Client, ops: dict[str, str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """By no command and no call; the nearest name is told. What the table lost can be taken away."""
    bob = Person(api, "bob")
    for refused in (
        api.post("/admin/users", json={"email": "new@example.test", "roles": ["editr"]}, headers=ops),
        api.patch(f"/admin/users/{bob.id}", json={"roles": ["editor", "editr"]}, headers=ops),
    ):
        assert (refused.status_code, refused.json()["code"]) == (422, "unknown_role")
        assert "did you mean editor?" in refused.json()["detail"]
    lines = tmp_path / "people.jsonl"
    lines.write_text('{"email": "moved@example.test", "roles": ["editr"]}\n')
    for command in (["user", "role", bob.given["email"], "editr"], ["user", "import", str(lines)]):
        with pytest.raises(SystemExit):
            main([*command, *server.place])
        assert "editr" in capsys.readouterr().err
    assert api.get(f"/admin/users/{bob.id}", headers=ops).json()["roles"] == []
    main(["user", "role", bob.given["email"], "gatepass-operator", *server.place])
    main(["user", "role", bob.given["email"], "gatepass-operator", "--remove", *server.place])
    main(["user", "role", bob.given["email"], "never-given", "--remove", *server.place])
    capsys.readouterr()
    main(["role", "list", "--json", *server.place])
    assert json.loads(capsys.readouterr().out)[0] == {
        "name": "editor",
        "permissions": ["articles:read", "articles:write"],
    }


@pytest.mark.parametrize(
    "roles",
    [{"a b": {}}, {"": {}}, {"gatepass-operator": {}}, {"editor": {"permissions": ["a b"]}}, {"editor": {"may": []}}],
)
def test_a_table_that_makes_no_sense_refuses_to_start(roles: dict[str, Any]) -> None:
    """Names that are none, names of ours, and members that nobody knows."""
    with pytest.raises(StartupError, match="role"):
        load(flags={"roles": roles})
