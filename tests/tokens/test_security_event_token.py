"""Security event tokens: the claims of RFC 8417 as SSF 1.0 §4.1 profiles them, and nothing that other tokens have."""

from __future__ import annotations

import pytest

from gatepass.jose import Key, jws, jwt
from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens import security_event_token
from gatepass.tokens.security_event_token import SecurityEventToken

CLAIMS = SecurityEventToken(
    iss="https://id.example.test",
    jti="one",
    iat=1_000,
    aud="cli_1",
    sub_id={"format": "opaque", "id": "str_1"},
    events={"urn:event": {"state": "x"}},
)


def test_the_claims_are_those_of_the_specification() -> None:
    """What is not known is left out; there is never a `sub`, an `exp` or a `nonce`."""
    key = Key.generate("ES256")
    message = security_event_token.signing_input(CLAIMS, alg="ES256", kid="k")
    seen = jwt.peek(jws.assemble(message, key.sign(message)))
    assert dict(seen.headers) == {"alg": "ES256", "typ": "secevent+jwt", "kid": "k"}
    assert dict(seen.claims) == {
        "iss": "https://id.example.test",
        "jti": "one",
        "iat": 1_000,
        "aud": "cli_1",
        "sub_id": {"format": "opaque", "id": "str_1"},
        "events": {"urn:event": {"state": "x"}},
    }


def test_a_secret_signs_none() -> None:
    """Whoever could verify one could make one."""
    with pytest.raises(InvalidPolicyError):
        security_event_token.signing_input(CLAIMS, alg="HS256", kid="k")
