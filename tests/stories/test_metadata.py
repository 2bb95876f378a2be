"""What the issuer says of itself, read as clients read it: one document at two names, with what is served."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from authlib.oauth2.rfc8414 import AuthorizationServerMetadata
from authlib.oidc.discovery import OpenIDProviderMetadata
from mcp.shared.auth import OAuthMetadata, ProtectedResourceMetadata
from tests.support.node import installed, node
from tests.support.relying_party import add_relying_party
from tests.support.server import running_server

from gatepass.server.domain.sessions.client_metadata import ClientMetadata
from gatepass.server.web.metadata import joined

if TYPE_CHECKING:
    import httpx
    from tests.support.server import RunningServer

OAUTH, OPENID = "/.well-known/oauth-authorization-server", "/.well-known/openid-configuration"
RESOURCE = "/.well-known/oauth-protected-resource"
CLIENT = Path(__file__).parents[1] / "support" / "openid_client"


def document(api: httpx.Client, path: str = OPENID) -> dict[str, Any]:
    """One of the documents."""
    answer = api.get(path)
    assert answer.status_code == 200
    members: dict[str, Any] = answer.json()
    return members


def test_both_names_have_the_same_octets(api: httpx.Client) -> None:
    """RFC 8414 and OpenID Connect Discovery: also the same ETag, for any origin, and to be cached."""
    first, second = api.get(OAUTH), api.get(OPENID)
    assert first.content == second.content
    assert first.headers["etag"] == second.headers["etag"]
    for answer in (first, second):
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["access-control-allow-origin"] == "*"
        assert answer.headers["cache-control"] == "public, max-age=300"
    again = api.get(OPENID, headers={"if-none-match": first.headers["etag"]})
    assert again.status_code == 304


def test_an_issuer_with_a_path_is_found_wherever_clients_look(tmp_path: Path) -> None:
    """Before its path, as RFC 8414 §3.1 and RFC 9728 §3.1 say, and after it, as Discovery §4; MCP clients try all."""
    with running_server(tmp_path, issuer="http://localhost/auth/v1") as server, server.client() as api:
        api.base_url = f"http://localhost:{server.settings.port}"
        paths = [f"{name}/auth/v1" for name in (OAUTH, OPENID)] + [f"/auth/v1{name}" for name in (OAUTH, OPENID)]
        assert len({api.get(path).content for path in paths}) == 1
        found = document(api, paths[0])
        assert found["issuer"] == "http://localhost/auth/v1"
        assert found["userinfo_endpoint"] == "http://localhost/auth/v1/oauth/userinfo"
        assert document(api, f"{RESOURCE}/auth/v1")["resource"] == "http://localhost/auth/v1"
        assert document(api, f"/auth/v1{RESOURCE}")["resource"] == "http://localhost/auth/v1"
        assert api.get(OPENID).status_code == 404


def test_oidcc_discovery_endpoint_verification(api: httpx.Client, server: RunningServer) -> None:
    """OIDF `oidcc-discovery-endpoint-verification`: what Discovery §3 requires is there, and as it requires it."""
    found = document(api)
    assert found["issuer"] == server.url
    for name in ("authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri"):
        assert found[name].startswith(server.url + "/")
    assert found["response_types_supported"] == ["code"]
    assert {"public", "pairwise"} >= set(found["subject_types_supported"]) >= {"public"}
    assert "RS256" in found["id_token_signing_alg_values_supported"]
    assert "openid" in found["scopes_supported"]
    assert {"sub", "iss", "auth_time", "acr", "email", "email_verified"} <= set(found["claims_supported"])
    # absent, `request_uri_parameter_supported` would mean true
    assert (found["request_uri_parameter_supported"], found["claims_parameter_supported"]) == (False, True)
    assert found["code_challenge_methods_supported"] == ["S256"]
    assert found["authorization_response_iss_parameter_supported"] is True
    assert "none" in found["token_endpoint_auth_methods_supported"]
    assert not [name for name, value in found.items() if value is None or value == []]


def test_only_what_is_served_is_told_of(api: httpx.Client) -> None:
    """Each endpoint is there: it answers a request that says nothing with 400, 401 or 415."""
    found = document(api)
    for name, url in found.items():
        if name.endswith("_endpoint"):
            assert api.post(url).status_code in (400, 401, 415), name


@pytest.mark.parametrize(
    ("settings", "algs"),
    [
        ({"alg": "RS256"}, ["RS256"]),
        ({"id_token_alg": "ES256"}, ["ES256"]),
        ({"alg": "HS256", "audience": ("https://api.example.test",)}, ["RS256"]),
        ({"alg": "Ed25519"}, ["RS256", "Ed25519"]),
    ],
)
def test_what_id_tokens_may_be_signed_with(tmp_path: Path, settings: dict[str, Any], algs: list[str]) -> None:
    """The algorithm that is set for them, and the access tokens' where a key pair makes those."""
    with running_server(tmp_path, **settings) as server, server.client() as api:
        assert document(api)["id_token_signing_alg_values_supported"] == algs


