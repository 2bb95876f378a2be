"""Tokens that are bound to a key (RFC 9449): they open nothing for who has the token and not the key."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, Any

import apsw
import pytest
from tests.stories.test_oauth import API, ask, error, introspect, register
from tests.support.relying_party import add_relying_party
from tests.support.server import NOON

from gatepass.jose import Key, KeySet, jwt
from gatepass.tokens import dpop_proof
from gatepass.tokens.access_token import UnprovenCnfError
from gatepass.verify import Verifier
from gatepass.verify.dpop import DPoP

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx
    from tests.support.commands import Registered
    from tests.support.server import RunningServer

OWNERS = Key.generate("ES256")
THIEFS = Key.generate("ES256")


class Prover:
    """Makes proofs for calls of one server."""

    def __init__(self, server: RunningServer, key: Key = OWNERS) -> None:
        self._server = server
        self._key = key

    def __call__(self, path: str, *, method: str = "POST", **options: Any) -> dict[str, str]:  # noqa: ANN401
        """The header with a fresh proof."""
        made = {"now": self._server.clock.now, **options}
        return {"dpop": dpop_proof.make(self._key, method=method, url=self._server.url + path, **made)}


@pytest.fixture
def prove(server: RunningServer) -> Prover:
    """The owner's proofs."""
    return Prover(server)


@pytest.fixture
def thief(server: RunningServer) -> Prover:
    """Proofs of somebody who has another key."""
    return Prover(server, THIEFS)


@pytest.fixture
def pair(api: httpx.Client, ann: dict[str, str], prove: Prover) -> dict[str, Any]:
    """What a sign-in with a proof gives."""
    answer = api.post("/login", json=ann, headers=prove("/login"))
    assert answer.status_code == 200
    return answer.json()  # type: ignore[no-any-return]


def bound(token: str) -> dict[str, str]:
    """The header that carries a bound token."""
    return {"authorization": f"DPoP {token}"}


def test_an_api_takes_the_token_with_a_proof_only(
    api: httpx.Client, server: RunningServer, pair: dict[str, Any]
) -> None:
    """The token names the key; a verifier far away asks for a proof of it, and no other key's will do."""
    assert pair["token_type"] == "DPoP"
    assert jwt.peek(pair["token"]).claims["cnf"] == {"jkt": OWNERS.thumbprint()}
    keys = KeySet.from_jwks(api.get("/.well-known/jwks.json").content)
    verifier = Verifier(issuer=server.url, audience=server.url, keys=keys, revocation=None, clock=server.clock)
    orders = "https://orders.example.test/orders"

    def proof(key: Key) -> DPoP:
        text = dpop_proof.make(key, method="GET", url=orders, token=pair["token"], now=server.clock.now)
        return DPoP(text, "GET", orders)

    assert verifier.verify(pair["token"], proof(OWNERS)).key_thumbprint == OWNERS.thumbprint()
    for without in (None, proof(THIEFS)):
        with pytest.raises(UnprovenCnfError):
            verifier.verify(pair["token"], without)


def test_the_servers_own_calls(api: httpx.Client, prove: Prover, thief: Prover, pair: dict[str, Any]) -> None:
    """`GET /me` and the rest: the scheme DPoP with a proof for this call and this token; never as a bearer token."""
    token = pair["token"]
    proof = prove("/me", method="GET", token=token)
    assert api.get("/me", headers=bound(token) | proof).status_code == 200
    assert api.get("/me", headers=bound(token) | proof).json()["code"] == "invalid_token"
    assert api.get("/me", headers={"authorization": f"Bearer {token}"}).json()["code"] == "invalid_token"
    assert api.get("/me", headers=bound(token)).json()["code"] == "invalid_token"
    stolen = thief("/me", method="GET", token=token)
    assert api.get("/me", headers=bound(token) | stolen).json()["code"] == "invalid_token"
    for_another_token = prove("/me", method="GET", token="other")
    assert api.get("/me", headers=bound(token) | for_another_token).json()["code"] == "invalid_token"
    assert api.post("/logout", headers=bound(token) | prove("/logout", token=token)).status_code == 204


