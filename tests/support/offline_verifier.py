"""A verifier that has its keys, and tokens for it, good ones and others."""

from __future__ import annotations

from typing import Any

import pytest
from tests.support.scripted_issuer import NOW, Clock

from gatepass.jose import JoseError, Key, KeySet, jwt
from gatepass.verify import Verifier

ISSUER = "https://auth.example.com"
KEY = Key.generate("ES256")
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "sub": "user_1",
    "aud": "my-api",
    "exp": int(NOW) + 900,
    "iat": int(NOW),
    "jti": "tok_1",
    "client_id": "first-party",
}


def signed(typ: str | None = "at+jwt", key: Key = KEY, **changes: object) -> str:
    """Sign a good token with some claims changed; None takes a claim away."""
    return jwt.sign({name: value for name, value in (CLAIMS | changes).items() if value is not None}, key, typ=typ)


def offline(**arguments: Any) -> Verifier:  # noqa: ANN401 - any argument of Verifier, right or wrong
    """Make a verifier that has its keys."""
    policy: dict[str, Any] = {"issuer": ISSUER, "audience": "my-api", "keys": KeySet([KEY.public()]), "clock": Clock()}
    return Verifier(**policy | arguments)


def refusal(verifier: Verifier, token: str) -> str:
    """Say with which code a token is refused."""
    with pytest.raises(JoseError) as caught:
        verifier.verify(token)
    return caught.value.code
