"""Security Event Tokens (RFC 8417) as the Shared Signals Framework 1.0 §4 profiles them."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from gatepass.jose import jws, jwt
from gatepass.jose.claims import NumericDate  # noqa: TC001 - msgspec reads the annotations
from gatepass.jose.errors import InvalidPolicyError

TYP = "secevent+jwt"
"""The header's `typ` (RFC 8417 §2.3), so that none passes for another token."""

Text = Annotated[str, msgspec.Meta(min_length=1)]


class SecurityEventToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims. There is never a `sub` nor an `exp` (SSF §4.1.3), which every other token of ours has.

    Attributes:
        iss: The issuer's URL.
        jti: Its name: the same at each try, never that of another event.
        iat: When it was queued, in seconds since 1970.
        aud: The receiver: a client.
        sub_id: Whom or what it is about (RFC 9493).
        events: The members of the event by its type: exactly one (CAEP Interoperability Profile §2.7.1).
        txn: What this and other tokens to the same receiver came of.
        toe: When it happened, in seconds since 1970.
    """

    iss: Text
    jti: Text
    iat: NumericDate
    aud: Text
    sub_id: dict[str, Any]
    events: dict[str, dict[str, Any]]
    txn: str = ""
    toe: NumericDate | None = None


def signing_input(claims: SecurityEventToken, *, alg: str, kid: str) -> bytes:
    """Put the token into the octets that its signature covers (RFC 7515 §5.1).

    Raises:
        InvalidPolicyError: `alg` is symmetric: then the receiver could sign for the issuer.
    """
    if alg.startswith("HS"):
        raise InvalidPolicyError("a security event token is signed by a key pair")
    return jws.signing_input(jwt.encode_claims(msgspec.to_builtins(claims)), {"alg": alg, "typ": TYP, "kid": kid})
