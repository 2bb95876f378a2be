"""UserInfo (OpenID Connect Core §5.3): who may ask, by which token, and what they are told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.stories.test_dpop import Prover, bound
from tests.stories.test_oauth import register
from tests.support.relying_party import add_relying_party
from tests.support.server import ANN, running_server
from tests.support.wait import eventually

from gatepass.cli.main import main
from gatepass.jose import JoseError, KeySet, jwt
from gatepass.server.domain.sessions.client_metadata import ClientMetadata
from gatepass.server.domain.sessions.requested_claims import KEPT_CLAIMS
from gatepass.server.features.oauth.userinfo import UserInfo
from gatepass.tokens import id_token

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.relying_party import RelyingParty
    from tests.support.server import RunningServer

PATH = "/oauth/userinfo"


@pytest.fixture
def app(server: RunningServer, ann: dict[str, str]) -> RelyingParty:
    """A client for which people sign in."""
    return add_relying_party(server)


def bearer(token: str) -> dict[str, str]:
    """The header."""
    return {"authorization": f"Bearer {token}"}


def refusal(answer: httpx.Response) -> tuple[int, str, str]:
    """Status, error and challenge."""
    return answer.status_code, answer.json()["error"], answer.headers["www-authenticate"]


def test_every_way_to_send_the_token(api: httpx.Client, app: RelyingParty) -> None:
    """By GET, by POST with the header, by POST with a form; `sub` is the ID token's, and no cache keeps the answer."""
    tokens = app.sign_in(api)
    token = tokens["access_token"]
    answers = [
        api.get(PATH, headers=bearer(token)),
        api.post(PATH, headers=bearer(token)),
        api.post(PATH, data={"unknown": "field"}, headers=bearer(token)),
        api.post(PATH, data={"access_token": token}),
    ]
    for answer in answers:
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "application/json"
        assert answer.headers["cache-control"] == "no-store"
        assert answer.json() == {
            "sub": jwt.peek(tokens["id_token"]).claims["sub"],
            "email": "ann@example.test",
            "email_verified": False,
        }


def test_a_token_in_the_query_is_not_looked_at(api: httpx.Client, app: RelyingParty) -> None:
    """Queries are in logs and histories. Whoever sends none is told how, and finds no fault named."""
    token = app.sign_in(api)["access_token"]
    for answer in (
        api.get(PATH),
        api.get(PATH, params={"access_token": token}),
        api.post(PATH, params={"access_token": token}),
        api.post(PATH, data={"access_token": ""}),
        api.get(PATH, headers={"authorization": "Basic YTpi"}),
        api.get(PATH, headers={"authorization": f"Bearer\t{token}"}),
    ):
        assert (answer.status_code, answer.json()) == (401, {})
        bearer_challenge, dpop_challenge = answer.headers.get_list("www-authenticate")
        assert bearer_challenge == "Bearer"
        assert dpop_challenge.startswith('DPoP algs="')


def test_two_tokens_are_none(api: httpx.Client, app: RelyingParty) -> None:
    """In the header and in the form, or twice in the form (RFC 6750 §2)."""
    token = app.sign_in(api)["access_token"]
    both = api.post(PATH, data={"access_token": token}, headers=bearer(token))
    assert refusal(both) == (400, "invalid_request", 'Bearer error="invalid_request"')
    form = {"content-type": "application/x-www-form-urlencoded"}
    twice = api.post(PATH, content=f"access_token={token}&access_token={token}", headers=form)
    assert twice.status_code in (400, 401)
    as_json = api.post(PATH, json={"access_token": token})
    assert as_json.status_code in (401, 415)


