"""More modules of the FAPI 2.0 Security Profile suite, each a test of its name, at one server."""

from __future__ import annotations

import hashlib
import secrets
from typing import TYPE_CHECKING, Any

import pytest
from tests.stories.test_dpop import Prover, bound
from tests.stories.test_fapi2 import FAPI, METADATA, code_for
from tests.stories.test_pushed_requests import opened, push
from tests.support.authorization import Flow, answer_of
from tests.support.pages import Browser
from tests.support.server import ANN, SettableClock, running_server
from tests.support.signing_party import add_signing_party

from gatepass.jose import Key, base64url, jwt
from gatepass.server.domain.sessions.client_metadata import ClientRules

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.server import RunningServer
    from tests.support.signing_party import SigningParty

KEY, SECRET = Key.generate("ES256"), Key.generate("HS256")
USERINFO = "/oauth/userinfo"


@pytest.fixture(scope="module")
def one(tmp_path_factory: pytest.TempPathFactory) -> Generator[tuple[RunningServer, Browser]]:
    """One server, and Ann's browser, signed in."""
    with running_server(tmp_path_factory.mktemp("fapi"), SettableClock()) as server, server.client() as api:
        assert api.post("/signup", json=ANN).status_code == 201
        with Browser(server) as browser:
            browser.sign_in(ANN)
            yield server, browser


@pytest.fixture
def server(one: tuple[RunningServer, Browser]) -> RunningServer:
    """The server."""
    return one[0]


@pytest.fixture
def browser(one: tuple[RunningServer, Browser]) -> Browser:
    """The browser."""
    return one[1]


@pytest.fixture
def api(server: RunningServer) -> Generator[httpx.Client]:
    """A client's own calls."""
    with server.client() as api:
        yield api


@pytest.fixture
def party(server: RunningServer) -> SigningParty:
    """A client that the profile binds."""
    return add_signing_party(server, metadata=METADATA, rules=FAPI)


def public(key: Key) -> dict[str, Any]:
    """A key as proofs name it."""
    return {name: value for name, value in key.public().to_jwk().items() if name not in ("kid", "alg", "use")}


def proof(
    server: RunningServer,
    path: str,
    *,
    method: str = "POST",
    key: Key = KEY,
    jwk: dict[str, Any] | None = None,
    typ: str | None = "dpop+jwt",
    token: str = "",
    **changed: Any,  # noqa: ANN401 - claims
) -> dict[str, str]:
    """The header with a proof; None leaves a claim out."""
    claims: dict[str, Any] = {
        "jti": secrets.token_hex(8),
        "htm": method,
        "htu": server.url + path,
        "iat": int(server.clock()),
    }
    if token:
        claims["ath"] = base64url.encode(hashlib.sha256(token.encode()).digest())
    left = {name: value for name, value in (claims | changed).items() if value is not None}
    return {"dpop": jwt.sign(left, key, typ, headers={"jwk": jwk or public(KEY)})}


def test_user_rejects_authentication(server: RunningServer, api: httpx.Client, browser: Browser) -> None:
    """Who cancels sends the client `access_denied`, with `state` and `iss`, and no code."""
    asks = ClientRules(profile="fapi2")
    flow = Flow(add_signing_party(server, metadata=METADATA, rules=asks), browser)
    page = flow.follow(opened(flow, push(api, flow)))
    answer = answer_of(flow.submit(page, decision="cancel"))
    assert (answer["error"], answer["state"], answer["iss"]) == ("access_denied", flow.state, server.url)
    assert "code" not in answer


def test_attempt_reuse_authorization_code_after_one_second(
    server: RunningServer, api: httpx.Client, browser: Browser, party: SigningParty
) -> None:
    """A code is good once, also for its own client a second later; sent again later, it ends what it has brought."""
    flow = Flow(party, browser)
    code = code_for(api, flow)
    tokens = flow.redeem(api, code, proof(server, "/oauth/token")).json()
    server.clock.advance(1)
    assert flow.redeem(api, code, proof(server, "/oauth/token")).json()["error"] == "invalid_grant"
    server.clock.advance(10)
    assert flow.redeem(api, code, proof(server, "/oauth/token")).json()["error"] == "invalid_grant"
    token = tokens["access_token"]
    headers = bound(token) | proof(server, USERINFO, method="GET", token=token)
    assert api.get(USERINFO, headers=headers).status_code == 401


