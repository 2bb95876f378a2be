"""Logout tokens (OpenID Connect Back-Channel Logout 1.0): a sign-in, or all of a person's, is over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import msgspec

from gatepass.jose import headers, jwt
from gatepass.jose.claims import NumericDate  # noqa: TC001 - msgspec reads the annotations
from gatepass.jose.errors import BadClaimError, MissingClaimError, WrongTypError
from gatepass.tokens.logout_token import EVENT, TYP

from .notice import Ending, ForeignNotice, refuse_from_future

if TYPE_CHECKING:
    from gatepass.bridge.settings import TransmitterSettings
    from gatepass.jose import KeySet

_LEEWAY = 60
"""Seconds by which the issuer's clock may differ."""

_TYPES = (headers.media_type(TYP), headers.media_type("JWT"), None)
"""§2.4 recommends the first; issuers from before write one of the others. None of them makes an ID token pass: that
has no `events`, and a logout token no `nonce`."""

Text = Annotated[str, msgspec.Meta(min_length=1)]


class _ForeignLogoutToken(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of §2.4. `sid` and `sub` may each be missing."""

    iat: NumericDate
    jti: Text
    events: dict[str, dict[str, Any]]
    sub: Text | None = None
    sid: Text | None = None
    nonce: Any = msgspec.UNSET


def read(token: str, keys: KeySet, transmitter: TransmitterSettings, now: float) -> ForeignNotice:
    """Check a logout token by the steps of §2.6, and say what it ends.

    Raises:
        JoseError: It is refused.
    """
    if headers.media_type(jwt.peek(token).headers.get("typ")) not in _TYPES:
        raise WrongTypError(f"the token is not a {TYP}")
    claims = jwt.verify(
        token,
        keys,
        issuer=transmitter.signed_by,
        audience=transmitter.audience,
        typ=None,
        required=("iat", "exp", "jti"),
        leeway=_LEEWAY,
        now=now,
        into=_ForeignLogoutToken,
    )
    refuse_from_future(claims.iat, now)
    if claims.sub is None and claims.sid is None:
        raise MissingClaimError("the logout token names neither a person nor a sign-in", claim="sid")
    if EVENT not in claims.events:
        raise BadClaimError("events has no back-channel logout", claim="events")
    if claims.nonce is not msgspec.UNSET:
        raise BadClaimError("a logout token has no nonce", claim="nonce")
    return ForeignNotice(claims.jti, int(claims.iat), (_ending(claims, transmitter),))


def _ending(claims: _ForeignLogoutToken, transmitter: TransmitterSettings) -> Ending:
    """§2.7: with `sid` it is that sign-in, and without it every one of the person."""
    if claims.sid is not None and (transmitter.tokens_have_sid or claims.sub is None):
        return Ending("session", claims.sid, int(claims.iat))
    return Ending("subject", claims.sub or "", int(claims.iat))
