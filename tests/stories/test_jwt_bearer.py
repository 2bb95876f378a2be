"""Assertions of other issuers as authorization grants (RFC 7523 §2.1), and ID-JAG by MCP's own SDK, unchanged."""

from __future__ import annotations

import asyncio
import json
import secrets
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import httpx2
import pytest
from mcp import ClientSession
from mcp.client.auth.extensions.identity_assertion import IdentityAssertionOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from tests.stories.test_dpop import Prover
from tests.stories.test_mcp import Storage, WallClock, mcp_app, serving
from tests.support.relying_party import add_relying_party
from tests.support.scripted_site import ScriptedSite
from tests.support.server import ANN, SettableClock, running_server
from tests.support.signing_party import add_signing_party
from tests.support.wait import soon

from gatepass.cli.main import main
from gatepass.jose import Key, KeySet, jwt
from gatepass.server.domain.sessions.client_metadata import ClientRules
from gatepass.server.features.oauth.token.jwt_bearer import GRANT_TYPE
from gatepass.tokens import assertion_grant
from gatepass.verify import Verifier
from gatepass.verify.errors import RevokedError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from pathlib import Path

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

CORP, SUBJECT = "https://login.corp.test", "employee-7"
API, OTHER_API, PRIVATE_API = "https://notes.test", "https://mail.test", "https://hr.test"
KEY, STRANGER = Key.generate("ES256"), Key.generate("ES256")
AGENT, NEIGHBOUR = "cli_agent", "cli_neighbour"


def trusted(jwks_file: Path, **changed: Any) -> dict[str, dict[str, Any]]:  # noqa: ANN401 - settings
    """The operator's table of that issuer."""
    jwks_file.write_text(json.dumps(KeySet([KEY.public()]).to_jwks()))
    usual = {"issuer": CORP, "jwks_file": str(jwks_file), "clients": (AGENT,), "audiences": (API, OTHER_API)}
    return {"corp": usual | changed}


def agent_of(server: RunningServer, client_id: str = AGENT, **more: Any) -> RelyingParty:  # noqa: ANN401 - of a client
    """A client that may use the grant type; of its three APIs, the issuer opens two."""
    usual: dict[str, Any] = {
        "id": client_id,
        "grant_types": (GRANT_TYPE,),
        "audience": (API, OTHER_API, PRIVATE_API),
        "scope": ("read", "write", "offline_access"),
        "rules": ClientRules(consent="never", default_scope=("read",)),
    }
    return add_relying_party(server, **(usual | more))


def link(agent: RelyingParty, subject: str = SUBJECT) -> None:
    """Connect Ann's account with the one that she has at the other issuer, as a sign-in with it does."""
    agent.write(
        "INSERT INTO identities (id, user_id, provider, issuer, subject, email, created_at)"
        " SELECT ?1, id, 'corp', ?2, ?3, 'other@corp.test', 0 FROM users",
        f"idn_{subject}",
        CORP,
        subject,
    )


def assertion(server: RunningServer, key: Key = KEY, typ: str | None = assertion_grant.TYP, **changed: Any) -> str:  # noqa: ANN401 - claims
    """What the other issuer says; None leaves a claim out."""
    now = int(server.clock())
    usual = {
        "iss": CORP,
        "sub": SUBJECT,
        "aud": server.url,
        "client_id": AGENT,
        "resource": API,
        "scope": "read",
        "iat": now,
        "exp": now + 300,
        "jti": secrets.token_hex(8),
    }
    return jwt.sign({name: value for name, value in (usual | changed).items() if value is not None}, key, typ)


def trade(api: httpx.Client, agent: RelyingParty, token: str, **form: Any) -> httpx.Response:  # noqa: ANN401 - a form
    """Trade an assertion for a token."""
    headers = form.pop("headers", {})
    sent = {"grant_type": GRANT_TYPE, "assertion": token, **agent.credentials, **form}
    return api.post("/oauth/token", data=sent, headers=headers)


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[RunningServer, RelyingParty]]:
    """One server for what changes nothing there, Ann with an account elsewhere too, and the client."""
    folder = tmp_path_factory.mktemp("assertions")
    corp = trusted(folder / "jwks.json")
    with running_server(folder / "data", SettableClock(), trusted_issuers=corp, attempts_per_address=10_000) as server:
        with server.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
        agent = agent_of(server)
        link(agent)
        yield server, agent


@pytest.fixture
def server(served: tuple[RunningServer, RelyingParty]) -> RunningServer:
    """The server."""
    return served[0]