def test_authlib_takes_it(api: httpx.Client) -> None:
    """Its validators for both specifications: Python relying parties configure themselves by it."""
    found = document(api)
    # Both want https, which a server on loopback does without.
    secure = json.loads(json.dumps(found).replace("http://localhost", "https://localhost"))
    AuthorizationServerMetadata(secure).validate()
    OpenIDProviderMetadata(secure).validate()


def test_the_mcp_sdk_takes_it(api: httpx.Client, server: RunningServer) -> None:
    """Its models of the authorization server and of the resource; it goes no further without S256."""
    found = OAuthMetadata.model_validate(document(api, OAUTH))
    assert str(found.authorization_endpoint) == f"{server.url}/oauth/authorize"
    assert found.code_challenge_methods_supported == ["S256"]
    assert "offline_access" in (found.scopes_supported or [])
    resource = ProtectedResourceMetadata.model_validate(document(api, RESOURCE))
    assert [str(each).rstrip("/") for each in resource.authorization_servers] == [server.url]
    assert "offline_access" not in (resource.scopes_supported or [])


def test_the_own_api_tells_who_issues_its_tokens(api: httpx.Client, server: RunningServer) -> None:
    """RFC 9728 §2, §3.3: `resource` is the issuer, which is the audience of the server's own calls."""
    found = document(api, RESOURCE)
    assert (found["resource"], found["authorization_servers"]) == (server.url, [server.url])
    assert found["bearer_methods_supported"] == ["header"]
    assert document(api, OAUTH)["protected_resources"] == [server.url]
    assert api.get(RESOURCE).headers["access-control-allow-origin"] == "*"


@pytest.mark.parametrize("alg", ["", "RS256", "ES256"])
def test_openid_client_finds_and_reads_everything(
    server: RunningServer, api: httpx.Client, ann: dict[str, str], alg: str
) -> None:
    """By openid-client of npm: discovery by either name, a refresh, the ID token's signature, UserInfo, a refusal.

    The ID token and UserInfo are signed with what the client has registered.
    """
    server.clock.now = time.time()  # by which the client goes
    registered = {} if not alg else {"id_token_signed_response_alg": alg, "userinfo_signed_response_alg": alg}
    app = add_relying_party(server, metadata=ClientMetadata(**registered))  # type: ignore[arg-type]
    refresh_token = api.post("/login", json={**ann, "client_id": app.id}).json()["refresh_token"]
    told = {"issuer": server.url, **app.credentials, "refresh_token": refresh_token, "metadata": registered}
    done = subprocess.run(
        [node(), str(installed(CLIENT) / "userinfo.mjs")],
        input=json.dumps(told),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert found["oauth2"]["issuer"] == found["oidc"]["issuer"] == server.url
    assert found["header"]["alg"] == (alg or "RS256")
    assert found["claims"]["aud"] == app.id
    assert found["userinfo"]["sub"] == found["claims"]["sub"]
    assert found["userinfo"]["email"] == ann["email"]
    assert (found["refused"]["status"], found["refused"]["challenge"]) == (401, "invalid_token")


def test_modules_say_their_members_together() -> None:
    """Lists are joined without doubles; anything else is said once, or it is a mistake of ours."""
    assert joined(({"a": ("x",), "b": 1}, {"a": ["y", "x"]})) == {"a": ("x", "y"), "b": 1}
    with pytest.raises(AssertionError):
        joined(({"b": 1}, {"b": 1}))


def test_every_url_is_the_issuers(api: httpx.Client, server: RunningServer) -> None:
    """None of them was taken from a header, and none is elsewhere."""
    for name, value in document(api).items():
        if isinstance(value, str) and "://" in value:
            assert urlsplit(value).netloc == urlsplit(server.url).netloc, name
