"""Somebody logs in and gets a token pair."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.published import token_keys
from tests.support.server import ANN, NOON, running_server

from gatepass.jose import Key, KeySet, jwt

if TYPE_CHECKING:
    from pathlib import Path

    import httpx
    from tests.support.server import RunningServer


def claims_of(token: str) -> dict[str, object]:
    """Look at a token's claims."""
    return dict(jwt.peek(token).claims)


def test_login_answers_with_a_token_pair(api: httpx.Client, ann: dict[str, str]) -> None:
    """The answer has the fields of the contract, and no cache may keep it."""
    answer = api.post("/login", json=ann)
    assert answer.status_code == 200
    assert set(answer.json()) == {"token", "token_type", "expires_in", "refresh_token"}
    assert answer.json()["token_type"] == "Bearer"
    assert answer.json()["expires_in"] == 900
    assert answer.headers["cache-control"] == "no-store"
    assert "set-cookie" not in answer.headers


def test_the_access_token_is_an_rfc_9068_token(api: httpx.Client, ann: dict[str, str], server: RunningServer) -> None:
    """Header {alg, typ, kid}; the claims of RFC 9068 §2.2, 15 minutes ahead; the issuer as audience; no `nbf`."""
    first, second = (api.post("/login", json=ann).json()["token"] for _ in range(2))
    seen = jwt.peek(first)
    (kid,) = (key.kid for key in token_keys(api))
    assert seen.headers == {"alg": "ES256", "typ": "at+jwt", "kid": kid}
    me = api.get("/me", headers={"authorization": f"Bearer {first}"}).json()
    idx = seen.claims["status"]["status_list"]["idx"]
    assert 0 <= idx < 2**20
    assert seen.claims == {
        "iss": server.url,
        "sub": me["id"],
        "aud": server.url,
        "exp": int(NOON) + 900,
        "iat": int(NOON),
        "jti": seen.claims["jti"],
        "client_id": "first-party",
        "sid": seen.claims["sid"],
        "auth_time": int(NOON),
        "acr": "1",
        "amr": ["pwd"],
        "status": {
            "status_list": {"idx": seen.claims["status"]["status_list"]["idx"], "uri": f"{server.url}/status/1"}
        },
    }
    assert claims_of(second)["jti"] != seen.claims["jti"]


def test_anybody_can_verify_the_token_with_the_published_keys(
    api: httpx.Client, ann: dict[str, str], server: RunningServer
) -> None:
    """The JWKS alone is enough to verify a token offline."""
    token = api.post("/login", json=ann).json()["token"]
    keys = KeySet.from_jwks(api.get("/.well-known/jwks.json").content)
    claims = jwt.verify(token, keys, issuer=server.url, audience=server.url, typ="at+jwt", now=NOON)
    assert claims["iss"] == server.url


@pytest.mark.parametrize("alg", ["ES256", "ES384", "RS256", "PS256", "Ed25519"])
def test_the_algorithm_is_a_setting(tmp_path: Path, alg: str) -> None:
    """Each asymmetric algorithm signs tokens that the published keys verify, and `/me` takes them."""
    with running_server(tmp_path, alg=alg) as server, server.client() as api:
        api.post("/signup", json=ANN)
        token = api.post("/login", json=ANN).json()["token"]
        keys = KeySet.from_jwks(api.get("/.well-known/jwks.json").content)
        jwt.verify(token, keys, issuer=server.url, audience=server.url, typ="at+jwt", now=NOON)
        assert jwt.peek(token).headers["alg"] == alg
        assert api.get("/me", headers={"authorization": f"Bearer {token}"}).status_code == 200


def test_hs256_is_for_one_api_and_its_secret_is_never_published(tmp_path: Path) -> None:
    """With HS256 the token verifies at the server; the JWKS holds only the key pair that lists and events need."""
    with (
        running_server(tmp_path, alg="HS256", audience=("https://api.example.test",)) as server,
        server.client() as api,
    ):
        api.post("/signup", json=ANN)
        token = api.post("/login", json=ANN).json()["token"]
        published = api.get("/.well-known/jwks.json").json()["keys"]
        assert [(key["kty"], key["alg"]) for key in published] == [("EC", "ES256")]
        assert api.get("/me", headers={"authorization": f"Bearer {token}"}).status_code == 200
    assert jwt.peek(token).headers["alg"] == "HS256"


