"""Heartbeats of the revocation stream: signed, so that a relay cannot make old information look fresh.

A node sends one every two seconds, whether or not it can reach its store. `as_of` is when the node last read the store
successfully. So a node without its store, a half-open connection and a dishonest relay all look the same to a verifier:
stale.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.jose import jws, jwt
from gatepass.jose.errors import InvalidPolicyError

from .revocation_event import Position

if TYPE_CHECKING:
    from gatepass.jose import Key, KeySet

TYP = "heartbeat+jwt"
"""The header's `typ`, so that a heartbeat cannot pass for an event, or an event for a heartbeat (RFC 8725 §3.11)."""

INTERVAL_SECONDS = 2.0
"""The interval between heartbeats, in seconds."""

SILENCE_SECONDS = 5.0
"""A stream silent for this long is dead: two heartbeats are missing."""


class Heartbeat(msgspec.Struct, frozen=True, kw_only=True):
    """The claims of a heartbeat.

    Attributes:
        iss: Whose revocations it is about.
        epoch: Which line of events its node follows.
        head: The last event in it that the node knew.
        as_of: When the node last read the store, in seconds since 1970 by the store's clock.
        iat: When it was made, in seconds since 1970 by the same clock.
    """

    iss: str
    epoch: str
    head: int
    as_of: float
    iat: float

    @property
    def position(self) -> Position:
        """The last event that the node knew."""
        return Position(self.epoch, self.head)


def claims(*, issuer: str, position: Position, as_of: float, now: float) -> Heartbeat:
    """Build a heartbeat; its times are rounded to the millisecond."""
    return Heartbeat(iss=issuer, epoch=position.epoch, head=position.event_id, as_of=round(as_of, 3), iat=round(now, 3))


def signing_input(token: Heartbeat, *, alg: str, kid: str) -> bytes:
    """The octets that the heartbeat's signature covers (RFC 7515 §5.1).

    Raises:
        InvalidPolicyError: `alg` is symmetric: then every reader could also forge it.
    """
    if alg.startswith("HS"):
        raise InvalidPolicyError("a heartbeat is signed by a key pair")
    return jws.signing_input(msgspec.json.encode(token), {"alg": alg, "typ": TYP, "kid": kid})


def check(token: str, keys: Key | KeySet, *, issuer: str, now: float) -> Heartbeat:
    """Check a heartbeat. It has no `exp`, because its age is its meaning.

    Raises:
        JoseError: It is refused; `code` says why.
    """
    return jwt.verify(token, keys, issuer=issuer, audience=None, typ=TYP, required=("iat",), now=now, into=Heartbeat)