def test_a_stolen_refresh_token_is_worth_nothing(
    api: httpx.Client, server: RunningServer, prove: Prover, thief: Prover, pair: dict[str, Any]
) -> None:
    """Not within the grace either, the one case that reuse detection leaves; and the owner is not logged out by it."""
    body = {"refresh_token": pair["refresh_token"]}
    for headers in ({}, thief("/refresh")):
        assert api.post("/refresh", json=body, headers=headers).json()["code"] == "invalid_refresh_token"
    server.clock.advance(61)
    renewed = api.post("/refresh", json=body, headers=prove("/refresh")).json()
    assert renewed["token_type"] == "DPoP"
    for refresh_token in (pair["refresh_token"], renewed["refresh_token"]):
        stolen = {"refresh_token": refresh_token}
        assert api.post("/refresh", json=stolen, headers=thief("/refresh")).json()["code"] == "invalid_refresh_token"
    server.clock.advance(61)
    body = {"refresh_token": renewed["refresh_token"]}
    assert api.post("/refresh", json=body, headers=prove("/refresh")).status_code == 200


def test_a_bearer_session_stays_one(api: httpx.Client, ann: dict[str, str], prove: Prover) -> None:
    """A proof at a refresh does not bind what was not bound: a thief could bind it to his own key."""
    pair = api.post("/login", json=ann).json()
    renewed = api.post("/refresh", json={"refresh_token": pair["refresh_token"]}, headers=prove("/refresh")).json()
    assert renewed["token_type"] == "Bearer"
    assert "cnf" not in jwt.peek(renewed["token"]).claims


@pytest.fixture
def worker(server: RunningServer, capsys: pytest.CaptureFixture[str]) -> Registered:
    """A client with tokens of its own."""
    return register(server, capsys, "--audience", API)


def test_a_clients_own_token(api: httpx.Client, worker: Registered, prove: Prover) -> None:
    """`client_credentials` with a proof gives a bound token; introspection says so, and it can be revoked."""
    form = {"grant_type": "client_credentials"}
    given = api.post("/oauth/token", data=form, headers=worker.basic | prove("/oauth/token")).json()
    assert given["token_type"] == "DPoP"
    told = introspect(api, worker, given["access_token"])
    assert (told["active"], told["token_type"], told["cnf"]) == (True, "DPoP", {"jkt": OWNERS.thumbprint()})
    assert "cnf" not in introspect(api, worker, ask(api, worker).json()["access_token"])
    api.post("/oauth/revoke", data={"token": given["access_token"]}, headers=worker.basic)
    assert introspect(api, worker, given["access_token"]) == {"active": False}


def test_a_registered_client_refreshes_with_its_key(
    api: httpx.Client, ann: dict[str, str], server: RunningServer, prove: Prover, capsys: pytest.CaptureFixture[str]
) -> None:
    """A grant that is bound at the sign-in is bound at `/oauth/token` too."""
    client = register(server, capsys, "--grant", "refresh_token", "--audience", API, name="web")
    pair = api.post("/login", json=ann | {"client_id": client.id}, headers=prove("/login")).json()
    form = {"grant_type": "refresh_token", "refresh_token": pair["refresh_token"]}
    assert error(api.post("/oauth/token", data=form, headers=client.basic)) == (400, "invalid_grant")
    answer = api.post("/oauth/token", data=form, headers=client.basic | prove("/oauth/token"))
    assert answer.json()["token_type"] == "DPoP"


LIES: dict[str, Callable[[Prover, RunningServer], dict[str, str]]] = {
    "another method": lambda prove, _: prove("/login", method="GET"),
    "another path": lambda prove, _: prove("/refresh"),
    "another server": lambda _, server: {
        "dpop": dpop_proof.make(OWNERS, method="POST", url="https://other.test/login", now=server.clock.now)
    },
    "too old": lambda prove, _: prove("/login", now=NOON - 61),
    "from the future": lambda prove, _: prove("/login", now=NOON + 61),
    "no proof at all": lambda *_: {"dpop": "x.y.z"},
    "a token": lambda _, server: {"dpop": jwt.sign({"iss": server.url, "jti": "a", "iat": NOON}, OWNERS, typ="JWT")},
}