def test_tokens_are_for_the_set_audiences_and_the_issuer(tmp_path: Path) -> None:
    """`aud` names the issuer and each API that is set; a login may narrow it to one of them, and to no other."""
    with running_server(tmp_path, audience=("https://a.test", "https://b.test")) as server, server.client() as api:
        api.post("/signup", json=ANN)
        everything = claims_of(api.post("/login", json=ANN).json()["token"])
        one = api.post("/login", json=ANN | {"audience": "https://b.test"}).json()["token"]
        other = api.post("/login", json=ANN | {"audience": "https://c.test"})
        at_server = api.get("/me", headers={"authorization": f"Bearer {one}"})
    assert everything["aud"] == [server.url, "https://a.test", "https://b.test"]
    assert claims_of(one)["aud"] == "https://b.test"
    assert (other.status_code, other.json()["code"]) == (400, "invalid_audience")
    assert (at_server.status_code, at_server.json()["code"]) == (401, "invalid_token")


def test_scopes_are_those_that_are_set(tmp_path: Path) -> None:
    """A login has all of them, fewer when it asks for fewer, and is refused one that is not set."""
    with running_server(tmp_path, scopes=("orders:read", "orders:write")) as server, server.client() as api:
        api.post("/signup", json=ANN)
        everything = api.post("/login", json=ANN).json()
        fewer = api.post("/login", json=ANN | {"scope": "orders:read"}).json()
        more = api.post("/login", json=ANN | {"scope": "orders:read admin"})
    assert claims_of(everything["token"])["scope"] == everything["scope"] == "orders:read orders:write"
    assert claims_of(fewer["token"])["scope"] == fewer["scope"] == "orders:read"
    assert (more.status_code, more.json()["code"]) == (400, "invalid_scope")


def test_an_unknown_address_and_a_wrong_password_get_the_same_answer(api: httpx.Client, ann: dict[str, str]) -> None:
    """Status, headers and body do not tell whether there is an account."""
    unknown = api.post("/login", json={"email": "bob@example.test", "password": "correct horse battery"})
    wrong = api.post("/login", json=ann | {"password": "incorrect horse battery"})
    assert unknown.status_code == wrong.status_code == 401
    assert unknown.headers["www-authenticate"] == wrong.headers["www-authenticate"] == "Bearer"
    varying = {"request_id": ""}
    assert unknown.json() | varying == wrong.json() | varying
    assert wrong.json()["code"] == "invalid_credentials"


def test_only_the_built_in_client_logs_in_here(api: httpx.Client, ann: dict[str, str]) -> None:
    """`client_id` may be named and must be `first-party`."""
    assert api.post("/login", json=ann | {"client_id": "first-party"}).status_code == 200
    answer = api.post("/login", json=ann | {"client_id": "somebody-else"})
    assert (answer.status_code, answer.json()["code"]) == (400, "unknown_client")


def test_the_password_cost_can_change_and_the_hash_follows(tmp_path: Path) -> None:
    """After a change of the Argon2 cost the next login makes a new hash, and the password goes on working."""
    with running_server(tmp_path) as server, server.client() as api:
        api.post("/signup", json=ANN)
    with running_server(tmp_path, argon2_memory_kib=16) as server, server.client() as api:
        assert api.post("/login", json=ANN).status_code == 200
        assert api.post("/login", json=ANN).status_code == 200
    assert b"m=16,t=1,p=1" in _bytes_of_database(tmp_path)
    assert b"m=8,t=1,p=1" not in _bytes_of_database(tmp_path)


def _bytes_of_database(data_dir: Path) -> bytes:
    """The rows of the password table, as the file has them after everything is in the main file."""
    import apsw  # noqa: PLC0415

    connection = apsw.Connection(str(data_dir / "gatepass.db"))
    found = connection.execute("SELECT hash FROM passwords").fetchall()
    connection.close()
    return repr(found).encode()


def test_key_of_another_server_does_not_verify(api: httpx.Client, ann: dict[str, str]) -> None:
    """`/me` refuses a token with the right claims under a key that is not the server's."""
    token = api.post("/login", json=ann).json()["token"]
    forged = jwt.sign(claims_of(token), Key.generate("ES256"), typ="at+jwt")
    answer = api.get("/me", headers={"authorization": f"Bearer {forged}"})
    assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
