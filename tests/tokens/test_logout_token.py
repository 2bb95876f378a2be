"""Logout tokens: the claims of OpenID Connect Back-Channel Logout 1.0 §2.4, and nothing that an ID token has."""

from __future__ import annotations

import pytest

from gatepass.jose import Key, jws, jwt
from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens import logout_token
from gatepass.tokens.logout_token import LogoutToken

CLAIMS = LogoutToken(
    iss="https://id.example.test", sub="usr_1", aud="cli_1", iat=1_000, exp=1_120, jti="one", sid="ses_1"
)


def test_the_claims_are_those_of_the_specification() -> None:
    """`events` has the one member that says what it is, whose value is an empty object; there is no `nonce`."""
    key = Key.generate("ES256")
    message = logout_token.signing_input(CLAIMS, alg="ES256", kid="k")
    token = jws.assemble(message, key.sign(message))
    seen = jwt.peek(token)
    assert dict(seen.headers) == {"alg": "ES256", "typ": "logout+jwt", "kid": "k"}
    assert dict(seen.claims) == {
        "iss": "https://id.example.test",
        "sub": "usr_1",
        "aud": "cli_1",
        "iat": 1_000,
        "exp": 1_120,
        "jti": "one",
        "sid": "ses_1",
        "events": {"http://schemas.openid.net/event/backchannel-logout": {}},
    }


def test_a_secret_signs_none() -> None:
    """Whoever could verify one could make one."""
    with pytest.raises(InvalidPolicyError):
        logout_token.signing_input(CLAIMS, alg="HS256", kid="k")
