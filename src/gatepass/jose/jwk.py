"""Key material as JSON members and back: a few functions for each key type.

RFC 7517 §4, RFC 7518 §6 (oct, RSA, EC), RFC 8037 §2 (OKP), RFC 9964 (AKP), RFC 7638 (thumbprints).
"""

from __future__ import annotations

import hashlib
import secrets
from math import gcd
from typing import TYPE_CHECKING, Any, cast

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from . import base64url, strict_json, weakness
from .errors import InvalidKeyError, MalformedError
from .material import AKP, EC, OKP, is_private, kind_of, public_part

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .material import AkpPrivate, AkpPublic, Material, OkpPrivate, OkpPublic, Private, Public

_RSA_PRIME_MEMBERS = ("p", "q", "dp", "dq", "qi")

_PRIVATE_MEMBERS = frozenset(("d", *_RSA_PRIME_MEMBERS, "oth", "k", "priv"))
"""RFC 7518 §6, RFC 8037 §2, RFC 9964 §3: the names of everything that must stay secret, of every type of key."""


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def has_private_members(jwk: Mapping[str, Any]) -> bool:
    """Tell by the names alone whether a JWK says anything that must stay secret; nothing of it is read."""
    return not _PRIVATE_MEMBERS.isdisjoint(jwk)


def lacks_primes(jwk: Mapping[str, Any]) -> bool:
    """Tell by the names alone whether an RSA key leaves its primes to be computed, which costs about a second."""
    return "d" in jwk and jwk.get("kty") == "RSA" and not any(name in jwk for name in _RSA_PRIME_MEMBERS)


def read(jwk: Mapping[str, Any]) -> Material:
    """Parse the key material of a JWK.

    Raises:
        InvalidKeyError: A member is absent, malformed or contradicts another, or the type is unknown.
    """
    reader = _READERS.get(_text(jwk, "kty"))
    if reader is None:
        raise InvalidKeyError("unknown kty")
    try:
        return reader(jwk)
    except (ValueError, TypeError, OverflowError, UnsupportedAlgorithm):
        raise InvalidKeyError("the key's members do not make a key") from None


def _read_oct(jwk: Mapping[str, Any]) -> bytes:
    return _octets(jwk, "k")


def _read_rsa(jwk: Mapping[str, Any]) -> rsa.RSAPrivateKey | rsa.RSAPublicKey:
    public = rsa.RSAPublicNumbers(e=_integer(jwk, "e"), n=_integer(jwk, "n"))
    weakness.check_rsa(public)  # before anything is computed with it
    if "d" not in jwk:
        _refuse_members(jwk, _RSA_PRIME_MEMBERS)
        return public.public_key()
    if "oth" in jwk:
        raise InvalidKeyError("RSA keys with more than two primes are not supported")
    d = _integer(jwk, "d")
    if any(name in jwk for name in _RSA_PRIME_MEMBERS):
        # RFC 7518 §6.3.2: a producer that includes one of them includes them all.
        p, q, dp, dq, qi = (_integer(jwk, name) for name in _RSA_PRIME_MEMBERS)
    else:
        p, q = _factors(public.n, public.e, d)
        dp, dq, qi = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public).private_key()


_MAX_BASES = 20
"""Each finds the factors with a chance of at least one half."""

_MAX_SQUARINGS = 256
"""The power of two in `d * e - 1` is hardly ever larger than 2^20; a much larger one is made to cost time."""