NEGATIVE: dict[str, dict[str, Any]] = {
    "no jti": {"jti": None},
    "an empty jti": {"jti": ""},
    "no htm": {"htm": None},
    "another htm": {"htm": "PUT"},
    "no htu": {"htu": None},
    "another htu": {"htu": "https://elsewhere.test/"},
    "no iat": {"iat": None},
    "an old one": {"iat": -3_600},
    "one of the future": {"iat": 3_600},
    "another typ": {"typ": "JWT"},
    "no typ": {"typ": None},
    "a secret": {"key": SECRET, "jwk": {"kty": "oct", "k": "AAAA"}},
    "a private key": {"jwk": KEY.to_jwk(private=True)},
    "another's signature": {"key": Key.generate("ES256")},
}


@pytest.mark.parametrize("name", NEGATIVE)
def test_dpop_negative_tests(
    server: RunningServer, api: httpx.Client, browser: Browser, party: SigningParty, name: str
) -> None:
    """RFC 9449 §4.3: at PAR, at the token endpoint and at a resource; a good proof is taken after each."""
    wrong = dict(NEGATIVE[name])
    if isinstance(wrong.get("iat"), int):
        wrong["iat"] += int(server.clock())
    flow = Flow(party, browser)
    refused = push(api, flow, proof(server, "/oauth/par", **wrong))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_dpop_proof")
    code = code_for(api, flow)
    refused = flow.redeem(api, code, proof(server, "/oauth/token", **wrong))
    assert (refused.status_code, refused.json()["error"]) == (400, "invalid_dpop_proof")
    token = flow.redeem(api, code, proof(server, "/oauth/token")).json()["access_token"]
    refused = api.get(USERINFO, headers=bound(token) | proof(server, USERINFO, method="GET", token=token, **wrong))
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"].startswith("DPoP ")
    good = proof(server, USERINFO, method="GET", token=token)
    assert api.get(USERINFO, headers=bound(token) | good).status_code == 200


def test_dpop_negative_tests_at_a_resource(
    server: RunningServer, api: httpx.Client, browser: Browser, party: SigningParty
) -> None:
    """Without a proof, with that of another token, with two, with the same one twice, or as a bearer token."""
    flow = Flow(party, browser)
    token = flow.redeem(api, code_for(api, flow), proof(server, "/oauth/token")).json()["access_token"]
    get: dict[str, Any] = {"method": "GET"}
    other_hash = proof(server, USERINFO, **get, token="another")
    no_hash, good = proof(server, USERINFO, **get), proof(server, USERINFO, **get, token=token)
    for headers in ({}, other_hash, no_hash):
        assert api.get(USERINFO, headers=bound(token) | headers).status_code == 401
    assert api.get(USERINFO, headers=bound(token) | good).status_code == 200
    assert api.get(USERINFO, headers=bound(token) | good).status_code == 401
    fresh = proof(server, USERINFO, **get, token=token)
    assert api.get(USERINFO, headers={"authorization": f"Bearer {token}"} | fresh).status_code == 401
    twice = [("authorization", f"DPoP {token}"), *(("dpop", fresh["dpop"]) for _ in range(2))]
    assert api.get(USERINFO, headers=twice).status_code == 400


@pytest.mark.parametrize(
    ("ahead", "is_taken"),
    [
        ({"nbf": 0, "exp": 60}, True),
        ({"nbf": 8, "iat": 8}, True),
        ({"nbf": 61}, False),
        ({"exp": -1}, False),
        ({"exp": 0}, False),
        ({"nbf": -60, "exp": 300}, True),
    ],
)
def test_check_dpop_proof_nbf_exp(
    server: RunningServer,
    api: httpx.Client,
    browser: Browser,
    party: SigningParty,
    ahead: dict[str, int],
    *,
    is_taken: bool,
) -> None:
    """§5.3.2.1: times a little ahead are a clock that is off; later ones are refused, and what is over is over."""
    times: dict[str, Any] = {name: int(server.clock()) + seconds for name, seconds in ahead.items()}
    answer = push(api, Flow(party, browser), proof(server, "/oauth/par", **times))
    assert (answer.status_code == 201) == is_taken, answer.text


