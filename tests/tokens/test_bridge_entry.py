"""What a bridge and its readers derive from their secret: as the protocol's page says, step by step."""

from __future__ import annotations

import hashlib
import hmac
from base64 import urlsafe_b64encode

import pytest

from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens.bridge_entry import BridgeEntry, FeedSecret

SECRET = "a-secret-of-the-feed-that-is-long-enough"


def hkdf(info: bytes) -> bytes:
    """RFC 5869 §2 with SHA-256, no salt, one block."""
    extracted = hmac.digest(bytes(32), SECRET.encode(), hashlib.sha256)
    return hmac.digest(extracted, info + b"\x01", hashlib.sha256)


def base64url(octets: bytes) -> str:
    """RFC 7515 §2."""
    return urlsafe_b64encode(octets).rstrip(b"=").decode()


def test_what_readers_send() -> None:
    """The bearer token is derived for itself, so it does not give the key of the digests."""
    assert FeedSecret(SECRET).bearer == base64url(hkdf(b"gatepass bridge reader"))


@pytest.mark.parametrize(("kind", "name"), [("sid", "sign-in-1"), ("sub", "user_1"), ("sub", "Zoë"), ("sub", "")])
def test_digests(kind: str, name: str) -> None:
    """128 bits of HMAC-SHA-256 over kind, issuer and name, each after its length."""
    secret, issuer = FeedSecret(SECRET), "https://sso.example.com"
    message = b"".join(len(part.encode()).to_bytes(4, "big") + part.encode() for part in (kind, issuer, name))
    expected = base64url(hmac.digest(hkdf(b"gatepass bridge digests"), message, hashlib.sha256)[:16])
    make = secret.digest_of_session if kind == "sid" else secret.digest_of_subject
    assert make(issuer, name) == expected


def test_entries_add_up() -> None:
    """Two about the same name revoke what either does."""
    assert BridgeEntry(5, 10).merged(BridgeEntry(3, 12)) == BridgeEntry(5, 12)
    assert BridgeEntry(5, 10).merged(None) == BridgeEntry(5, 10)


def test_short_secrets() -> None:
    """What could be guessed is none."""
    with pytest.raises(InvalidPolicyError, match="32"):
        FeedSecret("x" * 31)
