"""Two spellings of one token: whoever denies tokens by their text is bypassed with another text (OWASP, 2026).

An ECDSA signature (r, s) has a twin (r, n - s) that anybody can compute and every verifier accepts. What names a token
is its `jti`, never its text; every other respelling is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.scripted_issuer import NOW, Clock

from gatepass.jose import JoseError, Key, base64url, jwt
from gatepass.verify import Verifier

if TYPE_CHECKING:
    from collections.abc import Callable

P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551

ISSUER = "https://auth.example.com"
KEY = Key.generate("ES256")
TOKEN = jwt.sign(
    {
        "iss": ISSUER,
        "sub": "ann",
        "aud": "my-api",
        "client_id": "spa",
        "jti": "denied",
        "iat": int(NOW),
        "exp": int(NOW) + 300,
    },
    KEY,
    typ="at+jwt",
)


@pytest.fixture
def verifier() -> Verifier:
    """Make a verifier that has seen nothing yet."""
    return Verifier(issuer=ISSUER, audience="my-api", keys=KEY.public(), clock=Clock())


def test_the_twin_of_a_signature_names_the_same_token(verifier: Verifier) -> None:
    """The twin is another text with the same `jti`, so a denied `jti` denies both."""
    message, _, signature = TOKEN.rpartition(".")
    octets = base64url.decode(signature)
    s = P256_ORDER - int.from_bytes(octets[32:], "big")
    twin = f"{message}.{base64url.encode(octets[:32] + s.to_bytes(32, 'big'))}"
    assert twin != TOKEN
    assert verifier.verify(TOKEN).token_id == "denied"
    assert verifier.verify(twin).token_id == "denied"


@pytest.mark.parametrize(
    "respell",
    [
        lambda token: token + "=",
        lambda token: token + "==",
        lambda token: token + ".",
        lambda token: token + "\n",
        lambda token: " " + token,
        lambda token: token.replace(".", "=.", 1),
        lambda token: token.replace("-", "+").replace("_", "/") + "/",
        lambda token: token[:-1] + chr(ord(token[-1]) + 1),
        lambda token: token.replace(".", "..", 1),
        lambda token: "Bearer " + token,
    ],
)
def test_every_other_spelling_is_refused(verifier: Verifier, respell: Callable[[str], str]) -> None:
    """Padding, blanks, another alphabet, stray bits and more dots are no token, though the token itself was seen."""
    verifier.verify(TOKEN)
    with pytest.raises(JoseError) as caught:
        verifier.verify(respell(TOKEN))
    assert caught.value.code == "malformed"
