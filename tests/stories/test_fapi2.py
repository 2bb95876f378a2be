"""The FAPI 2.0 Security Profile: a client with `profile = fapi2`, by the modules of the OpenID Foundation's suite.

Each test has the name of its module without `fapi2-security-profile-final-`. Those about pushed and signed requests are
in `test_fapi2_par_modules.py`.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from tests.stories.test_dpop import THIEFS, Prover, bound
from tests.stories.test_pushed_requests import browser as browser  # noqa: PLC0414 - a fixture
from tests.stories.test_pushed_requests import opened, push
from tests.support.authorization import Flow, answer_of, code_of
from tests.support.relying_party import CALLBACK
from tests.support.signing_party import add_signing_party

from gatepass.jose import Key, KeySet, jwt
from gatepass.server.base.errors import Refusal
from gatepass.server.domain.revocation.status_index import StatusIndex
from gatepass.server.domain.sessions import fapi
from gatepass.server.domain.sessions.client import Client
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules

if TYPE_CHECKING:
    import httpx
    from tests.support.pages import Browser
    from tests.support.server import RunningServer, SettableClock
    from tests.support.signing_party import SigningParty

FAPI = ClientRules(consent="never", profile="fapi2")
METADATA: dict[str, Any] = {
    "require_pushed_authorization_requests": True,
    "dpop_bound_access_tokens": True,
    "id_token_signed_response_alg": "ES256",
    "authorization_signed_response_alg": "ES256",
    "introspection_signed_response_alg": "ES256",
}


@pytest.fixture
def party(server: RunningServer) -> SigningParty:
    """A client that the profile binds."""
    return add_signing_party(server, metadata=METADATA, rules=FAPI)


@pytest.fixture
def prove(server: RunningServer) -> Prover:
    """Proofs of the client's key."""
    return Prover(server)


def code_for(api: httpx.Client, flow: Flow, headers: dict[str, str] | None = None, **changed: str | None) -> str:
    """Push, open, and take the code."""
    return code_of(opened(flow, push(api, flow, headers, **changed)))


def test_happy_flow(api: httpx.Client, browser: Browser, party: SigningParty, prove: Prover) -> None:
    """Pushed, by code and PKCE, the client by signature, the token bound; `iss` in the answer, ID token by ES256."""
    flow = Flow(party, browser)
    answer = opened(flow, push(api, flow))
    assert answer_of(answer)["iss"] == party.server.url
    tokens = flow.redeem(api, code_of(answer), prove("/oauth/token")).json()
    assert tokens["token_type"] == "DPoP"
    assert jwt.peek(tokens["id_token"]).headers["alg"] == "ES256"
    path = "/oauth/userinfo"
    proof = prove(path, method="GET", token=tokens["access_token"])
    assert api.get(path, headers=bound(tokens["access_token"]) | proof).status_code == 200


def test_refresh_token(
    api: httpx.Client, browser: Browser, party: SigningParty, prove: Prover, clock: SettableClock
) -> None:
    """§5.3.2.1: refresh tokens are not rotated, however long they rest."""
    flow = Flow(party, browser)
    first = flow.redeem(api, code_for(api, flow), prove("/oauth/token")).json()["refresh_token"]
    for _ in range(3):
        clock.advance(3_600)
        form = {"grant_type": "refresh_token", "refresh_token": first, **party.credentials}
        answer = api.post("/oauth/token", data=form, headers=prove("/oauth/token"))
        assert answer.json()["refresh_token"] == first


def test_ensure_holder_of_key_required(api: httpx.Client, browser: Browser, party: SigningParty) -> None:
    """Without a proof there is no token, and the code is still good."""
    flow = Flow(party, browser)
    refused = flow.redeem(api, code_for(api, flow))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_dpop_proof")


def test_ensure_dpopproof_at_par_endpoint_binding_success(
    api: httpx.Client, browser: Browser, party: SigningParty, prove: Prover, server: RunningServer
) -> None:
    """`ensure-dpop-auth-code-binding-success`, `-mismatched-dpop-jkt`, `-mismatched-dpop-proof-jkt`."""
    flow = Flow(party, browser)
    code = code_for(api, flow, prove("/oauth/par"))
    assert flow.redeem(api, code, Prover(server, THIEFS)("/oauth/token")).json()["error"] == "invalid_grant"
    assert flow.redeem(api, code, prove("/oauth/token")).status_code == 200
    refused = push(api, flow, prove("/oauth/par"), dpop_jkt=THIEFS.thumbprint())
    assert refused.json()["error"] == "invalid_dpop_proof"
    by_name = code_for(api, flow, dpop_jkt=THIEFS.thumbprint())
    assert flow.redeem(api, by_name, prove("/oauth/token")).json()["error"] == "invalid_grant"


def test_ensure_authorization_code_is_bound_to_client(
    api: httpx.Client, browser: Browser, party: SigningParty, prove: Prover, server: RunningServer
) -> None:
    """`ensure-token-endpoint-fails-with-expired-auth-code` too: a minute, and this client's alone."""
    flow = Flow(party, browser)
    other = add_signing_party(server, metadata=METADATA, rules=FAPI)
    code = code_for(api, flow)
    assert flow.redeem(api, code, prove("/oauth/token"), **other.credentials).json()["error"] == "invalid_grant"
    server.clock.advance(61)
    assert flow.redeem(api, code, prove("/oauth/token")).json()["error"] == "invalid_grant"