def _factors(n: int, e: int, d: int) -> tuple[int, int]:
    """NIST SP 800-56B §C.2: find p and q by a square root of 1 that is neither 1 nor -1, in a bounded number of tries.

    Raises:
        ValueError: `d` does not belong to `n` and `e`, or `n` is not the product of two primes.
    """
    odd = d * e - 1
    twos = (odd & -odd).bit_length() - 1
    if not 1 < d < n or not 0 < twos <= _MAX_SQUARINGS:
        raise ValueError("no private exponent")
    odd >>= twos
    # Modulo a prime there are no such roots, and all tries would be in vain (Fermat).
    if pow(2, n - 1, n) == 1:
        raise ValueError("the modulus is a prime")
    for _ in range(_MAX_BASES):
        root = pow(2 + secrets.randbelow(n - 3), odd, n)
        for _ in range(twos):
            square = root * root % n
            if square == 1 and root not in (1, n - 1):
                p = gcd(root - 1, n)
                return max(p, n // p), min(p, n // p)
            root = square
        if root != 1:
            raise ValueError("no private exponent")
    raise ValueError("no factors")


def _read_ec(jwk: Mapping[str, Any]) -> ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey:
    found = EC.get(_text(jwk, "crv"))
    if found is None:
        raise InvalidKeyError("unknown crv")
    curve, size = found
    # RFC 7518 §6.2.1.2: coordinates have the full length of the field, leading zeros included.
    x, y = (int.from_bytes(_octets(jwk, name, size), "big") for name in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, curve)
    if "d" not in jwk:
        return public.public_key()
    return ec.EllipticCurvePrivateNumbers(int.from_bytes(_octets(jwk, "d", size), "big"), public).private_key()


def _read_okp(jwk: Mapping[str, Any]) -> OkpPrivate | OkpPublic:
    found = OKP.get(_text(jwk, "crv"))
    if found is None:
        raise InvalidKeyError("unknown crv")
    private_type, public_type = found
    public = public_type.from_public_bytes(_octets(jwk, "x"))
    if "d" not in jwk:
        return public
    private = private_type.from_private_bytes(_octets(jwk, "d"))
    return cast("OkpPrivate", _matching(private, public))


def _read_akp(jwk: Mapping[str, Any]) -> AkpPrivate | AkpPublic:
    """RFC 9964: `alg` is part of the key, and the private key is its 32-octet seed."""
    found = AKP.get(_text(jwk, "alg"))
    if found is None:
        raise InvalidKeyError("unknown alg")
    private_type, public_type = found
    public = public_type.from_public_bytes(_octets(jwk, "pub"))
    if "priv" not in jwk:
        return public
    private = private_type.from_seed_bytes(_octets(jwk, "priv"))
    return cast("AkpPrivate", _matching(private, public))


def _matching(private: OkpPrivate | AkpPrivate, public: OkpPublic | AkpPublic) -> OkpPrivate | AkpPrivate:
    """Refuse a private part under a foreign public one: signing with such a pair gives the private key away."""
    if private.public_key() != public:
        raise InvalidKeyError("the private part does not belong to the public part")
    return private


_READERS = {"oct": _read_oct, "RSA": _read_rsa, "EC": _read_ec, "OKP": _read_okp, "AKP": _read_akp}


def _text(jwk: Mapping[str, Any], name: str) -> str:
    value = jwk.get(name)
    if not isinstance(value, str):
        raise InvalidKeyError(f"the key's {name} is not a string")
    return value


def _octets(jwk: Mapping[str, Any], name: str, size: int | None = None) -> bytes:
    try:
        octets = base64url.decode(_text(jwk, name))
    except MalformedError:
        raise InvalidKeyError(f"the key's {name} is not base64url") from None
    if size is not None and len(octets) != size:
        raise InvalidKeyError(f"the key's {name} has the wrong length")
    return octets


def _integer(jwk: Mapping[str, Any], name: str) -> int:
    """Read a Base64urlUInt (RFC 7518 §2). Leading zeros are forbidden there and common in practice: they are read."""
    octets = _octets(jwk, name)
    if not octets or len(octets) * 8 > weakness.MAX_RSA_BITS + 8:
        raise InvalidKeyError(f"the key's {name} is empty or too long")
    return int.from_bytes(octets, "big")


def _refuse_members(jwk: Mapping[str, Any], names: tuple[str, ...]) -> None:
    if any(name in jwk for name in names):
        raise InvalidKeyError("the key has private members but no d")


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def write(material: Material, *, private: bool) -> dict[str, str]:
    """Write key material as JWK members, `kty` first.

    Args:
        material: What to write.
        private: Whether to write the secret members too, if there are any.
    """
    if isinstance(material, bytes):
        return {"kty": "oct", "k": base64url.encode(material)}
    public = _write_public(cast("Public", public_part(material)))
    if private and is_private(material):
        return public | _write_private(cast("Private", material))
    return public


def _write_public(public: Public) -> dict[str, str]:
    kty, name = kind_of(public)
    if isinstance(public, rsa.RSAPublicKey):
        numbers = public.public_numbers()
        return {"kty": kty, "n": _uint(numbers.n), "e": _uint(numbers.e)}
    if isinstance(public, ec.EllipticCurvePublicKey):
        point, size = public.public_numbers(), EC[name or ""][1]
        return {"kty": kty, "crv": name or "", "x": _sized(point.x, size), "y": _sized(point.y, size)}
    octets = base64url.encode(public.public_bytes_raw())
    return (
        {"kty": kty, "crv": name or "", "x": octets} if kty == "OKP" else {"kty": kty, "alg": name or "", "pub": octets}
    )


def _write_private(private: Private) -> dict[str, str]:
    if isinstance(private, rsa.RSAPrivateKey):
        numbers = private.private_numbers()
        values = (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
        return {name: _uint(value) for name, value in zip(("d", *_RSA_PRIME_MEMBERS), values, strict=True)}
    kty, name = kind_of(private)
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return {"d": _sized(private.private_numbers().private_value, EC[name or ""][1])}
    return {"d" if kty == "OKP" else "priv": base64url.encode(private.private_bytes_raw())}


def _uint(value: int) -> str:
    return _sized(value, (value.bit_length() + 7) // 8)


def _sized(value: int, size: int) -> str:
    return base64url.encode(value.to_bytes(size, "big"))


# ── RFC 7638 ────────────────────────────────────────────────────────────────────────────────────────────────────────

_REQUIRED = {
    "oct": ("k", "kty"),
    "RSA": ("e", "kty", "n"),
    "EC": ("crv", "kty", "x", "y"),
    "OKP": ("crv", "kty", "x"),
    "AKP": ("alg", "kty", "pub"),
}


def thumbprint(material: Material) -> str:
    """RFC 7638 §3: SHA-256 over the required members, in lexicographic order and without blanks."""
    members = write(material, private=False)
    canonical = {name: members[name] for name in _REQUIRED[members["kty"]]}
    return base64url.encode(hashlib.sha256(strict_json.encode(canonical)).digest())
