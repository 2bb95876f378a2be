"""What an application needs to know of people stands in their tokens: roles, what these permit, and claims."""

from __future__ import annotations

import json
import secrets
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
OTHER_API = "https://other.example.test"
CLAIMS: dict[str, Any] = {
    "mail": "user.email",
    "plan": "user.app_metadata.plan",
    "limit": "user.app_metadata.limits.articles",
    "called": "user.name",
    "lang": "user.locale",
    "since": "user.created_at",
    "signed_in": "session.auth_time",
    "region": {"value": "eu"},
    "https://example.test/may": "permissions",
}
SETTINGS: dict[str, Any] = {
    "audience": [API, OTHER_API],
    "roles": ROLES,
    "claims": CLAIMS,
    "apis": {OTHER_API: {"claims": {"seats": "user.app_metadata.seats", "plan": "user.app_metadata.plan"}}},
}


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
        monkeypatch.setenv(
            f"GATEPASS_{name.upper()}", json.dumps(value) if isinstance(value, dict) else ",".join(value)
        )


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

    def refresh_token(self) -> str:
        """An access token of today."""
        self.refresh()
        token: str = self.pair["token"]
        return token

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
        "defined_in_configuration": True,
    }


@pytest.mark.parametrize(
    "roles",
    [{"a b": {}}, {"": {}}, {"gatepass-operator": {}}, {"editor": {"permissions": ["a b"]}}, {"editor": {"may": []}}],
)
def test_a_table_that_makes_no_sense_refuses_to_start(roles: dict[str, Any]) -> None:
    """Names that are none, names of ours, and members that nobody knows."""
    with pytest.raises(StartupError, match="role"):
        load(flags={"roles": roles})


def test_what_the_settings_map_stands_in_tokens(api: httpx.Client, ops: dict[str, str]) -> None:
    """Each path and each literal, at sign-in and refresh; what there is nothing of is left out."""
    eve = Person(api, "eve")
    first = eve.claims
    assert (first["mail"], first["region"], first["signed_in"]) == ("eve@example.test", "eu", first["auth_time"])
    assert first["since"] == api.get("/me", headers=eve.header).json()["created_at"]
    assert not {"plan", "limit", "called", "lang", "seats", "https://example.test/may"} & first.keys()
    about = {"plan": "pro", "limits": {"articles": [7]}, "seats": 0}
    api.patch(f"/admin/users/{eve.id}", json={"app_metadata": about, "roles": ["reader"]}, headers=ops)
    changed = api.patch("/account", json={"name": "Eve ", "locale": "de-AT"}, headers=bearer(eve.refresh_token()))
    assert (changed.json()["name"], changed.json()["locale"]) == ("Eve", "de-AT")
    after = eve.refresh()
    assert (after["plan"], after["limit"], after["seats"], after["called"], after["lang"]) == (
        "pro",
        [7],
        0,
        "Eve",
        "de-AT",
    )
    assert after["https://example.test/may"] == ["articles:read", "comments:read"]


def test_claims_of_an_api_are_for_that_api(api: httpx.Client, ops: dict[str, str]) -> None:
    """A token for one API does not say what another one is told."""
    flo = Person(api, "flo")
    api.patch(f"/admin/users/{flo.id}", json={"app_metadata": {"seats": 3}}, headers=ops)
    for audience, seats in ((API, None), (OTHER_API, 3)):
        token = api.post("/login", json=flo.given | {"audience": audience}).json()["token"]
        assert jwt.peek(token).claims.get("seats") == seats


