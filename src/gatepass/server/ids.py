"""Identifiers: 128 bits, ordered by the millisecond in which they were made, so that indexes grow at one end."""

from __future__ import annotations

import base64
import os
import time

_MILLISECOND_BYTES = 6
_RANDOM_BYTES = 10


def new_id(prefix: str) -> str:
    """Make an identifier such as `usr_0dbq3x…`: the prefix says of what, the rest is 48 bits of time and 80 of chance.

    An identifier is a name, never a credential.
    """
    milliseconds = time.time_ns() // 1_000_000
    raw = milliseconds.to_bytes(_MILLISECOND_BYTES, "big") + os.urandom(_RANDOM_BYTES)
    return f"{prefix}_{encode_id(raw)}"


def encode_id(raw: bytes) -> str:
    """Spell 16 bytes as 26 characters of lower-case base32hex, whose order is the order of the bytes."""
    return base64.b32hexencode(raw).decode("ascii").rstrip("=").lower()


def decode_id(text: str) -> bytes:
    """Read what `encode_id` wrote."""
    return base64.b32hexdecode(text.upper() + "=" * (-len(text) % 8))
