"""Keys that are well-formed and must not be used."""

from __future__ import annotations

import base64
from functools import cache, partial
from typing import TYPE_CHECKING

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ed448, ed25519, rsa, x448, x25519

from .errors import InvalidKeyError, WeakKeyError

if TYPE_CHECKING:
    from collections.abc import Callable

    from .material import Material

MIN_RSA_BITS = 2048
"""RFC 7518 §3.3 and §3.5."""

MAX_RSA_BITS = 8192
"""Above, verifying one signature is slow enough to be an attack."""

_MAX_RSA_EXPONENT = 2**32


def check(material: Material, bits: int, *, exact: bool = False) -> None:
    """Refuse material that is too weak.

    Args:
        material: A secret or a key.
        bits: The length that a secret must have.
        exact: Whether a secret may not be longer either.

    Raises:
        WeakKeyError: It is too short, too long or broken.
        InvalidKeyError: A secret looks like another kind of key.
    """
    match material:
        case bytes():
            check_secret(material, bits, exact=exact)
        case rsa.RSAPrivateKey():
            check_rsa(material.public_key().public_numbers())
        case rsa.RSAPublicKey():
            check_rsa(material.public_numbers())
        case ed25519.Ed25519PublicKey():
            _check_edwards(material.public_bytes_raw(), _P25519, a=-1, d=-121665 * pow(121666, -1, _P25519))
        case ed448.Ed448PublicKey():
            _check_edwards(material.public_bytes_raw(), _P448, a=1, d=-39081)
        case x25519.X25519PublicKey():
            _check_montgomery(material)
        case x448.X448PublicKey():
            _check_montgomery(material)
        case _:
            pass


# ── secrets ─────────────────────────────────────────────────────────────────────────────────────────────────────────

SSH_PREFIXES = (b"ssh-", b"ecdsa-sha2-", b"sk-ssh-", b"sk-ecdsa-", b"---- BEGIN SSH2", b"PuTTY-User-Key-File")
"""How the text of a key for SSH begins."""

_LEADING_BLANKS = b"\xef\xbb\xbf\xff\xfe \t\r\n\f\v"


def check_secret(secret: bytes, bits: int, *, exact: bool = False) -> None:
    """Refuse a secret that is short, or that is some other key's text (CVE-2015-9235 and its many returns)."""
    if len(secret) * 8 < bits:
        raise WeakKeyError(f"the secret is shorter than {bits} bits")
    if exact and len(secret) * 8 != bits:
        raise InvalidKeyError(f"the secret is longer than {bits} bits")
    # UTF-16 text is ASCII with zero octets between; a BOM and blanks may come first.
    text = secret.replace(b"\0", b"").lstrip(_LEADING_BLANKS)
    if (
        b"-----BEGIN" in text
        or text.startswith(SSH_PREFIXES)
        or (text.startswith((b"{", b"[")) and _is_json(text))
        or (secret.startswith(b"\x30") and _is_der(secret))
        or (text.startswith(b"M") and _is_base64_of_der(text))
        or (secret.startswith(b"\x04") and _is_point(secret))
    ):
        raise InvalidKeyError("the secret looks like another kind of key")


# One random secret in a hundred starts with a brace or bracket, and one in 256 with either octet: each is read to the
# end before it is refused.


def _is_json(text: bytes) -> bool:
    try:
        msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    except RecursionError:
        pass  # no random octets nest a thousand deep
    return True


def _is_der(secret: bytes) -> bool:
    from cryptography import x509  # noqa: PLC0415 - few secrets start like DER, and this import is heavy
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    loads: tuple[Callable[[bytes], object], ...] = (
        serialization.load_der_public_key,
        partial(serialization.load_der_private_key, password=None),
        x509.load_der_x509_certificate,
    )
    for load in loads:
        try:
            load(secret)
        except (ValueError, UnsupportedAlgorithm):
            continue
        except TypeError:
            pass  # an encrypted private key
        return True
    return False


def _is_base64_of_der(text: bytes) -> bool:
    """Tell whether the text is a PEM document without its first and last line, as some consoles show a public key."""
    try:
        der = base64.b64decode(text)
    except ValueError:
        return False
    return der.startswith(b"\x30") and _is_der(der)


