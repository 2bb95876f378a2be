"""The secret of an identity provider that may sign people out, and names that may be another person's."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import msgspec
import pytest
from tests.support.commands import add_client
from tests.support.factors import bearer
from tests.support.operators import add_operator, printed
from tests.support.scripted_provider import ScriptedProvider
from tests.support.server import SettableClock, running_server

from gatepass.server.features.admin.api import global_revocation

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.commands import Registered
    from tests.support.server import RunningServer

PATH = global_revocation.PATH
FEW = 40
"""A quota that a test can use up."""
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def clock() -> SettableClock:
    """The time of the module's server."""
    return SettableClock()


@pytest.fixture(scope="module")
def providers(clock: SettableClock) -> Generator[dict[str, ScriptedProvider]]:
    """Two identity providers, which count their people alike."""
    with ScriptedProvider() as corp, ScriptedProvider() as rival:
        corp.now = rival.now = clock
        yield {"corp": corp, "rival": rival}


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, clock: SettableClock, providers: dict[str, ScriptedProvider]
) -> Generator[RunningServer]:
    """One server for the module: each test has people of its own."""
    known = {name: provider.settings() for name, provider in providers.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(global_revocation, "QUOTA", msgspec.structs.replace(global_revocation.QUOTA, free=FEW))
        with running_server(tmp_path_factory.mktemp("global") / "data", clock, providers=known) as running:
            yield running


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client of the server."""
    with server.client() as client:
        yield client


@pytest.fixture(scope="module")
def idp(server: RunningServer) -> Registered:
    """An identity provider's client."""
    return add_client(server, "idp", "--scope", "sessions:revoke")


def token_of(api: httpx.Client, client: Registered, scope: str = "sessions:revoke") -> str:
    """The client's token for the call."""
    answer = api.post("/oauth/token", data={"grant_type": "client_credentials", "scope": scope}, headers=client.basic)
    assert answer.status_code == 200, answer.text
    token: str = answer.json()["access_token"]
    return token


def add_person(server: RunningServer, email: str) -> str:
    """Add a person with a verified address; return the id."""
    user_id: str = printed(server, "user", "add", email, "--verified", stdin=f"{PASSWORD}\n")["id"]
    return user_id


def sign_in(api: httpx.Client, email: str) -> dict[str, Any]:
    """Sign them in."""
    answer = api.post("/login", json={"email": email, "password": PASSWORD})
    assert answer.status_code == 200, answer.text
    pair: dict[str, Any] = answer.json()
    return pair


def revoke(api: httpx.Client, token: str, **sub_id: str) -> tuple[int, str]:
    """Ask for it; return the status and the error code."""
    answer = api.post(PATH, json={"sub_id": sub_id}, headers=bearer(token))
    return answer.status_code, "" if answer.status_code == 204 else answer.json()["code"]


def is_alive(api: httpx.Client, pair: dict[str, Any]) -> bool:
    """Whether a sign-in opens anything still."""
    opens = api.get("/me", headers=bearer(pair["token"])).status_code
    renews = api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code
    assert (opens, renews) in {(200, 200), (401, 401)}
    return opens == 200


def test_it_ends_everything_of_the_one_person(api: httpx.Client, server: RunningServer, idp: Registered) -> None:
    """By each way of naming them, every sign-in of the person dies, and no other person's; the account stays."""
    ann, token = add_person(server, "ann@example.test"), token_of(api, idp)
    add_person(server, "bob@example.test")
    bobs = sign_in(api, "bob@example.test")
    for name in (
        {"format": "email", "email": "Ann@Example.test"},
        {"format": "opaque", "id": ann},
        {"format": "iss_sub", "iss": server.url, "sub": ann},
    ):
        pairs = [sign_in(api, "ann@example.test") for _ in range(2)]
        assert revoke(api, token, **name) == (204, "")
        assert [is_alive(api, each) for each in pairs] == [False, False], name
    assert revoke(api, token, format="opaque", id=ann) == (204, "")
    assert is_alive(api, bobs)
    assert api.get("/.well-known/oauth-authorization-server").json()["global_token_revocation_endpoint"].endswith(PATH)


def test_an_address_that_was_only_typed(api: httpx.Client, idp: Registered) -> None:
    """Whoever signs up with an address that is another's is not that person: nobody is named by an unproven address."""
    body = {"email": "typed@example.test", "password": PASSWORD}
    assert api.post("/signup", json=body).status_code == 201
    pair = api.post("/login", json=body).json()
    assert revoke(api, token_of(api, idp), format="email", email=body["email"]) == (404, "user_not_found")
    assert is_alive(api, pair)


def test_an_address_that_has_another_owner(api: httpx.Client, server: RunningServer, idp: Registered) -> None:
    """A former address names its former owner no more; recycled, it names the new one."""
    carl, token = add_person(server, "shared@example.test"), token_of(api, idp)
    ops = add_client(server, "ops", "--scope", "admin:write")
    moved = {"email": "carl@example.test", "email_verified": True}
    changed = api.patch(f"/admin/users/{carl}", json=moved, headers=bearer(token_of(api, ops, "admin:write")))
    assert changed.status_code == 200, changed.text
    carls = sign_in(api, "carl@example.test")
    assert revoke(api, token, format="email", email="shared@example.test") == (404, "user_not_found")
    add_person(server, "shared@example.test")
    dora = sign_in(api, "shared@example.test")
    assert revoke(api, token, format="email", email="shared@example.test") == (204, "")
    assert (is_alive(api, carls), is_alive(api, dora)) == (True, False)


def test_the_same_sub_at_another_organizations_provider(
    api: httpx.Client, providers: dict[str, ScriptedProvider], idp: Registered
) -> None:
    """A `sub` counts at the issuer that gave it: the person of the same number elsewhere stays signed in."""
    pairs = {}
    for name, provider in providers.items():
        claims = {"sub": "1", "email": f"one@{name}.example", "email_verified": True}
        answer = api.post("/login", json={"provider": name, "id_token": provider.id_token(**claims)})
        assert answer.status_code == 200, answer.text
        pairs[name] = answer.json()
    token = token_of(api, idp)
    corp = providers["corp"].settings()["issuer"]
    for stranger in ({"iss": "https://elsewhere.example", "sub": "1"}, {"iss": corp, "sub": "2"}):
        assert revoke(api, token, format="iss_sub", **stranger) == (404, "user_not_found")
    assert revoke(api, token, format="iss_sub", iss=corp, sub="1") == (204, "")
    assert {name: is_alive(api, pair) for name, pair in pairs.items()} == {"corp": False, "rival": True}


def test_the_right_opens_nothing_else(api: httpx.Client, server: RunningServer, idp: Registered) -> None:
    """With `sessions:revoke` a client reads and changes nothing; without it, or with less, it signs nobody out."""
    token, user_id = token_of(api, idp), add_person(server, "eve@example.test")
    for method, path in (("GET", "/admin/users"), ("DELETE", f"/admin/users/{user_id}/sessions")):
        answer = api.request(method, path, headers=bearer(token))
        assert (answer.status_code, answer.json()["code"]) == (403, "insufficient_scope")
    reader = token_of(api, add_client(server, "reader", "--scope", "admin:read"), "admin:read")
    everyday = sign_in(api, "eve@example.test")
    for poor in (reader, everyday["token"]):
        assert revoke(api, poor, format="opaque", id=user_id) == (403, "insufficient_scope")
    asked = api.post("/login", json={"email": "eve@example.test", "password": PASSWORD, "scope": "sessions:revoke"})
    assert (asked.status_code, asked.json()["code"]) == (400, "invalid_scope")
    writer = token_of(api, add_client(server, "writer", "--scope", "admin:write"), "admin:write")
    assert revoke(api, writer, format="opaque", id=user_id) == (204, "")
    assert not is_alive(api, everyday)


def test_only_the_command_line_gives_the_right(api: httpx.Client, server: RunningServer) -> None:
    """A client with `admin:write`, and a client that registers itself, cannot make one that has it."""
    writer = token_of(api, add_client(server, "writer", "--scope", "admin:write"), "admin:write")
    body = {"name": "evil", "grant_types": ["client_credentials"], "scope": ["sessions:revoke"]}
    answer = api.post("/admin/clients", json=body, headers=bearer(writer))
    assert (answer.status_code, answer.json()["code"]) == (403, "command_line_only")


def test_an_operator_is_not_kept_out_by_it(api: httpx.Client, server: RunningServer, idp: Registered) -> None:
    """A stolen secret does not keep those away who could take it back."""
    olga = add_operator(server, "olga@example.test")
    assert revoke(api, token_of(api, idp), format="opaque", id=olga.id) == (403, "operator_protected")


@pytest.mark.parametrize(
    "sub_id",
    [
        {"format": "phone_number", "phone_number": "+12065550100"},
        {"format": "email"},
        {"format": "email", "email": "ann@example.test", "id": "usr_1"},
        {"format": "aliases", "identifiers": []},
        {"format": ["email"], "email": "ann@example.test"},
        {"email": "ann@example.test"},
        "ann@example.test",
    ],
)
def test_a_name_that_is_none(api: httpx.Client, idp: Registered, sub_id: object) -> None:
    """What is no subject identifier of the three formats is told, and ends nothing."""
    answer = api.post(PATH, json={"sub_id": sub_id}, headers=bearer(token_of(api, idp)))
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_body")


@pytest.mark.parametrize("text", ["a\x00b", "\ud800", "x" * 10_000, ""])
def test_odd_names_are_nobodys(api: httpx.Client, idp: Registered, text: str) -> None:
    """What no database could hold is nobody's name, in each format."""
    token = token_of(api, idp)
    for name in ({"format": "email", "email": text}, {"format": "opaque", "id": text}):
        content = json.dumps({"sub_id": name})
        answer = api.post(PATH, content=content, headers={**bearer(token), "content-type": "application/json"})
        assert answer.json()["code"] in {"user_not_found", "malformed_request", "invalid_email"}, answer.text


def test_a_stolen_secret_has_a_quota(api: httpx.Client, server: RunningServer) -> None:
    """A client that has asked as often as it may within an hour waits; another does not."""
    thief, honest = (add_client(server, name, "--scope", "sessions:revoke") for name in ("thief", "honest"))
    token = token_of(api, thief)
    for _ in range(FEW):
        assert revoke(api, token, format="opaque", id="usr_nobody") == (404, "user_not_found")
    assert revoke(api, token, format="opaque", id="usr_nobody") == (429, "too_many_attempts")
    assert revoke(api, token_of(api, honest), format="opaque", id="usr_nobody") == (404, "user_not_found")