def test_test_essential_acr_sca_claim(
    server: RunningServer, api: httpx.Client, browser: Browser, party: SigningParty
) -> None:
    """An essential `acr` is met or refused: an ID token never says another one. A wish stops nothing."""
    essential = '{"id_token": {"acr": {"essential": true, "values": ["urn:openbanking:psd2:sca"]}}}'
    flow = Flow(party, browser)
    pushed = push(api, flow, proof(server, "/oauth/par"), claims=essential)
    assert (pushed.status_code, pushed.json()["error"]) == (400, "unmet_authentication_requirements")
    wished = essential.replace("true", "false")
    tokens = flow.redeem(api, code_for(api, flow, claims=wished), proof(server, "/oauth/token")).json()
    assert jwt.peek(tokens["id_token"]).claims["acr"] == "1"


@pytest.mark.parametrize("scheme", ["DPoP", "dpop", "DPOP", "dPoP"])
def test_access_token_type_header_case_sensitivity(
    server: RunningServer, api: httpx.Client, browser: Browser, party: SigningParty, scheme: str
) -> None:
    """RFC 9110 §11.1: a scheme is the same in any case; `token_type` is spelled as RFC 9449 does."""
    flow = Flow(party, browser)
    tokens = flow.redeem(api, code_for(api, flow), proof(server, "/oauth/token")).json()
    assert tokens["token_type"] == "DPoP"
    token = tokens["access_token"]
    headers = {"authorization": f"{scheme} {token}"} | proof(server, USERINFO, method="GET", token=token)
    assert api.get(USERINFO, headers=headers).status_code == 200


def test_ensure_token_endpoint_fails_with_expired_auth_code(
    server: RunningServer, api: httpx.Client, browser: Browser, party: SigningParty
) -> None:
    """A code lives for a minute."""
    flow = Flow(party, browser)
    code = code_for(api, flow)
    server.clock.advance(61)
    assert flow.redeem(api, code, proof(server, "/oauth/token")).json()["error"] == "invalid_grant"


def test_ensure_token_endpoint_fails_with_mismatched_dpop_jkt(
    server: RunningServer, api: httpx.Client, browser: Browser, party: SigningParty
) -> None:
    """`dpop_jkt` binds the code to a key, and only that one redeems it."""
    flow = Flow(party, browser)
    code = code_for(api, flow, dpop_jkt=Key.generate("ES256").thumbprint())
    assert flow.redeem(api, code, proof(server, "/oauth/token")).json()["error"] == "invalid_grant"


def test_ensure_token_endpoint_fails_with_mismatched_dpop_proof_jkt(
    server: RunningServer, api: httpx.Client, browser: Browser, party: SigningParty
) -> None:
    """So does the proof of a pushed request."""
    flow = Flow(party, browser)
    code = code_for(api, flow, proof(server, "/oauth/par"))
    other = Prover(server, Key.generate("ES256"))
    assert flow.redeem(api, code, other("/oauth/token")).json()["error"] == "invalid_grant"


def test_ensure_dpop_auth_code_binding_success(
    server: RunningServer, api: httpx.Client, browser: Browser, party: SigningParty
) -> None:
    """The right key is taken, named by `dpop_jkt` and shown by the proof."""
    flow = Flow(party, browser)
    code = code_for(api, flow, dpop_jkt=KEY.thumbprint())
    assert flow.redeem(api, code, proof(server, "/oauth/token")).json()["token_type"] == "DPoP"


def test_state_only_outside_request_object_not_used(
    server: RunningServer, api: httpx.Client, browser: Browser, party: SigningParty
) -> None:
    """What stands beside a signed request counts for nothing."""
    flow = Flow(party, browser)
    signed = party.sign(flow.parameters(state=None))
    pushed = api.post("/oauth/par", data=party.credentials | {"request": signed, "state": "outside"})
    assert "state" not in answer_of(opened(flow, pushed))