@pytest.fixture
def agent(served: tuple[RunningServer, RelyingParty]) -> RelyingParty:
    """The client."""
    return served[1]


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client of the server."""
    with server.client() as client:
        yield client


def test_an_assertion_is_traded_for_a_token(server: RunningServer, api: httpx.Client, agent: RelyingParty) -> None:
    """Ann's, by her account at that issuer and not by her address; for what the assertion says; nothing to refresh."""
    answer = trade(api, agent, assertion(server, auth_time=int(server.clock()) - 900))
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    body = answer.json()
    assert set(body) == {"access_token", "token_type", "expires_in", "scope"}
    claims = jwt.peek(body["access_token"]).claims
    assert claims["sub"] == agent.read("SELECT id FROM users WHERE email = ?1", ANN["email"])
    assert (claims["aud"], claims["scope"], claims["client_id"]) == (API, "read", AGENT)
    assert claims["auth_time"] == int(server.clock()) - 900


def test_when_nobody_says_when_the_person_signed_in(
    server: RunningServer, api: httpx.Client, agent: RelyingParty
) -> None:
    """Then the token does not say it either, so that no API takes the trade for a fresh sign-in."""
    claims = jwt.peek(trade(api, agent, assertion(server)).json()["access_token"]).claims
    assert "auth_time" not in claims
    ahead = trade(api, agent, assertion(server, auth_time=int(server.clock()) + 900)).json()["access_token"]
    assert jwt.peek(ahead).claims["auth_time"] == int(server.clock())


@pytest.mark.parametrize(
    ("said", "asked", "audience", "scope"),
    [
        ({"scope": "read write"}, {}, API, "read write"),
        ({"scope": "read write admin"}, {}, API, "read write"),
        ({"scope": "read write"}, {"scope": "write"}, API, "write"),
        ({"scope": None}, {}, API, "read"),
        ({"scope": None}, {"scope": "write"}, API, "write"),
        ({"resource": [API, OTHER_API]}, {"resource": OTHER_API}, OTHER_API, "read"),
        ({"resource": None}, {"resource": OTHER_API}, OTHER_API, "read"),
        ({"resource": None}, {}, [API, OTHER_API], "read"),
        ({"resource": [API, PRIVATE_API]}, {}, API, "read"),
        ({"resource": f"{API}/"}, {}, API, "read"),
        ({"resource": API}, {"resource": f"{API}/"}, API, "read"),
        ({"aud": "a list"}, {}, API, "read"),
    ],
)
def test_what_the_token_is_for(
    server: RunningServer,
    api: httpx.Client,
    agent: RelyingParty,
    said: dict[str, Any],
    asked: dict[str, str],
    audience: str | list[str],
    scope: str,
) -> None:
    """No more than assertion, operator and registration all allow, and of that what is asked."""
    said = {"aud": [server.url]} if "aud" in said else said
    answer = trade(api, agent, assertion(server, **said), **asked)
    assert answer.status_code == 200, answer.text
    claims = jwt.peek(answer.json()["access_token"]).claims
    assert (claims["aud"], claims["scope"]) == (audience, scope)


@pytest.mark.parametrize("typ", [None, "JWT", "application/oauth-id-jag+jwt"])
def test_the_kinds_of_assertion(server: RunningServer, api: httpx.Client, agent: RelyingParty, typ: str | None) -> None:
    """RFC 7523 knows no `typ`; the profile has its own. A plain assertion need not name the client."""
    named = AGENT if typ and "jag" in typ else None
    assert trade(api, agent, assertion(server, typ=typ, client_id=named)).status_code == 200


