"""Assertions as authorization grants (RFC 7523 §2.1): another issuer says who a client may have a token for.

The profile ID-JAG (Identity Assertion JWT Authorization Grant) is what MCP calls enterprise-managed authorization: it
names the one client that may use it, and what its token may be for.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

from gatepass.jose import jwt
from gatepass.jose.errors import BadClaimError, NotYetValidError, WrongAudienceError, WrongTypError
from gatepass.jose.headers import media_type

if TYPE_CHECKING:
    from gatepass.jose import Key, KeySet

TYP = "oauth-id-jag+jwt"
"""The header's `typ` of the profile ID-JAG."""

PROFILE = "urn:ietf:params:oauth:grant-profile:id-jag"
"""The profile's name in metadata."""

LONGEST_SECONDS = 600
"""How long an assertion may live, so that little has to be remembered and a stolen one is soon worthless."""

SKEW_SECONDS = 60
"""How far the other issuer's clock may be off."""

_TYPS = (None, media_type(TYP), media_type("JWT"))
"""Any other kind of token was made for something else: an access token of that issuer (`at+jwt`) say."""
_REQUIRED = ("iss", "sub", "aud", "exp", "jti")
_MAX_SUBJECT = 255
"""OpenID Connect Core §2."""


class AssertionGrant(NamedTuple):
    """What an issuer has asserted.

    Attributes:
        issuer: Who says so.
        subject: About whom, by the issuer's own name for them.
        jti: Its name: it is good once.
        resource: What a token may be for; None where it does not say.
        scope: The scopes that a token may have; None where it does not say.
        auth_time: When the subject signed in there, in seconds since 1970; None where it does not say.
        expires_at: Until when it counts, our clocks' difference included, in seconds since 1970.
    """

    issuer: str
    subject: str
    jti: str
    resource: tuple[str, ...] | None
    scope: tuple[str, ...] | None
    auth_time: float | None
    expires_at: float


def check(  # noqa: PLR0913 - the call reads as its policy
    token: str, keys: Key | KeySet, *, issuer: str, audience: str, client_id: str, now: float
) -> AssertionGrant:
    """Check an assertion by RFC 7523 §3; whether its `jti` was seen before, is the caller's to know.

    Args:
        token: The value of the parameter `assertion`.
        keys: The other issuer's public keys.
        issuer: The other issuer, which `iss` must name.
        audience: Our own URL: `aud` must name it, and nobody else.
        client_id: The client that sends it. An assertion that names a client is for no other.
        now: The time, in seconds since 1970.

    Raises:
        JoseError: It is refused; `code` says why.
    """
    claims = jwt.verify(
        token, keys, issuer=issuer, audience=None, typ=None, required=_REQUIRED, leeway=SKEW_SECONDS, now=now
    )
    if claims["aud"] not in (audience, [audience]):
        raise WrongAudienceError("the assertion is for another server, or for others too", claim="aud")
    _check_typ(token, claims, client_id)
    _check_times(claims, now)
    if not (0 < len(claims["sub"]) <= _MAX_SUBJECT and claims["sub"].isascii() and claims["sub"].isprintable()):
        raise BadClaimError("sub is no name", claim="sub")
    scope = _text(claims, "scope")
    return AssertionGrant(
        issuer=issuer,
        subject=claims["sub"],
        jti=claims["jti"],
        resource=_resource(claims),
        scope=None if scope is None else tuple(scope.split()),
        auth_time=_auth_time(claims, now),
        expires_at=claims["exp"] + SKEW_SECONDS,
    )


def _check_typ(token: str, claims: dict[str, Any], client_id: str) -> None:
    """Only what was made for this; an ID-JAG says for which client (its `client_id`), and another one may."""
    typ = jwt.peek(token).headers.get("typ")
    kind = None if typ is None else media_type(typ)
    if kind not in _TYPS:
        raise WrongTypError("the token is no authorization grant")
    named = claims.get("client_id")
    if named != client_id and (named is not None or kind == media_type(TYP)):
        raise BadClaimError("client_id is not the client", claim="client_id")


def _check_times(claims: dict[str, Any], now: float) -> None:
    """It was not made in the future, and ends soon after it was made."""
    made_at = claims.get("iat", now)
    if made_at > now + SKEW_SECONDS:
        raise NotYetValidError("iat is in the future", claim="iat")
    if claims["exp"] > max(now, made_at) + LONGEST_SECONDS:
        raise BadClaimError("exp is more than ten minutes ahead", claim="exp")


def _resource(claims: dict[str, Any]) -> tuple[str, ...] | None:
    """One or several."""
    value = claims.get("resource")
    if value is None:
        return None
    each = cast("list[object]", value) if isinstance(value, list) else [value]
    if not each or not all(isinstance(name, str) and name for name in each):
        raise BadClaimError("resource is a text, or an array of texts", claim="resource")
    return cast("tuple[str, ...]", tuple(each))


def _text(claims: dict[str, Any], name: str) -> str | None:
    value = claims.get(name)
    if value is not None and not isinstance(value, str):
        raise BadClaimError(f"{name} is a text", claim=name)
    return value


def _auth_time(claims: dict[str, Any], now: float) -> float | None:
    value = claims.get("auth_time")
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)) or value < 0:
        raise BadClaimError("auth_time is a number of seconds", claim="auth_time")
    return min(value, now)
