"""Checking an ID token (OpenID Connect Core §2) with our own JOSE library, against an explicit policy."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, cast

from gatepass.jose import jwt
from gatepass.server.base.confidential import Confidential
from gatepass.server.base.errors import Refusal

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from gatepass.jose import KeySet
    from gatepass.jose.errors import JoseError

MAX_AGE_SECONDS = 300
"""The maximum age of its `iat`, so that a token from a log or history soon becomes useless."""
SKEW_SECONDS = 60
MAX_LENGTH = 16_384
_MAX_SUBJECT = 255
"""OpenID Connect Core §2, of `sub`; ASCII."""
_REQUIRED = ("iss", "sub", "aud", "exp", "iat")


class IdTokenPolicy(Confidential, frozen=True, kw_only=True):
    """What an ID token must satisfy.

    `nonce` is its expected nonce, or None if none was sent; `is_issuer` says whether `iss` is the provider's.
    """

    keys: KeySet
    is_issuer: Callable[[dict[str, Any]], bool]
    client_ids: Collection[str]
    nonce: str | None
    now: float


def check(token: str, policy: IdTokenPolicy) -> dict[str, Any]:
    """OpenID Connect Core §3.1.3.7: return the claims of a token that satisfies the policy.

    Raises:
        JoseError: The signature, a claim's type, `aud` or a time is wrong, or the key unknown.
        Refusal: `invalid_id_token`, for the rest.
    """
    claims = jwt.verify(
        token,
        policy.keys,
        issuer=None,  # for some providers it depends on other claims: see `_check_issuer`
        audience=policy.client_ids,
        typ=None,  # most set JWT, some set nothing: see `_check_kind`
        required=_REQUIRED,
        leeway=SKEW_SECONDS,
        now=policy.now,
    )
    _check_kind(token, claims)
    for step in (_check_issuer, _check_parties, _check_subject, _check_age, _check_nonce):
        step(claims, policy)
    return claims


def name_of(token: str) -> str:
    """The id under which a used token is remembered: all but its signature, because an ECDSA token has many."""
    return hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest()


def _check_kind(token: str, claims: dict[str, Any]) -> None:
    """Refuse other types of token: access tokens, and logout tokens, whose `aud` is also the client."""
    kind = jwt.peek(token).headers.get("typ", "JWT")
    if not isinstance(kind, str) or kind.upper() != "JWT" or "events" in claims:
        raise _refused("it is not an ID token")


def _check_issuer(claims: dict[str, Any], policy: IdTokenPolicy) -> None:
    if not policy.is_issuer(claims):
        raise _refused("`iss` is not the provider")


def _check_parties(claims: dict[str, Any], policy: IdTokenPolicy) -> None:
    """§3.1.3.7, 3 to 5: it is only for audiences that we know, and was issued to one of our clients."""
    audience = claims["aud"]
    audiences = [audience] if isinstance(audience, str) else cast("list[str]", audience)
    if not set(audiences) <= set(policy.client_ids):
        raise _refused("`aud` has other audiences")
    azp = claims.get("azp")
    if azp is None and len(audiences) > 1:
        raise _refused("it has several in `aud` and no `azp`")
    if azp is not None and azp not in policy.client_ids:
        raise _refused("`azp` is another application")


def _check_subject(claims: dict[str, Any], _policy: IdTokenPolicy) -> None:
    subject = claims["sub"]
    if not 0 < len(subject) <= _MAX_SUBJECT or not subject.isascii():
        raise _refused("`sub` is missing or empty")


def _check_age(claims: dict[str, Any], policy: IdTokenPolicy) -> None:
    age = policy.now - claims["iat"]
    if not -SKEW_SECONDS <= age <= MAX_AGE_SECONDS:
        raise _refused("it has expired, or is from the future")


def _check_nonce(claims: dict[str, Any], policy: IdTokenPolicy) -> None:
    if policy.nonce is not None and claims.get("nonce") != policy.nonce:
        raise _refused("`nonce` does not match the request")


def refused_by(error: JoseError) -> Refusal:
    """The refusal for an error of the JOSE library."""
    return _refused(error.code)


def _refused(reason: str) -> Refusal:
    return Refusal("invalid_id_token", f"The ID token is refused: {reason}.")