HOSTILE: dict[str, tuple[dict[str, Any], str]] = {
    "another issuer": ({"iss": "https://evil.test"}, "invalid_grant"),
    "no issuer": ({"iss": None}, "invalid_grant"),
    "another's key": ({"key": STRANGER}, "invalid_grant"),
    "for another server": ({"aud": "https://other.test"}, "invalid_grant"),
    "for another server too": ({"aud": ["SERVER", "https://other.test"]}, "invalid_grant"),
    "for the token endpoint": ({"aud": "SERVER/oauth/token"}, "invalid_grant"),
    "for nobody": ({"aud": None}, "invalid_grant"),
    "expired": ({"exp": -61}, "invalid_grant"),
    "no end": ({"exp": None}, "invalid_grant"),
    "longer than ten minutes": ({"exp": 601}, "invalid_grant"),
    "not yet": ({"nbf": 61}, "invalid_grant"),
    "from the future": ({"iat": 120}, "invalid_grant"),
    "no name of its own": ({"jti": None}, "invalid_grant"),
    "an access token": ({"typ": "at+jwt"}, "invalid_grant"),
    "an access token, spelled out": ({"typ": "application/at+jwt"}, "invalid_grant"),
    "a logout token": ({"typ": "logout+jwt"}, "invalid_grant"),
    "a DPoP proof": ({"typ": "dpop+jwt"}, "invalid_grant"),
    "of another client": ({"client_id": NEIGHBOUR}, "invalid_grant"),
    "of no client": ({"client_id": None}, "invalid_grant"),
    "a plain one of another client": ({"client_id": NEIGHBOUR, "typ": None}, "invalid_grant"),
    "about a stranger": ({"sub": "employee-8"}, "invalid_grant"),
    "about an address": ({"sub": ANN["email"], "email": ANN["email"], "email_verified": True}, "invalid_grant"),
    "about nobody": ({"sub": None}, "invalid_grant"),
    "about the empty name": ({"sub": ""}, "invalid_grant"),
    "about a name with NUL": ({"sub": "a\0b"}, "invalid_grant"),
    "resources that are no texts": ({"resource": [1]}, "invalid_grant"),
    "no resources": ({"resource": []}, "invalid_grant"),
    "scopes that are no text": ({"scope": ["read"]}, "invalid_grant"),
    "a time that is no number": ({"auth_time": "now"}, "invalid_grant"),
    "an API that the issuer may not open": ({"resource": PRIVATE_API}, "invalid_target"),
    "an API that nobody knows": ({"resource": "https://elsewhere.test"}, "invalid_target"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_assertions(server: RunningServer, api: httpx.Client, agent: RelyingParty, name: str) -> None:
    """Each is refused for what it is, and the next good one is taken."""
    changed, error = HOSTILE[name]
    said: dict[str, Any] = {}
    for claim, value in changed.items():
        if claim in ("exp", "nbf", "iat") and value is not None:
            said[claim] = int(server.clock()) + value
        elif claim == "aud" and value is not None:
            named = [value] if isinstance(value, str) else value
            said[claim] = [each.replace("SERVER", server.url) for each in named]
        else:
            said[claim] = value
    answer = trade(api, agent, assertion(server, **said))
    assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text
    assert trade(api, agent, assertion(server)).status_code == 200


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        ({"assertion": ""}, "invalid_request"),
        ({"assertion": "nonsense"}, "invalid_grant"),
        ({"assertion": "e30.e30."}, "invalid_grant"),
        ({"resource": OTHER_API}, "invalid_target"),
        ({"resource": PRIVATE_API}, "invalid_target"),
        ({"scope": "write"}, "invalid_scope"),
        ({"scope": "offline_access"}, "invalid_scope"),
        ({"client_secret": "wrong"}, "invalid_client"),
    ],
)
def test_hostile_requests(
    server: RunningServer, api: httpx.Client, agent: RelyingParty, asked: dict[str, str], error: str
) -> None:
    """Beyond what the assertion gives, there is nothing; and a refused request does not use the assertion up."""
    good = assertion(server)
    answer = trade(api, agent, good, **asked)
    assert answer.json()["error"] == error, answer.text
    assert trade(api, agent, good).status_code == 200


def test_clients_that_are_not_listed(server: RunningServer, api: httpx.Client, agent: RelyingParty) -> None:
    """Neither one that is not named there, nor one without the grant type, nor one that proves nothing."""
    neighbour = agent_of(server, NEIGHBOUR)
    assert trade(api, neighbour, assertion(server, client_id=NEIGHBOUR)).json()["error"] == "invalid_grant"
    plain = agent_of(server, "cli_plain", grant_types=("client_credentials",))
    assert trade(api, plain, assertion(server, client_id="cli_plain")).json()["error"] == "unauthorized_client"
    public = agent_of(server, "cli_public", is_public=True)
    assert trade(api, public, assertion(server, client_id="cli_public")).json()["error"] == "unauthorized_client"


def test_a_token_that_is_bound_to_a_key(server: RunningServer, api: httpx.Client, agent: RelyingParty) -> None:
    """RFC 9449: whoever proves a key gets a token that is worth nothing without it."""
    answer = trade(api, agent, assertion(server), headers=Prover(server)("/oauth/token")).json()
    assert answer["token_type"] == "DPoP"
    assert "jkt" in jwt.peek(answer["access_token"]).claims["cnf"]