@pytest.mark.parametrize("lie", LIES)
def test_what_shows_nothing(
    api: httpx.Client, ann: dict[str, str], server: RunningServer, prove: Prover, lie: str
) -> None:
    """A proof that is not for this very call is refused, and nobody is signed in (RFC 9449 §4.3)."""
    answer = api.post("/login", json=ann, headers=LIES[lie](prove, server))
    assert (answer.status_code, answer.json()["code"]) == (400, "invalid_dpop_proof")


def test_a_proof_is_good_once(api: httpx.Client, ann: dict[str, str], prove: Prover, pair: dict[str, Any]) -> None:
    """The second use is refused, at a sign-in, a refresh and a call; so are two at once."""
    proof = prove("/login")
    assert api.post("/login", json=ann, headers=proof).status_code == 200
    assert api.post("/login", json=ann, headers=proof).json()["code"] == "invalid_dpop_proof"
    proof, body = prove("/refresh"), {"refresh_token": pair["refresh_token"]}
    assert api.post("/refresh", json=body, headers=proof).status_code == 200
    assert api.post("/refresh", json=body, headers=proof).json()["code"] == "invalid_dpop_proof"
    call = prove("/me", method="GET", token=pair["token"]) | bound(pair["token"])
    assert api.get("/me", headers=call).status_code == 200
    assert api.get("/me", headers=call).json()["code"] == "invalid_token"
    two = [*prove("/login").items(), *prove("/login").items()]
    assert api.post("/login", json=ann, headers=two).json()["code"] == "duplicate_header"


def test_nobody_fills_the_store_with_proofs(
    server: RunningServer, api: httpx.Client, ann: dict[str, str], prove: Prover
) -> None:
    """Good proofs without a password, a refresh token or an access token of ours leave nothing behind."""
    made_up = jwt.sign({"iss": server.url, "aud": server.url, "sub": "x"}, OWNERS, typ="at+jwt")
    for _ in range(3):
        api.post("/login", json=ann | {"password": "x" * 20}, headers=prove("/login"))
        api.post("/login/email/code", json={"challenge": "x", "code": "1"}, headers=prove("/login/email/code"))
        api.post("/refresh", json={"refresh_token": "x"}, headers=prove("/refresh"))
        api.get("/me", headers=prove("/me", method="GET", token=made_up) | bound(made_up))
        api.post("/oauth/token", data={"grant_type": "client_credentials"}, headers=prove("/oauth/token"))

    def kept() -> int:
        with closing(apsw.Connection(str(server.settings.sqlite_path))) as database:
            return int(str(database.execute("SELECT COUNT(*) FROM used_once").get))

    assert kept() == 0
    assert api.post("/login", json=ann, headers=prove("/login")).status_code == 200
    assert kept() == 1


def test_the_metadata_names_the_algorithms(api: httpx.Client) -> None:
    """RFC 9449 §5.1."""
    metadata = api.get("/.well-known/oauth-authorization-server").json()
    assert "ES256" in metadata["dpop_signing_alg_values_supported"]


def test_a_proof_at_a_refresh_binds_the_token(
    api: httpx.Client, ann: dict[str, str], server: RunningServer, prove: Prover
) -> None:
    """Who proves a key never gets a bearer token (RFC 9449 §5), though the grant came without one."""
    party = add_relying_party(server)
    first = api.post("/login", json=ann | {"client_id": party.id}).json()
    form = {"grant_type": "refresh_token", "refresh_token": first["refresh_token"], **party.credentials}
    answer = api.post("/oauth/token", data=form, headers=prove("/oauth/token")).json()
    assert answer["token_type"] == "DPoP"
    assert jwt.peek(answer["access_token"]).claims["cnf"] == {"jkt": OWNERS.thumbprint()}
    assert api.post("/oauth/token", data=form | {"refresh_token": answer["refresh_token"]}).status_code == 200
