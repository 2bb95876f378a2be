"""Keys that are well-formed and must not be used."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import rsa

from .errors import InvalidKeyError, WeakKeyError

if TYPE_CHECKING:
    from .algorithms import SignatureAlgorithm
    from .jwk import Material

MIN_RSA_BITS = 2048
"""RFC 7518 §3.3 and §3.5."""

MAX_RSA_BITS = 8192
"""Above, verifying one signature is slow enough to be an attack."""

_MAX_RSA_EXPONENT = 2**32
_SSH_PREFIXES = (b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-", b"---- BEGIN SSH2")


def check(material: Material, algorithm: SignatureAlgorithm) -> None:
    """Refuse material that is too weak for an algorithm.

    Raises:
        WeakKeyError: It is too short, too long or broken.
        InvalidKeyError: A secret looks like another kind of key.
    """
    if isinstance(material, bytes):
        check_secret(material, algorithm.bits)
    elif isinstance(material, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
        public = material.public_key() if isinstance(material, rsa.RSAPrivateKey) else material
        checked_rsa_bits(public.key_size)
        check_rsa_exponent(public.public_numbers().e)


def check_secret(secret: bytes, bits: int) -> None:
    """Refuse a secret that is short, or that is some other key's text (CVE-2015-9235 and its many returns)."""
    if len(secret) * 8 < bits:
        raise WeakKeyError(f"the secret is shorter than {bits} bits")
    # UTF-16 text is ASCII with zero octets between; a BOM and blanks may come first.
    text = secret.replace(b"\0", b"").lstrip(b"\xef\xbb\xbf\xff\xfe \t\r\n\f\v")
    if b"-----BEGIN" in text or text.startswith((b"{", b"[", *_SSH_PREFIXES)) or _is_der(secret):
        raise InvalidKeyError("the secret looks like another kind of key")


def _is_der(secret: bytes) -> bool:
    """Tell whether the octets are one ASN.1 SEQUENCE, to the last octet, as every DER key and certificate is."""
    if secret[:1] != b"\x30" or len(secret) < 4:  # noqa: PLR2004 - a tag, a length and something
        return False
    if secret[1] < 0x80:  # noqa: PLR2004 - X.690 §8.1.3.4, the short form
        return len(secret) == 2 + secret[1]
    count = secret[1] & 0x7F
    return len(secret) == 2 + count + int.from_bytes(secret[2 : 2 + count], "big")


def checked_rsa_bits(bits: int) -> int:
    """Return the length of a modulus if it is in bounds."""
    if not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise WeakKeyError(f"an RSA modulus has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    return bits


def check_rsa_exponent(exponent: int) -> None:
    """Refuse exponents that do not encrypt (1), do not invert (even) or only slow us down (huge)."""
    if exponent % 2 == 0 or not 3 <= exponent < _MAX_RSA_EXPONENT:  # noqa: PLR2004 - the smallest there is
        raise WeakKeyError("the RSA exponent is even, 1 or too large")