@pytest.mark.parametrize(
    "spelling", ["Bearer  {}", "Bearer {},", "Bearer {} {}", "bearer x{}", "Bearer {}\u00a0", "DPoP {}"]
)
def test_the_header_holds_one_token_after_one_blank(api: httpx.Client, app: RelyingParty, spelling: str) -> None:
    """Two blanks, a comma or a second word: servers that read these differently can be played against each other."""
    token = app.sign_in(api)["access_token"]
    for path in (PATH, "/me"):
        answer = api.get(path, headers={b"authorization": spelling.replace("{}", token).encode("latin-1")})
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_without_the_scope_it_is_shut(
    api: httpx.Client, app: RelyingParty, server: RunningServer, ann: dict[str, str]
) -> None:
    """To a first-party token as to another's: 403, and the challenge names the scope."""
    challenge = 'Bearer error="insufficient_scope", scope="openid"'
    own = api.post("/login", json=ann).json()["token"]
    assert refusal(api.get(PATH, headers=bearer(own))) == (403, "insufficient_scope", challenge)
    narrow = app.sign_in(api, scope="email")["access_token"]
    assert refusal(api.get(PATH, headers=bearer(narrow))) == (403, "insufficient_scope", challenge)


def test_a_first_party_token_that_has_the_scope_opens_it(tmp_path: Path) -> None:
    """The operator's own applications may speak OpenID too, where the operator lists the scope."""
    with running_server(tmp_path, scopes=("openid", "email")) as server, server.client() as api:
        api.post("/signup", json=ANN)
        token = api.post("/login", json=ANN).json()["token"]
        assert api.get(PATH, headers=bearer(token)).json()["email"] == ANN["email"]


def test_a_clients_own_token_is_about_nobody(
    api: httpx.Client, server: RunningServer, capsys: pytest.CaptureFixture[str]
) -> None:
    """Though it has the scope, and is for the issuer."""
    worker = register(server, capsys, "--scope", "openid")
    form = {"grant_type": "client_credentials"}
    token = api.post("/oauth/token", data=form, headers=worker.basic).json()["access_token"]
    assert refusal(api.get(PATH, headers=bearer(token)))[:2] == (401, "invalid_token")


def test_which_tokens_are_for_it(api: httpx.Client, server: RunningServer, ann: dict[str, str]) -> None:
    """One that names no resource is for the client's APIs and UserInfo; one that names an API is for that alone."""
    app = add_relying_party(server, audience=("https://api.example.test",))
    tokens = app.sign_in(api)
    token = tokens["access_token"]
    assert jwt.peek(token).claims["aud"] == ["https://api.example.test", server.url]
    assert api.get(PATH, headers=bearer(token)).status_code == 200
    assert api.get("/me", headers=bearer(token)).status_code == 403
    named = app.refresh(api, tokens["refresh_token"], resource="https://api.example.test")["access_token"]
    assert jwt.peek(named).claims["aud"] == "https://api.example.test"
    assert refusal(api.get(PATH, headers=bearer(named)))[:2] == (401, "invalid_token")
    less = app.refresh(api, tokens["refresh_token"], scope="email")["access_token"]
    assert jwt.peek(less).claims["aud"] == "https://api.example.test"


def test_it_is_shut_when_the_sign_in_is_over(api: httpx.Client, app: RelyingParty, server: RunningServer) -> None:
    """Signed out everywhere, disabled, grant revoked, expired: 401 at once, whatever the token says."""

    def over(token: str) -> tuple[int, str, str]:
        return refusal(api.get(PATH, headers=bearer(token)))

    gone = (401, "invalid_token", 'Bearer error="invalid_token"')
    revoked = app.sign_in(api)
    api.post("/oauth/revoke", data={"token": revoked["refresh_token"], **app.credentials})
    assert over(revoked["access_token"]) == gone
    expired = app.sign_in(api)["access_token"]
    server.clock.advance(901)
    assert over(expired) == gone
    disabled = app.sign_in(api)["access_token"]
    main(["user", "disable", "ann@example.test", *server.place])
    assert over(disabled) == gone
    assert over("nonsense") == gone


def test_what_a_client_is_told_is_what_it_may_know_today(
    api: httpx.Client, app: RelyingParty, server: RunningServer
) -> None:
    """A scope that was taken from the client opens nothing more; a role that was given shows at once."""
    main(["user", "role", "ann@example.test", "editor", *server.place])
    token = app.sign_in(api)["access_token"]
    assert api.get(PATH, headers=bearer(token)).json()["roles"] == ["editor"]
    app.write("UPDATE clients SET scope = ?1 WHERE id = ?2", "openid roles", app.id)
    eventually(lambda: set(api.get(PATH, headers=bearer(token)).json()) == {"sub", "roles"})