def _is_point(secret: bytes) -> bool:
    """Tell whether the octets are a point of SEC 1 §2.3.3, which no random secret is by chance."""
    from cryptography.hazmat.primitives.asymmetric import ec  # noqa: PLC0415 - only secrets of these lengths need it

    curves = {65: (ec.SECP256R1(), ec.SECP256K1()), 97: (ec.SECP384R1(),), 133: (ec.SECP521R1(),)}
    for curve in curves.get(len(secret), ()):
        try:
            ec.EllipticCurvePublicKey.from_encoded_point(curve, secret)
        except ValueError:
            continue
        return True
    return False


# ── RSA ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def check_rsa(numbers: rsa.RSAPublicNumbers) -> None:
    """Refuse moduli and exponents out of bounds, and the moduli of CVE-2017-15361."""
    checked_rsa_bits(numbers.n.bit_length())
    # An exponent of 1 does not encrypt, an even one does not invert, and a huge one only slows us down.
    if numbers.e % 2 == 0 or not 3 <= numbers.e < _MAX_RSA_EXPONENT:  # noqa: PLR2004 - the smallest there is
        raise WeakKeyError("the RSA exponent is even, 1 or too large")
    if numbers.n % 2 == 0 or _is_roca(numbers.n):
        raise WeakKeyError("the RSA modulus is broken")


def checked_rsa_bits(bits: object) -> int:
    """Return the length of a modulus if it is in bounds."""
    if not isinstance(bits, int) or not MIN_RSA_BITS <= bits <= MAX_RSA_BITS:
        raise WeakKeyError(f"an RSA modulus has {MIN_RSA_BITS} to {MAX_RSA_BITS} bits")
    return bits


_ROCA_PRIMES = (11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157)


def _is_roca(modulus: int) -> bool:
    """CVE-2017-15361: primes of that generator are powers of 65537 modulo every small prime, and so is their product.

    A modulus of any other generator passes for one with a chance of about 2^-27.
    """
    return all(modulus % prime in _powers_of_65537(prime) for prime in _ROCA_PRIMES)


@cache
def _powers_of_65537(prime: int) -> frozenset[int]:
    return frozenset(pow(65537, exponent, prime) for exponent in range(prime))


# ── curves ──────────────────────────────────────────────────────────────────────────────────────────────────────────

_P25519 = 2**255 - 19
_P448 = 2**448 - 2**224 - 1


def _check_edwards(octets: bytes, p: int, *, a: int, d: int) -> None:
    """Refuse what is no point of the curve, and points of small order, whose one signature fits all messages.

    RFC 8032 §5.1.3 and §5.2.3: the octets are y, little-endian, with the sign of x in the topmost bit. A point is of
    small order exactly if its eightfold is the neutral point, which is so for few y; those are found by doubling.
    """
    y = int.from_bytes(octets, "little") & ~(1 << (len(octets) * 8 - 1))
    if y >= p:
        raise WeakKeyError("the point's y is not reduced")
    # a·x² + y² = 1 + d·x²·y²
    x2 = (1 - y * y) * pow(a - d * y * y, -1, p) % p
    if x2 != 0 and pow(x2, (p - 1) // 2, p) != 1:
        raise WeakKeyError("the octets are no point of the curve")
    for _ in range(3):
        # RFC 8032 §5.1.4, where x occurs only squared: the sign of x does not matter.
        x2, y = _doubled(x2, y, p, a, d)
    if (x2, y) == (0, 1):
        raise WeakKeyError("the point is of small order")


def _doubled(x2: int, y: int, p: int, a: int, d: int) -> tuple[int, int]:
    y2 = y * y % p
    y_new = (y2 - a * x2) * pow(1 - d * x2 * y2, -1, p) % p
    x2_new = 4 * x2 * y2 * pow(pow(1 + d * x2 * y2, 2, p), -1, p) % p
    return x2_new, y_new


def _check_montgomery(public: x25519.X25519PublicKey | x448.X448PublicKey) -> None:
    """Refuse points of small order: with them, everyone's shared secret is zero (RFC 7748 §6)."""
    private = x25519.X25519PrivateKey if isinstance(public, x25519.X25519PublicKey) else x448.X448PrivateKey
    try:
        private.from_private_bytes(b"\x40" * len(public.public_bytes_raw())).exchange(public)  # type: ignore[arg-type]
    except ValueError:
        raise WeakKeyError("the point is of small order") from None
