"""A relying party gets ID tokens, and nobody else takes one for anything."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from typing import TYPE_CHECKING

import httpx
import pytest
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN, SettableClock, running_server
from tests.support.wait import eventually

from gatepass.jose import JoseError, KeySet, jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata, ClientRules
from gatepass.tokens import id_token
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from pathlib import Path

    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer


@pytest.fixture
def app(server: RunningServer, ann: dict[str, str]) -> RelyingParty:
    """A client that has registered no algorithm."""
    return add_relying_party(server)


def published(api: httpx.Client) -> KeySet:
    """The JWKS."""
    return KeySet.from_jwks(api.get("/.well-known/jwks.json").content)


def test_a_refresh_brings_an_id_token_of_the_same_sign_in(
    api: httpx.Client, app: RelyingParty, server: RunningServer
) -> None:
    """Core §12.2: same iss, sub, aud, auth_time and sid; a new iat; no nonce. OpenID expects RS256."""
    first = app.sign_in(api)
    server.clock.advance(120)
    second = app.refresh(api, first["refresh_token"])
    read = [
        jwt.verify(
            tokens["id_token"], published(api), issuer=server.url, audience=app.id, typ="JWT", now=server.clock.now
        )
        for tokens in (first, second)
    ]
    assert [jwt.peek(tokens["id_token"]).headers["alg"] for tokens in (first, second)] == ["RS256", "RS256"]
    changed = {name for name in read[0] if read[0][name] != read[1].get(name)}
    assert (changed, read[1]["iat"] - read[0]["iat"]) == ({"iat", "exp", "jti", "at_hash"}, 120)
    access = jwt.peek(second["access_token"]).claims
    assert {name: read[1][name] for name in ("sub", "sid", "auth_time", "acr", "amr")} == {
        name: access[name] for name in ("sub", "sid", "auth_time", "acr", "amr")
    }
    assert read[1]["at_hash"] == id_token.at_hash(second["access_token"], "RS256")
    assert set(read[1]) == {"iss", "sub", "aud", "exp", "iat", "auth_time", "jti", "acr", "amr", "sid", "at_hash"}


def test_without_the_scope_there_is_no_id_token(api: httpx.Client, app: RelyingParty) -> None:
    """Neither for a grant without `openid`, nor for a refresh that asks for less."""
    assert "id_token" not in app.sign_in(api, scope="email")
    tokens = app.sign_in(api)
    assert "id_token" not in app.refresh(api, tokens["refresh_token"], scope="email")


def test_the_algorithm_is_the_clients(api: httpx.Client, server: RunningServer, ann: dict[str, str]) -> None:
    """One that registered the access tokens' algorithm gets it; one whose key is nowhere is told of the trouble."""
    es256 = add_relying_party(server, metadata=ClientMetadata(id_token_signed_response_alg="ES256"))
    token = es256.sign_in(api)["id_token"]
    assert jwt.peek(token).headers["alg"] == "ES256"
    assert jwt.verify(token, published(api), issuer=server.url, audience=es256.id, typ="JWT", now=server.clock.now)
    other = add_relying_party(server, metadata=ClientMetadata(id_token_signed_response_alg="PS512"))
    refresh_token = api.post("/login", json={**ann, "client_id": other.id}).json()["refresh_token"]
    form = {"grant_type": "refresh_token", "refresh_token": refresh_token, **other.credentials}
    answer = api.post("/oauth/token", data=form)
    assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")


def test_an_id_token_opens_nothing(api: httpx.Client, app: RelyingParty, server: RunningServer) -> None:
    """Not at the server, not as a token to ask about, and not at an API that happens to be named like the client."""
    token = app.sign_in(api)["id_token"]
    bearer = {"authorization": f"Bearer {token}"}
    for path in ("/me", "/sessions", "/account/export"):
        assert api.get(path, headers=bearer).status_code == 401
    assert api.post("/logout", headers=bearer).status_code == 401
    asked = api.post("/oauth/introspect", data={"token": token, **app.credentials})
    assert asked.json() == {"active": False}
    for typ in ("at+jwt", "JWT", None):
        verifier = Verifier(
            issuer=server.url, audience=app.id, keys=published(api), typ=typ, revocation=None, clock=server.clock
        )
        with pytest.raises(JoseError) as caught:
            verifier.verify(token)
        assert caught.value.code == "wrong_typ"


def test_an_access_token_is_no_id_token(api: httpx.Client, app: RelyingParty, server: RunningServer) -> None:
    """A client that is given one in an ID token's place, or sends one back as a hint, finds another kind of token."""
    access_token = app.sign_in(api)["access_token"]
    with pytest.raises(JoseError) as caught:
        id_token.check_hint(access_token, published(api), issuer=server.url, client_id=None)
    assert caught.value.code == "wrong_typ"


def test_claims_about_the_person_are_there_when_they_are_wanted_there(
    api: httpx.Client, server: RunningServer, ann: dict[str, str]
) -> None:
    """Core §5.4: the code flow tells them at UserInfo, unless the operator or the request says otherwise."""
    plain, verbose = (
        add_relying_party(server, rules=ClientRules(consent="never", claims_in_id_token=each)) for each in (False, True)
    )
    asked = '{"id_token": {"email": null, "name": null, "sub": {"essential": true}, "nonce": null}}'

    def about_ann(app: RelyingParty, claims: str = "") -> dict[str, object]:
        token = jwt.peek(app.sign_in(api, claims=claims)["id_token"]).claims
        assert "nonce" not in token
        return {name: token[name] for name in ("email", "email_verified", "roles", "name") if name in token}

    assert about_ann(plain) == {}
    assert about_ann(plain, asked) == {"email": ann["email"]}
    assert about_ann(verbose) == {"email": ann["email"], "email_verified": False}


def test_ten_clients_that_want_the_first_one_at_once(tmp_path: Path) -> None:
    """At two nodes, when nobody has made the key yet: each gets one, signed with the only key there is."""
    clock, issuer = SettableClock(), "http://localhost:8000"
    with ExitStack() as stack:
        servers = [stack.enter_context(running_server(tmp_path, clock, issuer=issuer)) for _ in range(2)]
        addresses = [f"http://localhost:{each.settings.port}" for each in servers]
        nodes = [stack.enter_context(httpx.Client(base_url=address, timeout=30)) for address in addresses]
        nodes[0].post("/signup", json=ANN)
        app = add_relying_party(servers[0])
        with ThreadPoolExecutor(10) as pool:
            tokens = list(pool.map(lambda number: app.sign_in(nodes[number % 2])["id_token"], range(10)))
        kids = {jwt.peek(token).headers["kid"] for token in tokens}
        for node in nodes:
            eventually(lambda node=node: {key.kid for key in published(node) if key.alg == "RS256"} == kids)  # type: ignore[misc]
        assert len(kids) == 1