def test_metadata_says_it_only_where_it_is_on(server: RunningServer, api: httpx.Client, tmp_path: Path) -> None:
    """RFC 8414: the grant type and the profile are announced where an issuer is trusted, and served nowhere else."""
    metadata = api.get("/.well-known/oauth-authorization-server").json()
    assert metadata["authorization_grant_profiles_supported"] == [assertion_grant.PROFILE]
    assert GRANT_TYPE in metadata["grant_types_supported"]
    with running_server(tmp_path / "data", SettableClock()) as off, off.client() as client:
        metadata = client.get("/.well-known/oauth-authorization-server").json()
        assert "authorization_grant_profiles_supported" not in metadata
        assert GRANT_TYPE not in metadata["grant_types_supported"]
        answer = trade(client, agent_of(off), assertion(server))
        assert answer.json()["error"] == "unsupported_grant_type"


@contextmanager
def two_nodes(folder: Path, database: str, **settings: Any) -> Generator[tuple[RunningServer, RunningServer]]:  # noqa: ANN401 - settings
    """Two servers on one database, with one issuer, the second's URL."""
    clock = SettableClock()
    common = {"trusted_issuers": trusted(folder / "jwks.json"), "database": database, **settings}
    with (
        running_server(folder / "data", clock, **common) as there,
        running_server(folder / "data", clock, issuer=there.url, **common) as here,
    ):
        yield here, there


@pytest.mark.parametrize("kind", ["sqlite", "postgres18"])
def test_an_assertion_is_good_once_on_two_nodes(request: pytest.FixtureRequest, tmp_path: Path, kind: str) -> None:
    """Of ten at once at two nodes one gets a token, and none does when the name comes again in other words.

    The same holds for assertions by which a client proves to be itself.
    """
    database = "" if kind == "sqlite" else request.getfixturevalue(kind).migrated_database()
    with two_nodes(tmp_path, database) as nodes, ExitStack() as stack:
        here, there = (stack.enter_context(node.client()) for node in nodes)
        assert here.post("/signup", json=ANN).status_code == 201
        agent = agent_of(nodes[0])
        link(agent)
        once = assertion(nodes[0], jti="once")
        threads = stack.enter_context(ThreadPoolExecutor(10))
        answers = list(threads.map(lambda number: trade((here, there)[number % 2], agent, once), range(10)))
        assert sorted(answer.status_code for answer in answers) == [200, *[400] * 9]
        assert {answer.json().get("error") for answer in answers} == {None, "invalid_grant"}
        signing = add_signing_party(nodes[0], grant_types=("client_credentials",))
        form = {"grant_type": "client_credentials", **signing.assertion()}
        asked = threads.map(lambda number: (here, there)[number % 2].post("/oauth/token", data=form), range(10))
        assert sorted(answer.status_code for answer in asked) == [200, *[401] * 9]
        again = assertion(nodes[0], jti="once", scope="write")
        assert trade(there, agent, again).json()["error"] == "invalid_grant"


def _logout_everywhere(node: RunningServer, _: RelyingParty) -> None:
    with node.client() as api:
        headers = {"authorization": f"Bearer {api.post('/login', json=ANN).json()['token']}"}
        assert api.post("/logout/all", headers=headers).status_code == 204


def _disconnect(node: RunningServer, agent: RelyingParty) -> None:
    with node.client() as api:
        headers = {"authorization": f"Bearer {api.post('/login', json=ANN).json()['token']}"}
        assert {each["kind"] for each in api.get("/sessions", headers=headers).json()["sessions"]} == {"browser"}
        shown = api.get("/account/consents", headers=headers).json()["consents"]
        assert [each["client_id"] for each in shown] == [agent.id]
        assert api.delete(f"/account/consents/{agent.id}", headers=headers).status_code == 204


def _command(*words: str) -> Callable[[RunningServer, RelyingParty], None]:
    def run(node: RunningServer, _: RelyingParty) -> None:
        main([*words, *node.place])

    return run


ENABLE = _command("user", "enable", ANN["email"])
ENDINGS: dict[str, tuple[Callable[[RunningServer, RelyingParty], None], str | None]] = {
    "disconnected": (_disconnect, None),
    "signed out everywhere": (_logout_everywhere, None),
    "person disabled": (_command("user", "disable", ANN["email"]), "invalid_grant"),
    "client disabled": (_command("client", "disable", AGENT), "invalid_client"),
    "client removed": (_command("client", "remove", AGENT), "invalid_client"),
}
"""What happens, and how the next assertion is answered after it; None: by a token."""
UNDONE = {"person disabled": ENABLE, "client disabled": _command("client", "enable", AGENT)}


