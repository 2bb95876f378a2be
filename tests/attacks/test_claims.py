"""Attacks by custom claims: people write them, plugins return them, other applications read them."""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.stories.test_outside_signer import install
from tests.stories.test_token_exchange import exchange
from tests.support.factors import bearer
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN, running_server

from gatepass.jose import jwt
from gatepass.server.base.custom_claims import FOR_ACCESS_TOKENS, FOR_ID_TOKENS
from gatepass.server.base.errors import StartupError
from gatepass.server.base.settings import load
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.server.features.oauth.token.token_exchange import GRANT_TYPE
from gatepass.tokens.access_token import AccessToken
from gatepass.tokens.id_token import IdToken

if TYPE_CHECKING:
    from collections.abc import Generator
    from pathlib import Path

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

    from gatepass.server import ClaimsRequest

ORDERS, STOCK = "https://orders.test", "https://stock.test"
OURS = sorted(
    {
        *AccessToken.__struct_fields__,
        *IdToken.__struct_fields__,
        *("nbf", "permissions", "may_act", "act_status", "events", "scp", "cid", "typ", "token_use", "active"),
        *("org_id", "org_slug", "org_roles", "org_anything", "gatepass:x", "_claim_names"),
    }
)
"""What the server and its verifiers read of a token, or will."""


# ── by the settings ──


@pytest.mark.parametrize("table", ["claims", "id_claims", "apis"])
def test_no_setting_takes_a_name_of_ours(table: str) -> None:
    """`sub`, `aud`, `cnf`, `act`, `status`, … : the server does not start, and says which table and name it was."""
    for name in OURS:
        mapped = {name: "user.app_metadata.x"}
        with pytest.raises(StartupError, match=rf"{table}.*{name}") as refused:
            load(flags={table: {STOCK: {"claims": mapped}} if table == "apis" else mapped})
        assert "reserved" in refused.value.message


@pytest.mark.parametrize(
    "path",
    [
        *("user.metadata.plan", "user.metadata", "user.app_metadata", "user.app_metadata.", "user.app_metadata..x"),
        *("user.password", "user.password_hash", "user.disabled_at", "user.locked_at", "user.origin", "user.roles"),
        *(
            "user",
            "user.",
            "",
            ".",
            "User.email",
            "user.email ",
            "user.email.x",
            "organization.secret",
            "session.token",
        ),
        *("session.address", "client.secret", "roles.0", "settings.master_key", "{user.email}", "user.__class__"),
    ],
)
def test_access_tokens_say_nothing_that_people_edit_or_nobody_knows(path: str) -> None:
    """`user.*` is a list of what is allowed; `user.metadata.*` would let people give themselves a plan."""
    with pytest.raises(StartupError, match="claims"):
        load(flags={"claims": {"x": path}})
    if path != "user.metadata.plan":
        with pytest.raises(StartupError, match="id_claims"):
            load(flags={"id_claims": {"x": path}})


def test_every_path_that_is_allowed_starts() -> None:
    """And these are all of them."""
    for kind, setting in ((FOR_ACCESS_TOKENS, "claims"), (FOR_ID_TOKENS, "id_claims")):
        for path in (*kind.paths, *(f"user.{document}.x.y" for document in kind.metadata)):
            load(flags={setting: {"x": path}})
    assert FOR_ACCESS_TOKENS.metadata == ("app_metadata",)


@pytest.mark.parametrize(
    "literal", [{"value": 1, "more": 2}, {}, 1, None, [], {"value": float("nan")}, {"value": 2**60}, {"val": 1}]
)
def test_a_claim_that_comes_from_nowhere_refuses_to_start(literal: object) -> None:
    """Neither a path nor `{ value = … }`, or a value that is not the same at every reader."""
    with pytest.raises(StartupError, match="claims"):
        load(flags={"claims": {"x": literal}})


def test_two_apis_cannot_mean_different_things_by_a_claim() -> None:
    """A token is for several APIs at once: the one whose claim is written last would read the other's."""
    with pytest.raises(StartupError, match="different things by tier"):
        load(flags={"claims": {"tier": "user.app_metadata.a"}, "apis": {STOCK: {"claims": {"tier": {"value": 1}}}}})
    load(flags={"claims": {"tier": {"value": 1}}, "apis": {STOCK: {"claims": {"tier": {"value": 1}}}}})


# ── at other applications ──

