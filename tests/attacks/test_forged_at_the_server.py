"""Forged tokens at the server's own calls, made octet by octet out of a token that is good and keys that are public."""

from __future__ import annotations

import base64
import hmac
import json
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    Sign = Callable[[bytes, bytes], bytes]


def decoded(part: str) -> Any:  # noqa: ANN401 - JSON
    """Read a part of a token."""
    return json.loads(base64.urlsafe_b64decode(part + "=="))


def encoded(octets: bytes) -> str:
    """Octets in base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def unsigned(_message: bytes, _jwks: bytes) -> bytes:
    """No signature."""
    return b""


def by_published_text(message: bytes, jwks: bytes) -> bytes:
    """HMAC under the JWKS as it is published."""
    return hmac.digest(jwks, message, "sha256")


def by_another_key(message: bytes, _jwks: bytes) -> bytes:
    """ECDSA under a key of the attacker's."""
    r, s = decode_dss_signature(ec.generate_private_key(ec.SECP256R1()).sign(message, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def zero(_message: bytes, _jwks: bytes) -> bytes:
    """The signature that CVE-2022-21449 took for everything."""
    return bytes(64)


@pytest.mark.parametrize(
    ("header", "claims", "sign"),
    [
        ({"alg": "none"}, {}, unsigned),
        ({"alg": "NoNe"}, {}, unsigned),
        ({"alg": "ES256"}, {}, unsigned),
        ({"alg": "HS256"}, {}, by_published_text),
        ({"alg": "ES256"}, {}, zero),
        ({"alg": "ES256"}, {}, by_another_key),
        ({"alg": "ES256", "kid": None}, {}, by_another_key),
        ({"alg": "ES256", "kid": "../../dev/null"}, {}, by_another_key),
        ({"alg": "ES256", "jku": "https://evil.example/jwks.json"}, {}, by_another_key),
        ({"alg": "ES256"}, {"exp": 9_999_999_999}, by_another_key),
        ({"alg": "ES256"}, {"sub": "first-party"}, by_another_key),
    ],
)
def test_nobody_but_the_server_makes_its_tokens(
    api: httpx.Client, ann: dict[str, str], header: dict[str, object], claims: dict[str, object], sign: Sign
) -> None:
    """Each is refused by every call with 401 `invalid_token`, and ends nothing."""
    pair = api.post("/login", json=ann).json()
    jwks = api.get("/.well-known/jwks.json").content
    old_header, old_claims, _ = pair["token"].split(".")
    parts = (decoded(old_header) | header, decoded(old_claims) | claims)
    message = ".".join(encoded(json.dumps(part).encode()) for part in parts)
    bearer = {"authorization": f"Bearer {message}.{encoded(sign(message.encode(), jwks))}"}
    for method, path in (("GET", "/me"), ("GET", "/sessions"), ("POST", "/logout"), ("POST", "/logout/all")):
        answer = api.request(method, path, headers=bearer)
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
        assert answer.headers["www-authenticate"] == 'Bearer error="invalid_token"'
    assert api.post("/refresh", json={"refresh_token": pair["refresh_token"]}).status_code == 200


@pytest.mark.parametrize("place", ["query", "body", "another scheme"])
def test_an_access_token_is_taken_from_one_header_only(api: httpx.Client, ann: dict[str, str], place: str) -> None:
    """In the query it would stand in logs, and a form can come from other sites: no token at all (RFC 9700 §4.3.2)."""
    token = api.post("/login", json=ann).json()["token"]
    answer = {
        "query": lambda: api.get("/me", params={"access_token": token}),
        "body": lambda: api.request("GET", "/me", data={"access_token": token}),
        "another scheme": lambda: api.get("/me", headers={"authorization": f"Token {token}"}),
    }[place]()
    assert (answer.status_code, answer.json()["code"]) == (401, "missing_token")


@pytest.mark.parametrize("swapped", ["refresh for access", "access for refresh"])
def test_one_kind_of_token_is_no_other(api: httpx.Client, ann: dict[str, str], swapped: str) -> None:
    """A refresh token is no bearer token, and an access token refreshes nothing."""
    pair = api.post("/login", json=ann).json()
    if swapped == "refresh for access":
        answer = api.get("/me", headers={"authorization": f"Bearer {pair['refresh_token']}"})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_token")
    else:
        answer = api.post("/refresh", json={"refresh_token": pair["token"]})
        assert (answer.status_code, answer.json()["code"]) == (401, "invalid_refresh_token")