def test_what_ends_its_tokens(tmp_path: Path) -> None:
    """Each at a verifier that follows another node, within a second; and the next assertion is judged by what holds."""
    with two_nodes(tmp_path, "") as (here, there), here.client() as api, there.client() as other:
        assert api.post("/signup", json=ANN).status_code == 201
        agent = agent_of(here)
        link(agent)
        with Verifier(issuer=there.url, audience=API, clock=there.clock) as verifier:
            for name, (happen, error) in ENDINGS.items():
                token = trade(api, agent, assertion(here)).json()["access_token"]
                assert verifier.verify(token).client_id == AGENT
                happen(here, agent)
                soon(lambda token=token: is_revoked(verifier, token))  # type: ignore[misc]
                assert trade(other, agent, assertion(here)).json().get("error") == error, name
                if name in UNDONE:
                    UNDONE[name](here, agent)


def is_revoked(verifier: Verifier, token: str) -> bool:
    """Whether a verifier knows that a token is dead."""
    try:
        verifier.verify(token)
    except RevokedError:
        return True
    return False


def test_an_account_that_is_no_longer_connected(server: RunningServer, api: httpx.Client, agent: RelyingParty) -> None:
    """The person has disconnected the account elsewhere: what is said about it is about nobody here."""
    link(agent, "employee-9")
    assert trade(api, agent, assertion(server, sub="employee-9")).status_code == 200
    agent.write("DELETE FROM identities WHERE subject = ?1", "employee-9")
    assert trade(api, agent, assertion(server, sub="employee-9")).json()["error"] == "invalid_grant"


def test_an_issuer_that_is_no_longer_trusted(tmp_path: Path) -> None:
    """The operator has taken its table away: nothing that it says counts, whatever it said before."""
    corp = trusted(tmp_path / "jwks.json")
    with running_server(tmp_path / "data", SettableClock(), trusted_issuers=corp) as before, before.client() as api:
        assert api.post("/signup", json=ANN).status_code == 201
        agent = agent_of(before)
        link(agent)
        assert trade(api, agent, assertion(before)).status_code == 200
    other = trusted(tmp_path / "jwks.json", issuer="https://other.test")
    with running_server(tmp_path / "data", SettableClock(), trusted_issuers=other) as after, after.client() as api:
        assert trade(api, agent, assertion(after)).json()["error"] == "invalid_grant"
        assert trade(api, agent, assertion(after, iss="https://other.test")).json()["error"] == "invalid_grant"


MCP_SCOPE = "notes:read"


def test_the_mcp_sdk_trades_an_id_jag(tmp_path: Path) -> None:
    """Enterprise-managed authorization: the SDK's own client, unchanged, calls a tool; keys come by `jwks_url`."""
    with ScriptedSite() as corp, socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
        jwks_url = corp.put("/jwks", KeySet([KEY.public()]).to_jwks())
        trusts = {"corp": {"issuer": CORP, "jwks_url": jwks_url, "clients": [AGENT], "audiences": [url]}}
        with running_server(tmp_path / "data", WallClock(), trusted_issuers=trusts) as server, server.client() as api:
            assert api.post("/signup", json=ANN).status_code == 201
            agent = agent_of(server, audience=(url,), scope=(MCP_SCOPE,))
            link(agent)
            verifier = Verifier(issuer=server.url, audience=url)
            with serving(mcp_app(verifier), listener):
                said = asyncio.run(whoami(server, agent, url))
            verifier.close()
            assert said.startswith("usr_")
            assert said.endswith(f" by {AGENT}")


async def whoami(server: RunningServer, agent: RelyingParty, url: str) -> str:
    """Call the tool by the SDK's client."""

    async def from_corp(audience: str, resource: str) -> str:
        return assertion(server, aud=audience, resource=resource, scope=MCP_SCOPE)

    auth = IdentityAssertionOAuthProvider(
        server_url=url,
        storage=Storage(),
        client_id=agent.id,
        client_secret=agent.secret,
        issuer=server.url,
        assertion_provider=from_corp,
        scope=MCP_SCOPE,
    )
    async with (
        httpx2.AsyncClient(auth=auth, timeout=30) as http,
        streamable_http_client(url, http_client=http) as streams,
        ClientSession(*streams[:2]) as session,
    ):
        await session.initialize()
        result = await session.call_tool("whoami", {})
        content: Any = result.content[0]
        return str(content.text)
