"""Request objects (RFC 9101): the parameters of an authorization request, signed by the client that asks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple, cast

import msgspec

from gatepass.jose import jwt
from gatepass.jose.errors import BadClaimError, ExpiredError, WrongTypError
from gatepass.jose.headers import media_type
from gatepass.jose.limits import Limits

if TYPE_CHECKING:
    from gatepass.jose import Key, KeySet

TYP = "oauth-authz-req+jwt"
"""The header's `typ` (RFC 9101 §10.8)."""

MAX_LENGTH = 8_192
"""The maximum length in characters."""

LONGEST_SECONDS = 3_600
"""How far ahead `exp` may be, and how long ago `nbf` (FAPI 2.0 Message Signing §5.3.1)."""

SKEW_SECONDS = 10
"""How far a client's clock may be off: FAPI 2.0 Security Profile §5.3.2.1 wants that much to be let pass."""

_TYPS = (None, media_type(TYP), media_type("JWT"))
"""OpenID Connect Core §6.1 knew no `typ`, so that many libraries write `JWT` or nothing."""
_LIMITS = Limits(token_length=MAX_LENGTH)
_REQUIRED = ("iss", "aud", "exp", "client_id")
_OF_THE_JWT = frozenset(("iss", "aud", "exp", "nbf", "iat", "jti", "sub"))
"""Members that are about the object, and no parameters."""
_REPEATABLE = "resource"
"""The one parameter that may stand more than once (RFC 8707 §2): an array here."""


class RequestObject(NamedTuple):
    """A request that its client has signed.

    Attributes:
        parameters: Names and values, as they would stand in a form.
        jti: Its name, if it has one: then it is good once.
        is_dated: Whether it says from when on it counts (`nbf`).
        expires_at: Until when it counts, our clocks' difference included, in seconds since 1970.
    """

    parameters: tuple[tuple[str, str], ...]
    jti: str | None
    is_dated: bool
    expires_at: float


def check(token: str, keys: Key | KeySet, *, issuer: str, client_id: str, now: float) -> RequestObject:
    """Check a request object by RFC 9101 §4, §6 and §10; whether its `jti` was seen before, is the caller's to know.

    Args:
        token: The value of the parameter `request`.
        keys: The client's public keys. There is no way to have one that is not signed.
        issuer: Our own URL, which `aud` must name.
        client_id: The client, which `iss` and `client_id` must name.
        now: The time, in seconds since 1970.

    Raises:
        JoseError: It is refused; `code` says why.
    """
    claims = jwt.verify(
        token,
        keys,
        issuer=client_id,
        audience=issuer,
        typ=None,
        required=_REQUIRED,
        leeway=SKEW_SECONDS,
        now=now,
        limits=_LIMITS,
    )
    _check_typ(token)
    _check_times(claims, now)
    if claims["client_id"] != client_id:
        raise BadClaimError("client_id is not the client", claim="client_id")
    if claims.get("sub") == client_id:  # RFC 9101 §10.8: a client assertion must not pass for a request
        raise BadClaimError("the object has the subject of a client assertion", claim="sub")
    for name in ("request", "request_uri"):
        if name in claims:
            raise BadClaimError("a request object names no other one", claim=name)
    parameters = tuple(
        (name, value) for name, member in claims.items() if name not in _OF_THE_JWT for value in _values(name, member)
    )
    return RequestObject(parameters, claims.get("jti"), "nbf" in claims, claims["exp"] + SKEW_SECONDS)


def _check_typ(token: str) -> None:
    typ = jwt.peek(token, limits=_LIMITS).headers.get("typ")
    if (None if typ is None else media_type(typ)) not in _TYPS:
        raise WrongTypError(f"the token is not a {TYP}")


def _check_times(claims: dict[str, Any], now: float) -> None:
    if claims["exp"] > now + LONGEST_SECONDS + SKEW_SECONDS:
        raise BadClaimError("exp is more than an hour ahead", claim="exp")
    if claims.get("nbf", now) < now - LONGEST_SECONDS:
        raise ExpiredError("nbf is more than an hour ago", claim="nbf")


def _values(name: str, member: object) -> list[str]:
    """RFC 9101 §4: texts as they are, numbers as numbers, and JSON where the parameter's text is JSON."""
    if member is None:
        return []
    if name == _REPEATABLE and isinstance(member, list):
        each = cast("list[object]", member)
        if not all(isinstance(value, str) for value in each):
            raise BadClaimError("resource is a text, or an array of texts", claim=name)
        return cast("list[str]", each)
    return [member if isinstance(member, str) else msgspec.json.encode(member).decode()]
