"""Global Token Revocation (draft-parecki-oauth-global-token-revocation): everything of a person ends, as of now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from gatepass.jose import jwt
from gatepass.jose.claims import NumericDate  # noqa: TC001 - msgspec reads the annotations
from gatepass.jose.errors import BadClaimError
from gatepass.jose.limits import DEFAULT
from gatepass.jose.strict_json import decode_object

from . import subjects
from .notice import Ending, ForeignNotice, refuse_from_future

if TYPE_CHECKING:
    from gatepass.bridge.settings import TransmitterSettings
    from gatepass.jose import KeySet

TYP = "global-token-revocation+jwt"
"""The `typ` of the signed JWT with which Okta's Universal Logout proves who asks."""

_LEEWAY = 60

Text = Annotated[str, msgspec.Meta(min_length=1)]


class RevocationAssertion(msgspec.Struct, frozen=True, kw_only=True):
    """A signed JWT that a request came with, checked.

    Attributes:
        jti: Its id, which counts once.
        iat: When it was made, in seconds since 1970 by the issuer's clock.
    """

    jti: Text
    iat: NumericDate


def read_assertion(token: str, keys: KeySet, transmitter: TransmitterSettings, now: float) -> RevocationAssertion:
    """Check the signed JWT of a request.

    Raises:
        JoseError: It is refused.
    """
    assertion = jwt.verify(
        token,
        keys,
        issuer=transmitter.signed_by,
        audience=transmitter.audience,
        typ=TYP,
        required=("iat", "exp", "jti"),
        leeway=_LEEWAY,
        now=now,
        into=RevocationAssertion,
    )
    refuse_from_future(assertion.iat, now)
    return assertion


def read(
    body: bytes, transmitter: TransmitterSettings, now: float, assertion: RevocationAssertion | None
) -> ForeignNotice:
    """Read the request of one that has proved who it is. Without a signed JWT it has no time, so it is about now.

    Raises:
        JoseError: It is refused.
    """
    members = decode_object(body, DEFAULT.depth)
    if "sub_id" not in members:
        raise BadClaimError("there is no sub_id", claim="sub_id")
    named = subjects.read(members["sub_id"], {transmitter.issuer, transmitter.signed_by})
    names = (*named.subs, *named.opaque)
    ignored = () if names else ("unknown_subject",)
    at = int(now if assertion is None else assertion.iat)
    jti = None if assertion is None else assertion.jti
    return ForeignNotice(jti, at, tuple(Ending("subject", name, at) for name in names), ignored)
