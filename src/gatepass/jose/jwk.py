"""Key material as JSON members and back (RFC 7517 §4, RFC 7518 §6, RFC 8037 §2): one pair of functions a key type."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any, TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from . import base64url, strict_json
from .errors import InvalidKeyError, MalformedError

if TYPE_CHECKING:
    from collections.abc import Mapping

Private: TypeAlias = "rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey"
Public: TypeAlias = "rsa.RSAPublicKey | ec.EllipticCurvePublicKey | ed25519.Ed25519PublicKey"
Material: TypeAlias = "bytes | Private | Public"

_CURVES: dict[str, tuple[ec.EllipticCurve, int]] = {
    "P-256": (ec.SECP256R1(), 32),
    "P-384": (ec.SECP384R1(), 48),
    "P-521": (ec.SECP521R1(), 66),
}
_CURVE_NAMES = {curve.name: name for name, (curve, _) in _CURVES.items()}

_RSA_PRIME_MEMBERS = ("p", "q", "dp", "dq", "qi")


def kind_of(material: Material) -> tuple[str, str | None]:
    """Name the `kty` and `crv` of parsed key material."""
    match material:
        case bytes():
            return "oct", None
        case rsa.RSAPrivateKey() | rsa.RSAPublicKey():
            return "RSA", None
        case ec.EllipticCurvePrivateKey() | ec.EllipticCurvePublicKey():
            crv = _CURVE_NAMES.get(material.curve.name)
            if crv is None:
                raise InvalidKeyError("the curve is not one that JOSE names")
            return "EC", crv
        case ed25519.Ed25519PrivateKey() | ed25519.Ed25519PublicKey():
            return "OKP", "Ed25519"
        case _:
            raise InvalidKeyError("no JOSE algorithm uses this type of key")


def is_private(material: Material) -> bool:
    """Tell whether the material must stay secret."""
    return isinstance(material, (bytes, rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey))


def public_part(material: Material) -> Material:
    """Return what verifies: the public key, or the secret itself."""
    if isinstance(material, (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, ed25519.Ed25519PrivateKey)):
        return material.public_key()
    return material


def generate(kty: str, crv: str | None, bits: int) -> Material:
    """Make a new random key pair.

    Args:
        kty: `"RSA"`, `"EC"` or `"OKP"`.
        crv: The curve, for the latter two.
        bits: The length of the modulus, for RSA.
    """
    if kty == "RSA":
        return rsa.generate_private_key(65537, bits)
    if kty == "EC":
        return ec.generate_private_key(_CURVES[crv or ""][0])
    return ed25519.Ed25519PrivateKey.generate()


# ── reading ─────────────────────────────────────────────────────────────────────────────────────────────────────────


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
        p, q = rsa.rsa_recover_prime_factors(public.n, public.e, d)
        dp, dq, qi = rsa.rsa_crt_dmp1(d, p), rsa.rsa_crt_dmq1(d, q), rsa.rsa_crt_iqmp(p, q)
    return rsa.RSAPrivateNumbers(p, q, d, dp, dq, qi, public).private_key()


def _read_ec(jwk: Mapping[str, Any]) -> ec.EllipticCurvePrivateKey | ec.EllipticCurvePublicKey:
    found = _CURVES.get(_text(jwk, "crv"))
    if found is None:
        raise InvalidKeyError("unknown crv")
    curve, size = found
    # RFC 7518 §6.2.1.2: coordinates have the full length of the field, leading zeros included.
    x, y = (int.from_bytes(_octets(jwk, name, size), "big") for name in ("x", "y"))
    public = ec.EllipticCurvePublicNumbers(x, y, curve)
    if "d" not in jwk:
        return public.public_key()
    return ec.EllipticCurvePrivateNumbers(int.from_bytes(_octets(jwk, "d", size), "big"), public).private_key()


def _read_okp(jwk: Mapping[str, Any]) -> ed25519.Ed25519PrivateKey | ed25519.Ed25519PublicKey:
    if _text(jwk, "crv") != "Ed25519":
        raise InvalidKeyError("unknown crv")
    public = ed25519.Ed25519PublicKey.from_public_bytes(_octets(jwk, "x", 32))
    if "d" not in jwk:
        return public
    private = ed25519.Ed25519PrivateKey.from_private_bytes(_octets(jwk, "d", 32))
    if private.public_key() != public:
        raise InvalidKeyError("the private part does not belong to the public part")
    return private


_READERS = {"oct": _read_oct, "RSA": _read_rsa, "EC": _read_ec, "OKP": _read_okp}


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
    if not octets:
        raise InvalidKeyError(f"the key's {name} is empty")
    return int.from_bytes(octets, "big")


def _refuse_members(jwk: Mapping[str, Any], names: tuple[str, ...]) -> None:
    if any(name in jwk for name in names):
        raise InvalidKeyError("the key has private members but no d")


# ── writing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def write(material: Material, *, private: bool) -> dict[str, str]:  # noqa: PLR0911 - a flat list of key types
    """Write key material as JWK members, `kty` first.

    Args:
        material: What to write.
        private: Whether to write the secret members too, if there are any.
    """
    match material:
        case bytes():
            return {"kty": "oct", "k": base64url.encode(material)}
        case rsa.RSAPublicKey():
            return _write_rsa(material.public_numbers())
        case rsa.RSAPrivateKey():
            public = _write_rsa(material.public_key().public_numbers())
            return public | _write_rsa_private(material.private_numbers()) if private else public
        case ec.EllipticCurvePublicKey():
            return _write_ec(material)
        case ec.EllipticCurvePrivateKey():
            public = _write_ec(material.public_key())
            _, size = _CURVES[public["crv"]]
            d = material.private_numbers().private_value.to_bytes(size, "big")
            return public | {"d": base64url.encode(d)} if private else public
        case ed25519.Ed25519PublicKey():
            return {"kty": "OKP", "crv": "Ed25519", "x": base64url.encode(material.public_bytes_raw())}
        case ed25519.Ed25519PrivateKey():
            public = write(material.public_key(), private=False)
            return public | {"d": base64url.encode(material.private_bytes_raw())} if private else public


def _write_rsa(numbers: rsa.RSAPublicNumbers) -> dict[str, str]:
    return {"kty": "RSA", "n": _uint(numbers.n), "e": _uint(numbers.e)}


def _write_rsa_private(numbers: rsa.RSAPrivateNumbers) -> dict[str, str]:
    values = (numbers.d, numbers.p, numbers.q, numbers.dmp1, numbers.dmq1, numbers.iqmp)
    return {name: _uint(value) for name, value in zip(("d", *_RSA_PRIME_MEMBERS), values, strict=True)}


def _write_ec(public: ec.EllipticCurvePublicKey) -> dict[str, str]:
    crv = _CURVE_NAMES[public.curve.name]
    _, size = _CURVES[crv]
    numbers = public.public_numbers()
    x, y = (base64url.encode(value.to_bytes(size, "big")) for value in (numbers.x, numbers.y))
    return {"kty": "EC", "crv": crv, "x": x, "y": y}


def _uint(value: int) -> str:
    return base64url.encode(value.to_bytes((value.bit_length() + 7) // 8, "big"))


# ── RFC 7638 ────────────────────────────────────────────────────────────────────────────────────────────────────────

_REQUIRED = {"oct": ("k", "kty"), "RSA": ("e", "kty", "n"), "EC": ("crv", "kty", "x", "y"), "OKP": ("crv", "kty", "x")}


def thumbprint(material: Material) -> str:
    """RFC 7638 §3: SHA-256 over the required members, in lexicographic order and without blanks."""
    members = write(material, private=False)
    canonical = {name: members[name] for name in _REQUIRED[members["kty"]]}
    return base64url.encode(hashlib.sha256(strict_json.encode(canonical)).digest())
