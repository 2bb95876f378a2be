"""What introspection tells as a signed token (RFC 9701): who holds it can prove what the server has said, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gatepass.jose import jws, jwt
from gatepass.jose.errors import InvalidPolicyError

if TYPE_CHECKING:
    from collections.abc import Mapping

TYP = "token-introspection+jwt"
"""The header's `typ` (§5), so that it passes for no token of another kind."""

MEDIA_TYPE = f"application/{TYP}"
"""How it is asked for, and what it is (§4, §5)."""


def signing_input(  # noqa: PLR0913 - what the token says, and by which key
    told: Mapping[str, Any], *, issuer: str, client_id: str, now: float, alg: str, kid: str
) -> bytes:
    """Put what is told about a token into the octets that its signature covers (RFC 7515 §5.1).

    It has neither `sub` nor `exp` of its own, so that nobody takes it for an access token (§5).

    Args:
        told: The members of the response (RFC 7662 §2.2).
        issuer: Our own URL.
        client_id: Who has asked.
        now: The time, in seconds since 1970.
        alg: The algorithm of the key that will sign.
        kid: The name of that key in the issuer's JWKS.

    Raises:
        InvalidPolicyError: `alg` is symmetric: then the client could sign for the issuer.
    """
    if alg.startswith("HS"):
        raise InvalidPolicyError("what introspection tells is signed by a key pair")
    claims = {"iss": issuer, "aud": client_id, "iat": int(now), "token_introspection": told}
    return jws.signing_input(jwt.encode_claims(claims), {"alg": alg, "typ": TYP, "kid": kid})