def test_claims_that_were_asked_for_one_by_one(api: httpx.Client, app: RelyingParty) -> None:
    """OIDF `oidcc-claims-essential`: told without their scope; what is not kept is left out, and not null."""
    asked = '{"userinfo": {"email": {"essential": true}, "name": {"essential": true}, "phone_number": null}}'
    token = app.sign_in(api, claims=asked, scope="openid")["access_token"]
    assert api.get(PATH, headers=bearer(token)).json() == {
        "sub": jwt.peek(token).claims["sub"],
        "email": "ann@example.test",
    }


def test_an_answer_that_is_signed(api: httpx.Client, server: RunningServer, ann: dict[str, str]) -> None:
    """OIDF `oidcc-userinfo-rs256`: a JWT with `iss` and `aud`, as the client registered; it passes for no ID token."""
    app = add_relying_party(server, metadata=ClientMetadata(userinfo_signed_response_alg="RS256"))
    answer = api.get(PATH, headers=bearer(app.sign_in(api)["access_token"]))
    assert answer.headers["content-type"] == "application/jwt"
    assert answer.headers["cache-control"] == "no-store"
    keys = KeySet.from_jwks(api.get("/.well-known/jwks.json").content)
    told = jwt.verify(
        answer.text, keys, issuer=server.url, audience=app.id, typ="JWT", required=("sub",), now=server.clock.now
    )
    assert set(told) == {"iss", "aud", "sub", "email", "email_verified"}
    assert jwt.peek(answer.text).headers["alg"] == "RS256"
    with pytest.raises(JoseError) as caught:
        id_token.check_hint(answer.text, keys, issuer=server.url, client_id=app.id)
    assert caught.value.code == "missing_claim"


def test_a_bound_token_needs_its_proof(api: httpx.Client, app: RelyingParty, server: RunningServer) -> None:
    """RFC 9449 §7: with the proof it opens UserInfo, without one and in a form it does not."""
    prove = Prover(server)
    token = api.post("/login", json={**ANN, "client_id": app.id}, headers=prove("/login")).json()["token"]
    proof = prove(PATH, method="GET", token=token)
    assert api.get(PATH, headers=bound(token) | proof).status_code == 200
    for answer in (
        api.get(PATH, headers=bearer(token)),
        api.post(PATH, data={"access_token": token}),
        api.get(PATH, headers=bound(token)),
        api.get(PATH, headers=bound(token) | proof),
    ):
        assert answer.status_code == 401
        assert 'error="invalid_token"' in answer.headers["www-authenticate"]


def test_pages_of_any_origin_may_ask(api: httpx.Client, app: RelyingParty) -> None:
    """Applications without a server ask from the browser: no cookie counts, so any origin may read the answer."""
    origin = {"origin": "https://spa.example.test"}
    token = app.sign_in(api)["access_token"]
    for path in (PATH, "/oauth/token", "/oauth/revoke", "/oauth/par"):
        asked = api.options(path, headers={**origin, "access-control-request-method": "POST"})
        assert asked.status_code == 204
        assert asked.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in asked.headers
    answer = api.get(PATH, headers={**origin, **bearer(token)})
    assert answer.headers["access-control-allow-origin"] == "*"
    refused = api.get(PATH, headers=origin)
    assert refused.headers["access-control-allow-origin"] == "*"
    assert "WWW-Authenticate" in refused.headers["access-control-expose-headers"]
    assert "access-control-allow-origin" not in api.post("/oauth/introspect", headers=origin).headers
    assert "access-control-allow-origin" not in api.get("/me", headers=origin).headers


def test_the_answer_has_a_place_for_all_that_is_kept() -> None:
    """What is added to one is added to the other."""
    assert {field.name for field in msgspec.structs.fields(UserInfo)} == {"sub", *KEPT_CLAIMS}
