"""Standard Webhooks: how a request proves where it comes from, and what its secrets look like."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os

SECRET_PREFIX = "whsec_"  # noqa: S105 - what secrets begin with
_SECRET_BYTES = 32


def new_secret() -> tuple[bytes, str]:
    """A key, and how it is shown to the receiver."""
    key = os.urandom(_SECRET_BYTES)
    return key, SECRET_PREFIX + base64.b64encode(key).decode()


def signed_headers(message_id: str, body: bytes, secrets: list[bytes], now: int) -> dict[str, str]:
    """The headers of Standard Webhooks: a signature (`v1`) under each secret that is in force."""
    signed = f"{message_id}.{now}.".encode() + body
    signatures = [base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in secrets]
    return {
        "Content-Type": "application/json",
        "webhook-id": message_id,
        "webhook-timestamp": str(now),
        "webhook-signature": " ".join(f"v1,{signature}" for signature in signatures),
    }
