"""Security event tokens (RFC 8417) of the Shared Signals Framework: the events of CAEP and RISC that end tokens."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec

from gatepass.jose import jwt
from gatepass.jose.claims import NumericDate  # noqa: TC001 - msgspec reads the annotations
from gatepass.jose.errors import BadClaimError
from gatepass.tokens.revocation_event import TYP

from . import subjects
from .notice import Ending, ForeignNotice, earliest, refuse_from_future

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatepass.bridge.settings import TransmitterSettings
    from gatepass.jose import KeySet

_CAEP = "https://schemas.openid.net/secevent/caep/event-type/"
_RISC = "https://schemas.openid.net/secevent/risc/event-type/"

SESSION_REVOKED = f"{_CAEP}session-revoked"
CREDENTIAL_CHANGE = f"{_CAEP}credential-change"

ENDS: dict[str, Literal["session", "subject"]] = {
    SESSION_REVOKED: "session",
    CREDENTIAL_CHANGE: "subject",
    f"{_RISC}account-disabled": "subject",
    f"{_RISC}account-purged": "subject",
    f"{_RISC}sessions-revoked": "subject",
    f"{_RISC}account-credential-change-required": "subject",
    f"{_RISC}credential-compromise": "subject",
}
"""What each event ends: the sign-in that it names, or everything of the subject. Others end nothing."""

_MOST_EVENTS = 16
_LEEWAY = 60

Text = Annotated[str, msgspec.Meta(min_length=1)]


class _ForeignSecurityEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The claims (RFC 8417 §2.2)."""

    iat: NumericDate
    jti: Text
    events: Annotated[dict[str, dict[str, Any]], msgspec.Meta(min_length=1, max_length=_MOST_EVENTS)]
    toe: NumericDate | None = None
    sub_id: Any = None


def read(token: str, keys: KeySet, transmitter: TransmitterSettings, now: float) -> ForeignNotice:
    """Check a security event token, and say what it ends.

    Raises:
        JoseError: It is refused.
    """
    claims = jwt.verify(
        token,
        keys,
        issuer=transmitter.signed_by,
        audience=transmitter.audience,
        typ=TYP,
        required=("iat", "jti"),
        leeway=_LEEWAY,
        now=now,
        into=_ForeignSecurityEvent,
    )
    refuse_from_future(claims.iat, now)
    endings: list[Ending] = []
    ignored: list[str] = []
    for event, payload in claims.events.items():
        found = tuple(_endings(claims, event, payload, transmitter))
        endings += found
        if not found:
            ignored.append("unknown_subject" if event in ENDS and not _adds(event, payload) else "other_event")
    return ForeignNotice(claims.jti, int(claims.iat), tuple(endings), tuple(ignored))


def _endings(
    claims: _ForeignSecurityEvent, event: str, payload: dict[str, Any], transmitter: TransmitterSettings
) -> Iterator[Ending]:
    """What one event ends."""
    ends = ENDS.get(event)
    if ends is None or _adds(event, payload):
        return
    # Before SSF 1.0 the subject was in the event.
    identifier = payload.get("subject") if claims.sub_id is None else claims.sub_id
    if identifier is None:
        raise BadClaimError("the event has no subject", claim="sub_id")
    named = subjects.read(identifier, {transmitter.issuer, transmitter.signed_by})
    before = earliest((payload.get("event_timestamp"), claims.toe), claims.iat)
    if ends == "session":
        for sid in (*named.sids, *named.opaque):
            yield Ending("session", sid, before)
        if named.sids and transmitter.tokens_have_sid:
            return  # that sign-in only
    for sub in (*named.subs, *named.opaque):
        yield Ending("subject", sub, before)


def _adds(event: str, payload: dict[str, Any]) -> bool:
    """Whether a credential was only added (CAEP 1.0 §3.3): who has the others has what he had."""
    return event == CREDENTIAL_CHANGE and payload.get("change_type") == "create"
