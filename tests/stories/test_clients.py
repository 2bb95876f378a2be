"""What becomes of a client's tokens when its operator changes it, and the keys that it publishes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

import pytest
from tests.stories.test_authorize import browser, signed_in
from tests.stories.test_oauth import ask, error, register
from tests.support.authorization import Flow, code_of
from tests.support.commands import Registered
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.scripted_site import ScriptedSite
from tests.support.server import ANN, SettableClock
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import Key, KeySet, jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata
from gatepass.tokens import dpop_proof

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.pages import Browser
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

__all__ = ["browser", "signed_in"]

SCOPE = ("openid", "email", "offline_access")


@pytest.fixture
def clock() -> SettableClock:
    """The server's clock, beginning at the time that commands have."""
    return SettableClock(time.time())


@pytest.fixture
def site() -> Generator[ScriptedSite]:
    """The client's own site."""
    with ScriptedSite() as site:
        yield site


def publish(site: ScriptedSite, *keys: Key) -> str:
    """Publish keys; where."""
    return site.put("/keys", KeySet([key.public() for key in keys]).to_jwks(), headers={"Cache-Control": "max-age=300"})


def signs(server: RunningServer, client: Registered, key: Key, jti: str) -> dict[str, str]:
    """What proves the client by a signature."""
    claims = {"iss": client.id, "sub": client.id, "aud": server.url, "jti": jti, "exp": int(server.clock.now) + 60}
    return {
        "grant_type": "client_credentials",
        "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
        "client_assertion": jwt.sign(claims, key),
    }


def signed_in_at(party: RelyingParty, browser: Browser, api: httpx.Client) -> dict[str, Any]:
    """The tokens of a whole sign-in at a client."""
    flow = Flow(party, browser)
    tokens: dict[str, Any] = flow.redeem(api, code_of(flow.ask(scope="openid email"))).json()
    return tokens


