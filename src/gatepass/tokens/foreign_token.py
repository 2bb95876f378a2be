"""Access tokens of the system that users were imported from, which are traded once for ours.

They name no issuer, and their kind stands in a claim: what is pinned here is all that tells an access token from one
that resets a password or refreshes.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeAlias

from gatepass.jose import jwt
from gatepass.jose.errors import BadClaimError, ExpiredError, WrongAudienceError, WrongTypError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepass.jose import Key

ForeignKind: TypeAlias = Literal["fastapi-users", "simplejwt"]

FASTAPI_USERS_AUDIENCE = "fastapi-users:auth"
"""Its tokens for a new password and for an address are often signed with the same key, for other audiences."""
_ACCESS = "access"
_REQUIRED: Mapping[ForeignKind, tuple[str, ...]] = {
    "fastapi-users": ("exp", "aud"),
    "simplejwt": ("exp", "iat", "jti", "token_type"),
}


class ForeignTokenPolicy(NamedTuple):
    """What a token must be.

    Attributes:
        kind: Which library made it.
        key: The key that the library signed with; it decides the algorithm.
        issuer: What `iss` must be; None where the library sets none.
        audience: What `aud` must be, alone; None where the library sets none.
        user_id_claim: The claim with the user's id.
        imported_at: When the users were imported, in seconds since 1970: later tokens are none of that system's.
        lifetime_seconds: How long its tokens lived.
    """

    kind: ForeignKind
    key: Key
    issuer: str | None
    audience: str | None
    user_id_claim: str
    imported_at: float
    lifetime_seconds: float

    @property
    def ends_at(self) -> float:
        """When the last token of that system expires."""
        return self.imported_at + self.lifetime_seconds


class ForeignToken(NamedTuple):
    """What a token says.

    Attributes:
        subject: The id of the user.
        digest: What is the same for every spelling of the token, to use it once.
        auth_time: When the user signed in there at the latest, in seconds since 1970.
        expires_at: When the token expires, in seconds since 1970.
    """

    subject: str
    digest: str
    auth_time: float
    expires_at: float


def check(token: str, policy: ForeignTokenPolicy, *, now: float) -> ForeignToken:
    """Check a token; whether it was used before, is the caller's to know.

    Raises:
        JoseError: It is refused; `code` says why.
    """
    claims = jwt.verify(
        token,
        policy.key,
        issuer=policy.issuer,
        audience=policy.audience,
        typ="JWT",
        required=(*_REQUIRED[policy.kind], policy.user_id_claim),
        now=now,
    )
    if policy.audience is not None and claims["aud"] not in (policy.audience, [policy.audience]):
        raise WrongAudienceError("the token is for others too", claim="aud")
    if policy.kind == "simplejwt" and claims["token_type"] != _ACCESS:
        raise WrongTypError("the token is no access token")
    if claims["exp"] > policy.ends_at:
        raise BadClaimError("exp is later than that of any token from before the import", claim="exp")
    if now >= policy.ends_at:
        raise ExpiredError("every token from before the import has expired", claim="exp")
    return ForeignToken(
        subject=_subject(claims, policy.user_id_claim),
        digest=hashlib.sha256(token.rpartition(".")[0].encode()).hexdigest(),
        auth_time=_auth_time(claims, policy),
        expires_at=claims["exp"],
    )


def _subject(claims: dict[str, Any], name: str) -> str:
    """The id: a text, or a number as in older versions of simplejwt."""
    value = claims[name]
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise BadClaimError(f"{name} is no id", claim=name)
    return str(value)


def _auth_time(claims: dict[str, Any], policy: ForeignTokenPolicy) -> float:
    """When it was made: fastapi-users does not say, but for how long its tokens live."""
    made_at = float(claims.get("iat", claims["exp"] - policy.lifetime_seconds))
    if made_at > policy.imported_at:
        raise BadClaimError("the token was made after the import", claim="iat")
    return max(0.0, made_at)
