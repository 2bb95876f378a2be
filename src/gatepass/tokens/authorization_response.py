"""Authorization responses as signed tokens (JWT Secured Authorization Response Mode for OAuth 2.0, JARM)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.jose import jws, jwt
from gatepass.jose.errors import InvalidPolicyError

if TYPE_CHECKING:
    from collections.abc import Mapping

TYP = "JWT"
"""The header's `typ`: JARM names none. Without `sub` it passes for no token that is about a person."""

LIFETIME = 600
"""Seconds, at most ten minutes as §2.1 recommends; the code inside lives for one."""


def signing_input(  # noqa: PLR0913 - what the token says, and by which key
    answer: Mapping[str, str], *, issuer: str, client_id: str, now: float, alg: str, kid: str
) -> bytes:
    """Put an answer into the octets that its signature covers (RFC 7515 §5.1).

    Args:
        answer: The parameters of the response.
        issuer: Our own URL.
        client_id: Whom it is for, and nobody else (§2.1).
        now: The time, in seconds since 1970.
        alg: The algorithm of the key that will sign.
        kid: The name of that key in the issuer's JWKS.

    Raises:
        InvalidPolicyError: `alg` is symmetric: then the client could sign for the issuer.
    """
    if alg.startswith("HS"):
        raise InvalidPolicyError("an authorization response is signed by a key pair")
    claims = {**answer, "iss": issuer, "aud": client_id, "exp": int(now) + LIFETIME}
    return jws.signing_input(jwt.encode_claims(claims), {"alg": alg, "typ": TYP, "kid": kid})
