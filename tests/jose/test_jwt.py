"""JSON Web Tokens against a policy (RFC 7519, RFC 8725bis)."""

from __future__ import annotations

import pytest

from gatepass.jose import Key, KeySet, jwt

ALGORITHMS = (
    "HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512",
    "ES256", "ES384", "ES512", "Ed25519",
)  # fmt: skip
CLAIMS = {"iss": "https://auth.example.com", "aud": ["my-api", "other"], "sub": "u1", "exp": 2_000_000_000, "nbf": 1}


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_what_a_key_signs_it_verifies_alone_and_in_a_set(alg: str) -> None:
    """A signed token gives its claims back, to the key and to a set that holds it."""
    key = Key.generate(alg)
    token = jwt.sign(CLAIMS, key, typ="at+jwt")
    for keys in (key, KeySet([key])):
        verified = jwt.verify(
            token, keys, issuer="https://auth.example.com", audience="my-api", typ="at+jwt", now=1_900_000_000
        )
        assert verified == CLAIMS
