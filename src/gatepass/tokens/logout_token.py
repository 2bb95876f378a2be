"""Logout tokens (OpenID Connect Back-Channel Logout 1.0 §2.4): what a client is told when a sign-in is over."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from gatepass.jose import jws, jwt
from gatepass.jose.claims import NumericDate  # noqa: TC001 - msgspec reads the annotations
from gatepass.jose.errors import InvalidPolicyError

TYP = "logout+jwt"
"""The header's `typ`, so that none passes for an ID token."""

LIFETIME = 120
"""Seconds, at most two minutes as §4 recommends."""

EVENT = "http://schemas.openid.net/event/backchannel-logout"
"""The member of `events` that makes it a logout token."""

Text = Annotated[str, msgspec.Meta(min_length=1)]


def _events() -> dict[str, dict[str, Any]]:
    return {EVENT: {}}


class LogoutToken(msgspec.Struct, frozen=True, kw_only=True):
    """The claims. There is never a `nonce` (§2.4), which ID tokens may have.

    Attributes:
        iss: The issuer's URL.
        sub: Whose sign-in is over, as this client knows them.
        aud: The client.
        iat: When it was made, in seconds since 1970.
        exp: When it ends, in seconds since 1970.
        jti: Its name: never given twice.
        sid: The sign-in, by the name that the client's ID tokens have for it.
        events: What the token tells of.
    """

    iss: Text
    sub: Text
    aud: Text
    iat: NumericDate
    exp: NumericDate
    jti: Text
    sid: Text
    events: dict[str, dict[str, Any]] = msgspec.field(default_factory=_events)


def signing_input(claims: LogoutToken, *, alg: str, kid: str) -> bytes:
    """Put the token into the octets that its signature covers (RFC 7515 §5.1).

    Raises:
        InvalidPolicyError: `alg` is symmetric: then the client could sign for the issuer.
    """
    if alg.startswith("HS"):
        raise InvalidPolicyError("a logout token is signed by a key pair")
    return jws.signing_input(jwt.encode_claims(msgspec.to_builtins(claims)), {"alg": alg, "typ": TYP, "kid": kid})
