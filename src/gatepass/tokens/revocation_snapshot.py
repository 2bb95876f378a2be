"""The snapshot: every token and key revoked by id, for readers that start or have missed an event.

It covers the longest lifetime of an access token; older tokens have expired.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from gatepass.jose import jws, jwt
from gatepass.jose.errors import InvalidPolicyError
from gatepass.jose.limits import Limits

from .bridge_entry import BridgeEntry  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from gatepass.jose import Key, KeySet

TYP = "revocations+jwt"
MEDIA_TYPE = "application/jwt"

MAX_LENGTH = 4_000_000
"""The maximum length of a snapshot in characters: about 60,000 tokens revoked by `jti` within the hour."""


class Snapshot(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims of a snapshot.

    Attributes:
        iss: Whose tokens it is about.
        iat: When it was made, in seconds since 1970.
        exp: Until when it may be believed, in seconds since 1970.
        epoch: Which line of events it belongs to.
        event_id: The last event that it reflects.
        jtis: Revoked tokens by `jti`, each with the time at which it ends by itself.
        kids: Keys that are no longer to be trusted.
        issued_before: Subjects and sign-ins at another issuer, by digest, in the feed of a bridge only.
    """

    iss: str
    iat: int
    exp: int
    epoch: str
    event_id: int
    jtis: dict[str, int]
    kids: tuple[str, ...]
    issued_before: dict[str, BridgeEntry] = {}


def signing_input(token: Snapshot, *, alg: str, kid: str) -> bytes:
    """The octets that the snapshot's signature covers (RFC 7515 §5.1).

    Raises:
        InvalidPolicyError: `alg` is symmetric: then every reader could also forge it.
    """
    if alg.startswith("HS"):
        raise InvalidPolicyError("a snapshot is signed by a key pair")
    return jws.signing_input(msgspec.json.encode(token), {"alg": alg, "typ": TYP, "kid": kid})


def check(token: str, keys: Key | KeySet, *, issuer: str, now: float, leeway: float = 0) -> Snapshot:
    """Check a snapshot.

    Args:
        token: What was fetched.
        keys: The issuer's keys.
        issuer: Whose snapshot it must be.
        now: The time, in seconds since 1970.
        leeway: Seconds that `exp` may be off.

    Raises:
        JoseError: It is refused; `code` says why.
    """
    return jwt.verify(
        token,
        keys,
        issuer=issuer,
        audience=None,
        typ=TYP,
        required=("exp", "iat"),
        leeway=leeway,
        now=now,
        into=Snapshot,
        limits=Limits(token_length=MAX_LENGTH),
    )
