"""Challenges of passkey ceremonies (§13.4.3): random, for one purpose and party, short-lived, and not stored.

A challenge holds its expiry and a MAC. It is stored only after it was answered, so that it is answered once; the
sign-in page, which needs a new one at each load, writes no row.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from typing import Literal

import msgspec

CHALLENGE_SECONDS = 600.0

Ceremony = Literal["register", "sign_up", "sign_in", "second_factor", "prove_again"]

_NONCE_BYTES, _TIME_BYTES, _MAC_BYTES = 16, 8, 16


class Answered(msgspec.Struct, frozen=True):
    """A verified challenge: its id, for marking it used, and when it expires, in seconds since 1970."""

    id: str
    expires_at: float


def new_challenge(key: bytes, ceremony: Ceremony, party: str, now: float) -> bytes:
    """Make a challenge that only `party` may answer, in this kind of ceremony."""
    message = os.urandom(_NONCE_BYTES) + int(now + CHALLENGE_SECONDS).to_bytes(_TIME_BYTES, "big")
    return message + _mac(key, ceremony, party, message)


def read_challenge(key: bytes, ceremony: Ceremony, party: str, challenge: bytes, now: float) -> Answered | None:
    """Read a challenge of ours that has not expired; None for anything else."""
    message, mac = challenge[: _NONCE_BYTES + _TIME_BYTES], challenge[_NONCE_BYTES + _TIME_BYTES :]
    if not hmac.compare_digest(mac, _mac(key, ceremony, party, message)):
        return None
    expires_at = float(int.from_bytes(message[_NONCE_BYTES:], "big"))
    return Answered(message[:_NONCE_BYTES].hex(), expires_at) if now < expires_at else None


def _mac(key: bytes, ceremony: Ceremony, party: str, message: bytes) -> bytes:
    return hmac.digest(key, message + f"{ceremony}:{party}".encode(), hashlib.sha256)[:_MAC_BYTES]
