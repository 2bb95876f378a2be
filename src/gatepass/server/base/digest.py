"""What is kept of a secret that we made."""

from __future__ import annotations

import hashlib


def digest_of(secret: str) -> bytes:
    """Return the 32 bytes that are stored of a code, token or client secret.

    Each is random and long, so that it cannot be guessed and a plain SHA-256 is enough. Whatever text was sent instead,
    lone surrogates too, has a digest, which is that of no secret.
    """
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()