@pytest.mark.usefixtures("table")
def test_what_operators_change_kills_where_tokens_carry_it(
    server: RunningServer, api: httpx.Client, ops: dict[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    """By call and by command: only a member that is mapped; the session stays, and the next token has the new one."""
    gus = Person(api, "gus")
    before = gus.header
    unmapped = {"app_metadata": {"notes": "tall", "limits": {"pages": 1}}}
    assert api.patch(f"/admin/users/{gus.id}", json=unmapped, headers=ops).status_code == 200
    assert api.get("/me", headers=before).status_code == 200
    main(["user", "metadata", gus.given["email"], '{"limits": {"articles": 5}}', *server.place])
    assert json.loads(capsys.readouterr().out) == {"notes": "tall", "limits": {"pages": 1, "articles": 5}}
    assert api.get("/me", headers=before).status_code == 401
    assert gus.refresh()["limit"] == 5
    api.patch(f"/admin/users/{gus.id}", json={"app_metadata": {"limits": None}}, headers=ops)
    assert api.get("/me", headers=gus.header).status_code == 401
    assert "limit" not in gus.refresh()


def test_people_edit_their_metadata(api: httpx.Client, ops: dict[str, str]) -> None:
    """By RFC 7396; it is in the account and the export, kills nothing, and nothing else can be edited so."""
    hal = Person(api, "hal")
    patches: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
        ({"theme": {"dark": True, "size": 2}}, {"theme": {"dark": True, "size": 2}}),
        ({"theme": {"size": None}, "tags": ["a"]}, {"theme": {"dark": True}, "tags": ["a"]}),
        ({"theme": 1, "tags": None, "gone": None, "deep": {"gone": None}}, {"theme": 1, "deep": {}}),
    )
    for patch, after in patches:
        assert api.patch("/account", json={"metadata": patch}, headers=hal.header).json()["metadata"] == after
    assert api.get("/me", headers=hal.header).json()["metadata"] == {"theme": 1, "deep": {}}
    api.patch(f"/admin/users/{hal.id}", json={"app_metadata": {"notes": "x"}}, headers=ops)
    exported = api.get(f"/admin/users/{hal.id}/export", headers=ops).json()["profile"]
    assert (exported["metadata"], exported["app_metadata"]) == ({"theme": 1, "deep": {}}, {"notes": "x"})
    assert api.patch("/account", json={"metadata": None}, headers=hal.header).json()["metadata"] == {}
    for refused in ({"app_metadata": {"plan": "pro"}}, {"roles": ["editor"]}, {"email": "x@example.test"}):
        assert api.patch("/account", json=refused, headers=hal.header).status_code == 422
    assert "app_metadata" not in api.get("/me", headers=hal.header).json()


@pytest.mark.parametrize(
    ("patch", "code"),
    [
        ({"metadata": {"a": "x" * 16_384}}, "metadata_too_large"),
        ({"metadata": {"a": [[[[[[[[1]]]]]]]]}}, "metadata_too_large"),
        ({"metadata": []}, "invalid_body"),
        ({"name": "two\nlines"}, "invalid_body"),
        ({"name": "x" * 201}, "invalid_body"),
        ({"locale": "not a language"}, "invalid_body"),
    ],
)
def test_a_profile_is_bounded(api: httpx.Client, ops: dict[str, str], patch: dict[str, Any], code: str) -> None:
    """Sizes, depth and types, for people and operators alike; what is refused changes nothing."""
    ida = Person(api, f"ida-{secrets.token_hex(4)}")
    for refused in (
        api.patch("/account", json=patch, headers=ida.header),
        api.patch(f"/admin/users/{ida.id}", json=patch, headers=ops),
        api.patch(f"/admin/users/{ida.id}", json=patch | {"email": f"new-{ida.given['email']}"}, headers=ops),
    ):
        assert (refused.status_code, refused.json()["code"]) == (422, code)
    shown = api.get(f"/admin/users/{ida.id}", headers=ops).json()
    assert (shown["name"], shown["metadata"], shown["email"]) == ("", {}, ida.given["email"])


def test_a_change_is_made_whole_or_not_at_all(api: httpx.Client, ops: dict[str, str]) -> None:
    """A role that cannot be given takes back the address that came with it."""
    joe = Person(api, "joe")
    both = {"email": "joseph@example.test", "roles": ["editr"]}
    assert api.patch(f"/admin/users/{joe.id}", json=both, headers=ops).json()["code"] == "unknown_role"
    assert api.get(f"/admin/users/{joe.id}", headers=ops).json()["email"] == joe.given["email"]


def test_a_changed_table_takes_effect_at_the_restart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The next token has what the roles permit now; that tokens of before keep theirs until they expire is told."""
    with running_server(tmp_path / "data", roles=ROLES) as running, running.client() as api:
        kim = Person(api, "kim")
        main(["user", "role", kim.given["email"], "editor", *running.place])
        assert kim.refresh()["permissions"] == ["articles:read", "articles:write"]
        clock = running.clock
    fewer = {"editor": {"permissions": ["articles:read"]}}
    port = running.settings.port
    capsys.readouterr()
    with (
        running_server(tmp_path / "data", clock, is_awaited=False, roles=fewer, port=port) as again,
        again.client() as api,
    ):
        kim.api = api
        assert "the table of roles has changed" in capsys.readouterr().out
        assert kim.refresh()["permissions"] == ["articles:read"]
