"""Global Token Revocation (draft-parecki-oauth-global-token-revocation): everything of a person ends, as of now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gatepass.jose.errors import BadClaimError
from gatepass.jose.limits import DEFAULT
from gatepass.jose.strict_json import decode_object

from . import subjects
from .notice import Ending, ForeignNotice

if TYPE_CHECKING:
    from gatepass.bridge.settings import TransmitterSettings


def read(body: bytes, transmitter: TransmitterSettings, now: float) -> ForeignNotice:
    """Read the request of one that has proved who it is. It has no time of its own, so it is about now.

    Raises:
        JoseError: It is refused.
    """
    members = decode_object(body, DEFAULT.depth)
    if "sub_id" not in members:
        raise BadClaimError("there is no sub_id", claim="sub_id")
    named = subjects.read(members["sub_id"], {transmitter.issuer})
    names = (*named.subs, *named.opaque)
    ignored = () if names else ("unknown_subject",)
    return ForeignNotice(None, int(now), tuple(Ending("subject", name, int(now)) for name in names), ignored)
