"""Revocation events: security event tokens (RFC 8417) with what was revoked since the previous one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import msgspec

from gatepass.jose import jws, jwt
from gatepass.jose.errors import BadClaimError, InvalidPolicyError

from .bridge_entry import BridgeEntry  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from gatepass.jose import Key, KeySet

TYP = "secevent+jwt"
"""The header's `typ` (RFC 8417 §2.3)."""

REVOKED = "urn:gatepass:revoked"
"""The one kind of event."""


class Position(msgspec.Struct, frozen=True):
    """A position in an epoch's events: ids increase in commit order."""

    epoch: str
    event_id: int

    def __str__(self) -> str:
        """Write it as an SSE id."""
        return f"{self.epoch}:{self.event_id}"

    @classmethod
    def parse(cls, text: str) -> Position | None:
        """Parse the output of `str`; None for anything else."""
        epoch, _, number = text.partition(":")
        is_position = epoch.isalnum() and epoch.isascii() and number.isdecimal() and number.isascii()
        return cls(epoch, int(number)) if is_position and len(number) <= _MAX_DIGITS else None


_MAX_DIGITS = 18


class Revoked(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What was revoked by the events after `after`, up to the message's own.

    Attributes:
        after: The event before the first of these: a reader whose last event is an earlier one has missed some.
        status: Bits that were set: pairs of list URL and indexes.
        jtis: Tokens by `jti`, each with the time at which it ends by itself.
        kids: Keys that are no longer to be trusted.
        issued_before: Subjects and sign-ins at another issuer, by digest, in the feed of a bridge only.
    """

    after: int
    status: tuple[tuple[str, tuple[int, ...]], ...] = ()
    jtis: dict[str, int] = {}
    kids: tuple[str, ...] = ()
    issued_before: dict[str, BridgeEntry] = {}


class _Events(msgspec.Struct, frozen=True):
    revoked: Annotated[Revoked, msgspec.Meta()] = msgspec.field(name=REVOKED)


class RevocationEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of an event message (RFC 8417 §2.2).

    Attributes:
        iss: Whose tokens it is about.
        iat: When it was made, in seconds since 1970.
        jti: Its position: epoch and id of the last event in it.
        events: What happened.
    """

    iss: str
    iat: int
    jti: str
    events: _Events

    @property
    def position(self) -> Position:
        """The last event in it.

        Raises:
            BadClaimError: `jti` is no position.
        """
        position = Position.parse(self.jti)
        if position is None:
            raise BadClaimError("jti is not a position", claim="jti")
        return position

    @property
    def revoked(self) -> Revoked:
        """What was revoked."""
        return self.events.revoked


def claims(*, issuer: str, now: float, position: Position, revoked: Revoked) -> RevocationEvent:
    """Build an event message."""
    return RevocationEvent(iss=issuer, iat=int(now), jti=str(position), events=_Events(revoked))


def signing_input(token: RevocationEvent, *, alg: str, kid: str) -> bytes:
    """The octets that the event's signature covers (RFC 7515 §5.1).

    Raises:
        InvalidPolicyError: `alg` is symmetric: then every reader could also forge it.
    """
    if alg.startswith("HS"):
        raise InvalidPolicyError("an event is signed by a key pair")
    return jws.signing_input(msgspec.json.encode(token), {"alg": alg, "typ": TYP, "kid": kid})


def check(token: str, keys: Key | KeySet, *, issuer: str, now: float) -> RevocationEvent:
    """Check an event message. It has no `exp`, because it stays true (RFC 8417 §2.2).

    Raises:
        JoseError: It is refused; `code` says why.
    """
    event = jwt.verify(
        token, keys, issuer=issuer, audience=None, typ=TYP, required=("iat", "jti"), now=now, into=RevocationEvent
    )
    _ = event.position  # refused here, if `jti` is none
    return event
