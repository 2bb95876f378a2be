"""Modules of the OpenID Foundation's conformance suite about ID tokens and UserInfo, each a test of the same name.

The suite itself needs Java and Maven. Each test does what the module does, over the whole road: a browser that signs
in, a code, tokens, UserInfo.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from tests.support.authorization import Flow, answer_of, code_of
from tests.support.pages import Browser
from tests.support.relying_party import CALLBACK, add_relying_party
from tests.support.server import ANN
from tests.support.wait import eventually, soon

from gatepass.cli.main import main
from gatepass.jose import KeySet, jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata
from gatepass.tokens import id_token as id_tokens

if TYPE_CHECKING:
    from collections.abc import Generator

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

EVERY_SCOPE = ("openid", "profile", "email", "address", "phone", "roles", "offline_access")
USERINFO = "/oauth/userinfo"


class Road:
    """Ann's browser, signed in, and the way from a request to what the client learns."""

    def __init__(self, server: RunningServer, api: httpx.Client, browser: Browser) -> None:
        self.server = server
        self.api = api
        self._browser = browser

    def client(self, **metadata: Any) -> RelyingParty:  # noqa: ANN401 - its registered members
        """A client that may have every scope."""
        said = ClientMetadata(redirect_uris=(CALLBACK,), **metadata)
        return add_relying_party(self.server, scope=EVERY_SCOPE, metadata=said)

    def flow(self, app: RelyingParty) -> Flow:
        """Another request of the client in this browser."""
        return Flow(app, self._browser)

    def tokens(self, app: RelyingParty, **changed: str | None) -> dict[str, Any]:
        """What the client gets for a code."""
        flow = self.flow(app)
        answer = flow.redeem(self.api, code_of(flow.ask(**changed)))
        assert answer.status_code == 200, answer.text
        tokens: dict[str, Any] = answer.json()
        return tokens

    def read(self, app: RelyingParty, token: str) -> dict[str, Any]:
        """The claims of an ID token, checked as Core §3.1.3.7 says."""
        keys = KeySet.from_jwks(self.api.get("/.well-known/jwks.json").content)
        now = self.server.clock.now
        return jwt.verify(token, keys, issuer=self.server.url, audience=app.id, typ="JWT", now=now)

    def userinfo(self, tokens: dict[str, Any]) -> dict[str, Any]:
        """What UserInfo says."""
        answer = self.api.get(USERINFO, headers={"authorization": f"Bearer {tokens['access_token']}"})
        assert answer.status_code == 200
        told: dict[str, Any] = answer.json()
        return told


def kid_of(token: str) -> str:
    """The key that signed a token."""
    return str(jwt.peek(token).headers["kid"])


@pytest.fixture
def road(server: RunningServer, api: httpx.Client) -> Generator[Road]:
    """The road."""
    assert api.post("/signup", json=ANN).status_code == 201
    with Browser(server) as browser:
        assert browser.sign_in(ANN).status_code == 303
        yield Road(server, api, browser)


def test_oidcc_server(road: Road) -> None:
    """A code brings an ID token with what Core §2 and §3.1.3.6 ask for, and the nonce as it was sent."""
    app = road.client()
    tokens = road.tokens(app, nonce="a nonce + ümlaut")
    claims = road.read(app, tokens["id_token"])
    assert {"iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "acr", "amr", "sid", "at_hash"} <= set(claims)
    assert claims["nonce"] == "a nonce + ümlaut"
    assert claims["at_hash"] == id_tokens.at_hash(tokens["access_token"], "RS256")
    assert claims["aud"] == app.id
    assert tokens["token_type"] == "Bearer"


def test_oidcc_idtoken_signature(road: Road) -> None:
    """The header names a key of the JWKS, by `kid`, and its algorithm."""
    app = road.client()
    header = jwt.peek(road.tokens(app)["id_token"]).headers
    keys = KeySet.from_jwks(road.api.get("/.well-known/jwks.json").content)
    key = keys.get(str(header["kid"]))
    assert key is not None
    assert key.alg == header["alg"]


def test_oidcc_idtoken_rs256(road: Road) -> None:
    """For a client that registered it, and for one that registered nothing."""
    for app in (road.client(), road.client(id_token_signed_response_alg="RS256")):
        assert jwt.peek(road.tokens(app)["id_token"]).headers["alg"] == "RS256"


def test_oidcc_idtoken_unsigned(road: Road) -> None:
    """We refuse: nothing signs with `none`, and the code is not used up by trying."""
    app = road.client(id_token_signed_response_alg="none")
    flow = road.flow(app)
    code = code_of(flow.ask())
    for _ in range(2):
        answer = flow.redeem(road.api, code)
        assert (answer.status_code, answer.json()["error"]) == (503, "temporarily_unavailable")


def test_oidcc_ensure_request_without_nonce_succeeds_for_code_flow(road: Road) -> None:
    """Then the ID token has none."""
    app = road.client()
    assert "nonce" not in road.read(app, road.tokens(app, nonce=None)["id_token"])


def test_oidcc_userinfo_get(road: Road) -> None:
    """`sub` is the ID token's."""
    app = road.client()
    tokens = road.tokens(app)
    assert road.userinfo(tokens)["sub"] == road.read(app, tokens["id_token"])["sub"]


def test_oidcc_userinfo_post_header(road: Road) -> None:
    """The token in the header of a POST, without a body."""
    token = road.tokens(road.client())["access_token"]
    answer = road.api.post(USERINFO, headers={"authorization": f"Bearer {token}"})
    assert (answer.status_code, answer.json()["email"]) == (200, ANN["email"])


def test_oidcc_userinfo_post_body(road: Road) -> None:
    """The token in the form."""
    answer = road.api.post(USERINFO, data={"access_token": road.tokens(road.client())["access_token"]})
    assert (answer.status_code, answer.json()["email"]) == (200, ANN["email"])


def test_oidcc_userinfo_rs256(road: Road) -> None:
    """A signed answer, for the client alone."""
    app = road.client(userinfo_signed_response_alg="RS256")
    token = road.tokens(app)["access_token"]
    answer = road.api.get(USERINFO, headers={"authorization": f"Bearer {token}"})
    assert answer.headers["content-type"] == "application/jwt"
    keys = KeySet.from_jwks(road.api.get("/.well-known/jwks.json").content)
    told = jwt.verify(answer.text, keys, issuer=road.server.url, audience=app.id, typ=None, required=("sub",))
    assert told["email"] == ANN["email"]


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("openid profile", set[str]()),
        ("openid email", {"email", "email_verified"}),
        ("openid address", set[str]()),
        ("openid phone", set[str]()),
        ("openid profile email address phone", {"email", "email_verified"}),
    ],
    ids=["profile", "email", "address", "phone", "all"],
)
def test_oidcc_scope(road: Road, scope: str, expected: set[str]) -> None:
    """`oidcc-scope-profile`, -email, -address, -phone, -all: what is kept is at UserInfo, and nothing is null."""
    app = road.client()
    tokens = road.tokens(app, scope=scope)
    assert set(tokens["scope"].split()) == set(scope.split())
    told = road.userinfo(tokens)
    assert set(told) == {"sub", *expected}
    assert all(value not in (None, "") for value in told.values())
    assert expected.isdisjoint(road.read(app, tokens["id_token"]))
    if expected:
        assert (told["email"], told["email_verified"]) == (ANN["email"], False)


