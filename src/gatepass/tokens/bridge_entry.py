"""What a bridge publishes about another issuer: whose tokens are revoked if they were issued before a time.

Foreign notices name a subject (`sub`) or a sign-in (`sid`), which can be guessed. So an entry is named by a digest
under a key that the bridge and its readers share, and says nothing to anybody else.
"""

from __future__ import annotations

from typing import NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.hmac import HMAC
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from gatepass.jose import base64url
from gatepass.jose.errors import InvalidPolicyError

MIN_SECRET_LENGTH = 32
"""In characters. It is random, as `openssl rand -base64 32` makes it: a password could be guessed from one entry."""

_KEY_BYTES = 32
_DIGEST_BYTES = 16
_LENGTH_BYTES = 4


class BridgeEntry(NamedTuple):
    """Tokens of one subject or sign-in that are revoked.

    Attributes:
        before: Those whose `iat` is in this second or an earlier one, in whole seconds since 1970.
        until: When the last of them expires by itself, in seconds since 1970.
    """

    before: int
    until: int

    def merged(self, other: BridgeEntry | None) -> BridgeEntry:
        """Return what two entries about the same subject or sign-in revoke together."""
        if other is None:
            return self
        return BridgeEntry(max(self.before, other.before), max(self.until, other.until))


class FeedSecret:
    """What a bridge and its readers share.

    Attributes:
        bearer: What a reader sends to prove that it has the secret. It does not give the key of the digests.
    """

    def __init__(self, secret: str) -> None:
        """Derive what is used of it (HKDF, RFC 5869).

        Raises:
            InvalidPolicyError: It is too short.
        """
        if len(secret) < MIN_SECRET_LENGTH:
            raise InvalidPolicyError(f"the feed's secret has at least {MIN_SECRET_LENGTH} random characters")
        self.bearer = base64url.encode(_derived(secret, "reader"))
        self._keyed = HMAC(_derived(secret, "digests"), SHA256())

    def digest_of_session(self, issuer: str, sid: str) -> str:
        """Name a sign-in at an issuer."""
        return self._digest("sid", issuer, sid)

    def digest_of_subject(self, issuer: str, sub: str) -> str:
        """Name a subject of an issuer."""
        return self._digest("sub", issuer, sub)

    def digest_of_data(self, text: str) -> str:
        """Name anything else, such as what tells whether data was written with this secret."""
        return self._digest("data", text)

    def _digest(self, *parts: str) -> str:
        """HMAC-SHA-256, cut to 128 bits (RFC 2104 §5). Each part comes after its length: no two lists look alike."""
        keyed = self._keyed.copy()
        for part in parts:
            octets = part.encode("utf-8", "surrogatepass")
            keyed.update(len(octets).to_bytes(_LENGTH_BYTES, "big") + octets)
        return base64url.encode(keyed.finalize()[:_DIGEST_BYTES])


def _derived(secret: str, purpose: str) -> bytes:
    return HKDF(SHA256(), _KEY_BYTES, None, f"gatepass bridge {purpose}".encode()).derive(secret.encode())