def test_oidcc_refresh_token_rp_key_rotation(
    server: RunningServer,
    api: httpx.Client,
    site: ScriptedSite,
    clock: SettableClock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Keys at a `jwks_uri` are fetched when first needed, kept while fresh, and looked at again for a new one."""
    old, new = Key.generate("ES256"), Key.generate("ES256")
    client = register(server, capsys, "--jwks-uri", publish(site, old))
    assert site.asked == []
    assert api.post("/oauth/token", data=signs(server, client, old, "1")).status_code == 200
    assert api.post("/oauth/token", data=signs(server, client, old, "2")).status_code == 200
    assert site.times("/keys") == 1
    publish(site, new)
    clock.advance(31)
    assert api.post("/oauth/token", data=signs(server, client, new, "3")).status_code == 200
    assert error(api.post("/oauth/token", data=signs(server, client, old, "4"))) == (401, "invalid_client")
    assert site.times("/keys") == 2


def test_keys_that_cannot_be_read(
    server: RunningServer,
    api: httpx.Client,
    site: ScriptedSite,
    clock: SettableClock,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """A client whose host is away is not let in; one whose keys are known goes on while it is."""
    key = Key.generate("ES256")
    client = register(server, capsys, "--jwks-uri", f"{site.url}/keys")
    assert error(api.post("/oauth/token", data=signs(server, client, key, "1"))) == (401, "invalid_client")
    assert error(api.post("/oauth/token", data=signs(server, client, key, "2"))) == (401, "invalid_client")
    assert site.times("/keys") == 1  # a failure is not repeated at once
    publish(site, key)
    clock.advance(10)
    assert api.post("/oauth/token", data=signs(server, client, key, "3")).status_code == 200
    site.answers.clear()
    clock.advance(3_600)
    assert api.post("/oauth/token", data=signs(server, client, key, "4")).status_code == 200


def test_only_the_algorithm_that_is_registered(server: RunningServer, api: httpx.Client, site: ScriptedSite) -> None:
    """RFC 7591 §2: with `token_endpoint_auth_signing_alg` a signature by another of the client's keys is refused."""
    wanted, other = Key.generate("ES256"), Key.generate("RS256")
    metadata = ClientMetadata(jwks_uri=publish(site, wanted, other), token_endpoint_auth_signing_alg="ES256")
    party = add_relying_party(
        server, metadata=metadata, grant_types=("client_credentials",), auth_method="private_key_jwt"
    )
    client = Registered(party.id, "")
    assert api.post("/oauth/token", data=signs(server, client, wanted, "1")).status_code == 200
    assert error(api.post("/oauth/token", data=signs(server, client, other, "2"))) == (401, "invalid_client")


def test_tokens_that_have_to_be_bound(
    server: RunningServer, api: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """RFC 9449 §5.2: a client of `--require-dpop` gets no bearer token, at the token endpoint or at sign-in."""
    client = register(server, capsys, "--require-dpop")
    assert error(ask(api, client)) == (400, "invalid_dpop_proof")
    url = f"{server.url}/oauth/token"
    proof = dpop_proof.make(Key.generate("ES256"), method="POST", url=url, token=None, now=server.clock.now)
    form = {"grant_type": "client_credentials"}
    answer = api.post("/oauth/token", data=form, headers=client.basic | {"dpop": proof})
    assert answer.json()["token_type"] == "DPoP"
    api.post("/signup", json=ANN)
    own = register(server, capsys, "--grant", "refresh_token", "--require-dpop")
    assert api.post("/login", json={**ANN, "client_id": own.id}).json()["code"] == "invalid_dpop_proof"


def test_a_third_party_has_no_password_grant(
    server: RunningServer, api: httpx.Client, capsys: pytest.CaptureFixture[str]
) -> None:
    """`POST /login` is for clients that ask nobody; another's `client_id` there would pass by consent and PKCE."""
    api.post("/signup", json=ANN)
    third = register(server, capsys, "--redirect-uri", CALLBACK)
    own = register(server, capsys, "--redirect-uri", CALLBACK, "--consent", "never")
    assert api.post("/login", json={**ANN, "client_id": third.id}).json()["code"] == "unknown_client"
    assert api.post("/login", json={**ANN, "client_id": own.id}).status_code == 200
    main(["client", "disable", own.id, *server.place])
    assert api.post("/login", json={**ANN, "client_id": own.id}).json()["code"] == "unknown_client"


def test_a_disabled_client_holds_nothing(
    server: RunningServer, api: httpx.Client, signed_in: Browser, clock: SettableClock
) -> None:
    """Its grants end, it is let in nowhere, and people are told so; enabled again it begins anew."""
    party = add_relying_party(server, scope=SCOPE)
    tokens = signed_in_at(party, signed_in, api)
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    code = code_of(Flow(party, signed_in).ask())
    assert api.get("/oauth/userinfo", headers=bearer).status_code == 200
    main(["client", "disable", party.id, *server.place])
    clock.advance(2)
    assert api.get("/oauth/userinfo", headers=bearer).status_code == 401
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **party.credentials}
    eventually(lambda: error(api.post("/oauth/token", data=refresh)) == (401, "invalid_client"))  # within a second
    assert "The application is not known here." in Flow(party, signed_in).ask().text
    main(["client", "enable", party.id, *server.place])
    clock.advance(2)
    eventually(lambda: error(api.post("/oauth/token", data=refresh)) == (400, "invalid_grant"))
    flow = Flow(party, signed_in)
    assert error(flow.redeem(api, code)) == (400, "invalid_grant")
    assert signed_in_at(party, signed_in, api)["access_token"]


def test_a_new_secret(server: RunningServer, api: httpx.Client, signed_in: Browser, clock: SettableClock) -> None:
    """The old one works as long as `--keep-old` says; a code that nobody has redeemed is gone, grants go on."""
    party = add_relying_party(server, scope=SCOPE)
    tokens = signed_in_at(party, signed_in, api)
    flow = Flow(party, signed_in)
    code = code_of(flow.ask())
    main(["client", "rotate-secret", party.id, "--keep-old", "24h", *server.place])
    clock.advance(2)
    assert error(flow.redeem(api, code)) == (400, "invalid_grant")
    tokens = party.refresh(api, tokens["refresh_token"])
    clock.advance(25 * 3_600)
    refresh = {"grant_type": "refresh_token", "refresh_token": tokens["refresh_token"], **party.credentials}
    # The server remembers a client for a second at most.
    eventually(lambda: api.post("/oauth/token", data=refresh).json().get("error") == "invalid_client")


def test_a_scope_that_is_taken_away(
    server: RunningServer, api: httpx.Client, signed_in: Browser, clock: SettableClock
) -> None:
    """Tokens that have it are dead, the next refresh is narrower, and the grant lives."""
    party = add_relying_party(server, scope=SCOPE)
    tokens = signed_in_at(party, signed_in, api)
    main(["client", "edit", party.id, "--scope", "openid", *server.place])
    clock.advance(2)
    bearer = {"authorization": f"Bearer {tokens['access_token']}"}
    assert api.get("/oauth/userinfo", headers=bearer).status_code == 401
    assert party.refresh(api, tokens["refresh_token"])["scope"] == "openid"