def test_oidcc_claims_essential(road: Road) -> None:
    """An essential claim that nobody has is no error; one that there is, is told."""
    asked = '{"userinfo": {"name": {"essential": true}, "email": {"essential": true}}}'
    told = road.userinfo(road.tokens(road.client(), scope="openid", claims=asked))
    assert set(told) == {"sub", "email"}


def test_oidcc_claims_that_are_none(road: Road) -> None:
    """A `claims` that is not of the known shape goes back as an error, and not as a sign-in without them."""
    flow = road.flow(road.client())
    assert answer_of(flow.ask(claims='{"userinfo": ["email"]}'))["error"] == "invalid_request"


def test_oidcc_refresh_token(road: Road) -> None:
    """The next ID token is of the same sign-in (Core §12.2)."""
    app = road.client()
    first = road.tokens(app)
    road.server.clock.advance(300)
    second = app.refresh(road.api, first["refresh_token"])
    before, after = (road.read(app, tokens["id_token"]) for tokens in (first, second))
    same = ("iss", "sub", "aud", "auth_time", "sid", "acr", "amr")
    assert {name: before[name] for name in same} == {name: after[name] for name in same}
    assert after["iat"] == before["iat"] + 300
    assert "nonce" not in after


def test_oidcc_server_rotate_keys(road: Road) -> None:
    """After a rotation the next ID token has another key; the JWKS has both, and the first token verifies still."""
    app = road.client()
    first = road.tokens(app)["id_token"]
    main(["key", "rotate", "--use", "id_token", "--now", *road.server.place])
    eventually(lambda: kid_of(road.tokens(app)["id_token"]) != kid_of(first))
    second = road.tokens(app)["id_token"]
    assert {kid_of(first), kid_of(second)} <= published_by(road)
    for token in (first, second):
        assert road.read(app, token)["aud"] == app.id


def test_oidcc_id_token_hint(road: Road) -> None:
    """An ID token that has expired, and whose key is out of the JWKS, tells whom a request is about all the same."""
    app = road.client()
    hint = road.tokens(app)["id_token"]
    main(["key", "rotate", "--use", "id_token", "--now", *road.server.place])
    road.server.clock.advance(2 * 3_600)
    eventually(lambda: kid_of(hint) not in published_by(road))
    code_of(road.flow(app).ask(prompt="none", id_token_hint=hint))
    tampered = hint[:-8] + "AAAAAAAA"
    assert answer_of(road.flow(app).ask(prompt="none", id_token_hint=tampered))["error"] == "invalid_request"
    other = road.client()
    assert answer_of(road.flow(other).ask(prompt="none", id_token_hint=hint))["error"] == "invalid_request"


def test_a_compromised_key_is_worth_nothing_as_a_hint(road: Road) -> None:
    """Within a second nothing that it signed is a hint, the JWKS is without it, and another key signs."""
    app = road.client()
    hint = road.tokens(app)["id_token"]
    main(["key", "compromise", kid_of(hint), *road.server.place])
    soon(lambda: kid_of(hint) not in published_by(road))
    assert answer_of(road.flow(app).ask(prompt="none", id_token_hint=hint))["error"] == "invalid_request"
    after = road.tokens(app)["id_token"]
    assert kid_of(after) != kid_of(hint)
    assert road.read(app, after)["aud"] == app.id


def published_by(road: Road) -> set[str | None]:
    """The keys in the JWKS."""
    return {key.kid for key in KeySet.from_jwks(road.api.get("/.well-known/jwks.json").content)}
