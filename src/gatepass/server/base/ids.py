"""Identifiers: 128 bits, ordered by creation time, so that indexes grow at one end."""

from __future__ import annotations

import base64
import os
import time

_TIME_BYTES = 8
_RANDOM_BYTES = 8
_SPARE_BITS = 2
"""26 characters of 5 bits have two more than 16 bytes."""


def new_id(prefix: str) -> str:
    """Make an identifier such as `usr_0dbq3x…`: the prefix names the type, the rest is 64 bits of time and 64 random.

    An identifier is not a secret or a credential.
    """
    # Milliseconds and their binary fraction (RFC 9562 §6.2, method 3): identifiers of one transaction keep their order.
    raw = (time.time_ns() * 65_536 // 1_000_000).to_bytes(_TIME_BYTES, "big") + os.urandom(_RANDOM_BYTES)
    return f"{prefix}_{encode_id(raw)}"


def encode_id(raw: bytes) -> str:
    """Encode 16 bytes as 26 characters of lower-case base32hex, in the same order as the bytes."""
    return base64.b32hexencode(raw).decode("ascii").rstrip("=").lower()


def decode_id(text: str) -> bytes:
    """Decode the output of `encode_id`."""
    return (int(text, 32) >> _SPARE_BITS).to_bytes(_TIME_BYTES + _RANDOM_BYTES, "big")