def test_ensure_signed_client_assertion_with_RS256_fails(  # noqa: N802 - the module's name
    api: httpx.Client, browser: Browser, server: RunningServer
) -> None:
    """§5.4.1: ES256, PS256 and Ed25519 may sign, RS256 may not, for an assertion or a request object."""
    for alg, status in (("RS256", 401), ("PS256", 201), ("Ed25519", 201)):
        party = add_signing_party(server, alg=alg, metadata=METADATA, rules=FAPI)
        assert push(api, Flow(party, browser)).status_code == status
    two = KeySet([Key.generate("ES256"), Key.generate("RS256")])
    mixed = add_signing_party(server, metadata=METADATA, rules=FAPI)
    mixed.write("UPDATE clients SET jwks = ?1 WHERE id = ?2", json.dumps(two.to_jwks()), mixed.id)
    flow = Flow(mixed, browser)
    es256, rs256 = two
    by_key = mixed.assertion(key=es256)
    assert api.post("/oauth/par", data=by_key | flow.parameters()).status_code == 201
    told = api.post(
        "/oauth/par", data=mixed.assertion(key=es256) | {"request": mixed.sign(flow.parameters(), key=rs256)}
    )
    assert told.json()["error"] == "invalid_request_object"


def test_par_test_array_as_audience_fails(api: httpx.Client, browser: Browser, party: SigningParty) -> None:
    """§5.3.2.1: `aud` is the issuer as a text; no array, no endpoint (`par-test-…-endpoint-url-as-audience`)."""
    flow, url = Flow(party, browser), party.server.url
    for audience in ([url], [url, "https://other.test"], f"{url}/oauth/token", f"{url}/oauth/par", f"{url}/"):
        refused = api.post("/oauth/par", data=party.assertion(aud=audience) | flow.parameters())
        assert (refused.status_code, refused.json()["error"]) == (401, "invalid_client")


def test_par_ensure_pkce_required(api: httpx.Client, browser: Browser, party: SigningParty) -> None:
    """`par-ensure-plain-pkce-rejected` too; and a request that is not pushed is refused."""
    flow = Flow(party, browser)
    assert push(api, flow, code_challenge=None, code_challenge_method=None).json()["error"] == "invalid_request"
    assert push(api, flow, code_challenge_method="plain").json()["error"] == "invalid_request"
    assert answer_of(flow.ask())["error"] == "invalid_request"


def test_ensure_request_object_without_nbf_fails(api: httpx.Client, browser: Browser, party: SigningParty) -> None:
    """FAPI 2.0 Message Signing §5.3.1: a signed request says since when it counts, and no longer ago than an hour."""
    flow = Flow(party, browser)
    now = int(party.server.clock())
    for nbf, status in ((None, 400), (now - 3_601, 400), (now + 60, 400), (now + 8, 201)):
        form = party.credentials | {"request": party.sign(flow.parameters(), nbf=nbf)}
        assert api.post("/oauth/par", data=form).status_code == status, nbf


@pytest.mark.parametrize(
    "changes",
    [
        {"auth_method": "client_secret"},
        {"rules": ClientRules(profile="fapi2", pkce="optional")},
        {"assertion_audience": "token_endpoint"},
        {"metadata": {"redirect_uris": ("http://localhost/cb",)}},
        {"metadata": {"require_pushed_authorization_requests": False}},
        {"metadata": {"dpop_bound_access_tokens": False}},
        {"metadata": {"token_endpoint_auth_signing_alg": "RS256"}},
        {"metadata": {"request_object_signing_alg": "PS512"}},
        {"metadata": {"id_token_signed_response_alg": "RS256"}},
        {"metadata": {"id_token_signed_response_alg": ""}},
        {"metadata": {"userinfo_signed_response_alg": "RS256"}},
        {"metadata": {"introspection_signed_response_alg": "RS256"}},
    ],
)
def test_whom_the_profile_leaves(changes: dict[str, Any]) -> None:
    """What it forbids, no client can be registered as."""
    metadata = {"redirect_uris": (CALLBACK,), **METADATA}
    usual: dict[str, Any] = {"auth_method": "private_key_jwt", "rules": FAPI, **changes}
    made = {**usual, "metadata": ClientMetadata(**{**metadata, **changes.get("metadata", {})})}
    with pytest.raises(Refusal):
        fapi.check_registration(_client(**made))
    fapi.check_registration(_client(auth_method="private_key_jwt", rules=FAPI, metadata=ClientMetadata(**metadata)))


def _client(**fields: Any) -> Client:  # noqa: ANN401 - of a client
    return Client(
        id="cli_1",
        name="bank",
        grant_types=("authorization_code",),
        audience=(),
        scope=(),
        status=StatusIndex(1, 1),
        created_at=0,
        **fields,
    )