SETTINGS: dict[str, Any] = {
    "audience": [ORDERS],
    "roles": {"editor": {"permissions": ["articles:write"]}},
    "claims": {"secret_plan": "user.app_metadata.plan", "mail": "user.email"},
    "apis": {
        ORDERS: {"claims": {"orders_plan": "user.app_metadata.plan"}},
        STOCK: {"claims": {"stock_plan": "user.app_metadata.plan", "who": "user.id"}, "claims_scope": "stock:plan"},
    },
    "id_claims": {
        "theme": "user.metadata.theme",
        "id_plan": "user.app_metadata.plan",
        "id_mail": "user.email",
        "id_may": "permissions",
    },
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[RunningServer]:
    """A server with claims of every kind, where Ann is an editor with a plan."""
    with running_server(tmp_path_factory.mktemp("claims"), is_awaited=False, **SETTINGS) as running:
        with running.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
            token = api.post("/login", json=ANN).json()["token"]
            api.patch("/account", json={"metadata": {"theme": "dark"}}, headers=bearer(token))
        statement = """UPDATE users SET roles = 'editor', app_metadata = '{"plan": "pro"}'"""
        add_relying_party(running).write(statement)
        yield running


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client."""
    with server.client() as client:
        yield client


def party(server: RunningServer, *scope: str, **more: Any) -> RelyingParty:  # noqa: ANN401 - of a client
    """An application of somebody else."""
    return add_relying_party(server, audience=(ORDERS, STOCK), scope=("openid", *scope), **more)


CUSTOM = {"permissions", "secret_plan", "mail", "orders_plan", "stock_plan", "who"}


def test_tokens_of_our_own_application_have_them(api: httpx.Client) -> None:
    """What the others are compared with."""
    claims = jwt.peek(api.post("/login", json=ANN).json()["token"]).claims
    assert claims.keys() & CUSTOM == {"permissions", "secret_plan", "mail", "orders_plan"}


def test_other_applications_are_told_nothing(server: RunningServer, api: httpx.Client) -> None:
    """Their access tokens have no permissions and no claims, whatever APIs they are for."""
    tokens = party(server).sign_in(api)
    for token in (tokens["access_token"], tokens["id_token"]):
        assert not jwt.peek(token).claims.keys() & (CUSTOM | SETTINGS["id_claims"].keys())
    assert api.get("/oauth/userinfo", headers=bearer(tokens["access_token"])).json().keys() == {"sub"}


def test_a_consented_scope_opens_an_api_s_claims(server: RunningServer, api: httpx.Client) -> None:
    """Only those of the API that names the scope, and never those of `[claims]`; a pairwise name stays one."""
    pairwise = ClientMetadata(subject_type="pairwise")
    tokens = party(server, "stock:plan", metadata=pairwise).sign_in(api)
    claims = jwt.peek(tokens["access_token"]).claims
    assert claims.keys() & CUSTOM == {"stock_plan", "who"}
    assert claims["who"] == claims["sub"]


@pytest.mark.parametrize(
    ("scope", "told"),
    [("profile", {"theme", "id_plan"}), ("email", {"id_mail"}), ("roles", {"id_may"})],
)
def test_each_claim_of_an_id_token_has_its_scope(
    server: RunningServer, api: httpx.Client, scope: str, told: set[str]
) -> None:
    """Whoever was not allowed the address does not read it under another name."""
    tokens = party(server, scope).sign_in(api)
    names = SETTINGS["id_claims"].keys()
    assert jwt.peek(tokens["id_token"]).claims.keys() & names == told
    assert api.get("/oauth/userinfo", headers=bearer(tokens["access_token"])).json().keys() & names == told


def test_an_exchanged_token_has_none(server: RunningServer, api: httpx.Client) -> None:
    """What was said to one API is not carried on to the next; introspection says what the token does."""
    rules = ClientRules(consent="never", exchange_audience=(STOCK,))
    grants = (GRANT_TYPE, "client_credentials")
    orders = add_relying_party(
        server, audience=(ORDERS,), scope=("read",), grant_types=grants, metadata=ClientMetadata(), rules=rules
    )
    first = api.post("/login", json=ANN | {"audience": ORDERS}).json()["token"]
    answer = exchange(api, orders, first)
    assert answer.status_code == 200, answer.text
    assert not jwt.peek(answer.json()["access_token"]).claims.keys() & CUSTOM
    seen = api.post("/oauth/introspect", data={"token": first, **orders.credentials}).json()
    assert (seen["active"], seen["permissions"], seen["orders_plan"]) == (True, ["articles:write"], "pro")
    own = api.post("/oauth/token", data={"grant_type": "client_credentials", **orders.credentials}).json()
    assert not jwt.peek(own["access_token"]).claims.keys() & CUSTOM


# ── by plugins ──

PLUGIN = """
from gatepass.server import ClaimsRequest, Plugin
plugin = Plugin("claims")
returned = []
@plugin.extra_claims
async def claims(request: ClaimsRequest):
    return await returned[-1](request)
"""


async def _unending(_request: ClaimsRequest) -> dict[str, object]:
    await asyncio.Event().wait()
    return {}


async def _failing(_request: ClaimsRequest) -> dict[str, object]:
    raise RuntimeError("the password is hunter2")


def _returning(value: object) -> Any:  # noqa: ANN401 - of any type
    async def read(_request: ClaimsRequest) -> Any:  # noqa: ANN401 - as above
        return value

    return read


ANSWERS = {
    **{f"the name {name}": _returning({name: "x"}) for name in OURS},
    "a name that is mapped": _returning({"mail": "mallory@example.test"}),
    "a name that is no text": _returning({1: "x"}),
    "a name with a line break": _returning({"a\nb": "x"}),
    "a megabyte": _returning({"x": "x" * 1_000_000}),
    "bytes": _returning({"x": b"x"}),
    "an object of Python": _returning({"x": object()}),
    "not a number": _returning({"x": float("nan")}),
    "a surrogate": _returning({"x": "\ud800"}),
    "a huge number": _returning({"x": 10**400}),
    "nesting": _returning({"x": [[[[[[[[[[1]]]]]]]]]]}),
    "a member without a name": _returning({"x": {1: 2}}),
    "a list": _returning(["sub"]),
    "nothing": _returning(None),
    "no end": _unending,
    "an error": _failing,
}


class Plugged:
    """A server with a plugin as an installer leaves it, and what the plugin does."""

    def __init__(self, api: httpx.Client, returned: list[Any]) -> None:
        self.api = api
        self._returned = returned
        self.returns(_returning({"tenant": "t1"}))

    def returns(self, function: Any) -> None:  # noqa: ANN401 - a function of the plugin
        """What the plugin does from now on."""
        self._returned.append(function)


@pytest.fixture(scope="module")
def plugged(tmp_path_factory: pytest.TempPathFactory) -> Generator[Plugged]:
    """A server whose plugin is found by its entry point."""
    folder: Path = tmp_path_factory.mktemp("packages")
    (folder / "our_claims.py").write_text(PLUGIN)
    install(folder, "our_claims", "claims = our_claims:plugin")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "path", [str(folder), *sys.path])
        data = tmp_path_factory.mktemp("plugged")
        with running_server(data, is_awaited=False, **SETTINGS) as running, running.client() as api:
            returned: list[Any] = sys.modules["our_claims"].returned
            plugged = Plugged(api, returned)
            assert api.post("/signup", json=ANN).status_code == 201
            yield plugged


def test_a_plugin_adds_claims(plugged: Plugged) -> None:
    """It is told whom the token is about, and what it returns stands there, at sign-in and refresh."""
    asked: list[ClaimsRequest] = []

    async def read(request: ClaimsRequest) -> dict[str, object]:
        asked.append(request)
        return {"tenant": {"id": "t1", "tiers": [1, 2.5, None, True, "ü"]}}

    plugged.returns(read)
    pair = plugged.api.post("/login", json=ANN).json()
    refreshed = plugged.api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).json()
    for each in (pair, refreshed):
        assert jwt.peek(each["token"]).claims["tenant"] == {"id": "t1", "tiers": [1, 2.5, None, True, "ü"]}
    claims = jwt.peek(pair["token"]).claims
    assert (asked[0].user_id, asked[0].email, asked[0].session_id) == (claims["sub"], ANN["email"], claims["sid"])
    assert not hasattr(asked[0], "metadata")


def test_what_a_plugin_may_not_say_makes_no_token(plugged: Plugged, capsys: pytest.CaptureFixture[str]) -> None:
    """No reserved name, no other type, no size and no delay gets through; the session stays, and goes on afterwards."""
    plugged.returns(_returning({}))
    pair = plugged.api.post("/login", json=ANN).json()
    for what, answer in ANSWERS.items():
        plugged.returns(answer)
        began = time.monotonic()
        refused = plugged.api.post("/refresh", json={"refresh_token": pair["refresh_token"]})
        assert time.monotonic() - began < 3, what
        assert (refused.status_code, refused.json()["code"]) in {
            (503, "claims_unavailable"),
            (403, "token_too_large"),
        }, (what, refused.text)
    assert "hunter2" not in capsys.readouterr().out
    plugged.returns(_returning({"tenant": "t1"}))
    again = plugged.api.post("/refresh", json={"refresh_token": pair["refresh_token"]})
    assert jwt.peek(again.json()["token"]).claims["tenant"] == "t1"
