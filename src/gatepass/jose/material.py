"""Key material as `cryptography` holds it, by the names that JOSE has for it.

RFC 7518 §6 (oct, RSA, EC), RFC 8037 §2 (OKP), RFC 9964 (AKP).
"""

from __future__ import annotations

from typing import TypeAlias

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, mldsa, rsa, x448, x25519

from .errors import InvalidKeyError

OkpPrivate: TypeAlias = (
    "ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey | x25519.X25519PrivateKey | x448.X448PrivateKey"
)
OkpPublic: TypeAlias = "ed25519.Ed25519PublicKey | ed448.Ed448PublicKey | x25519.X25519PublicKey | x448.X448PublicKey"
AkpPrivate: TypeAlias = "mldsa.MLDSA44PrivateKey | mldsa.MLDSA65PrivateKey | mldsa.MLDSA87PrivateKey"
AkpPublic: TypeAlias = "mldsa.MLDSA44PublicKey | mldsa.MLDSA65PublicKey | mldsa.MLDSA87PublicKey"
Private: TypeAlias = "rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | OkpPrivate | AkpPrivate"
Public: TypeAlias = "rsa.RSAPublicKey | ec.EllipticCurvePublicKey | OkpPublic | AkpPublic"
Material: TypeAlias = "bytes | Private | Public"

EC: dict[str, tuple[ec.EllipticCurve, int]] = {
    "P-256": (ec.SECP256R1(), 32),
    "P-384": (ec.SECP384R1(), 48),
    "P-521": (ec.SECP521R1(), 66),
    "secp256k1": (ec.SECP256K1(), 32),
}
"""RFC 7518 §6.2.1.1, RFC 8812 §3.1: the curves of EC keys, and the octets of a coordinate."""

_CURVE_NAMES = {curve.name: name for name, (curve, _) in EC.items()}

OKP: dict[str, tuple[type[OkpPrivate], type[OkpPublic]]] = {
    "Ed25519": (ed25519.Ed25519PrivateKey, ed25519.Ed25519PublicKey),
    "Ed448": (ed448.Ed448PrivateKey, ed448.Ed448PublicKey),
    "X25519": (x25519.X25519PrivateKey, x25519.X25519PublicKey),
    "X448": (x448.X448PrivateKey, x448.X448PublicKey),
}
"""RFC 8037 §3: the curves of OKP keys, and the types of their private and public keys."""

AKP: dict[str, tuple[type[AkpPrivate], type[AkpPublic]]] = {
    "ML-DSA-44": (mldsa.MLDSA44PrivateKey, mldsa.MLDSA44PublicKey),
    "ML-DSA-65": (mldsa.MLDSA65PrivateKey, mldsa.MLDSA65PublicKey),
    "ML-DSA-87": (mldsa.MLDSA87PrivateKey, mldsa.MLDSA87PublicKey),
}
"""RFC 9964: the parameter sets of AKP keys, and the types of their private and public keys."""

_PRIVATE = (rsa.RSAPrivateKey, ec.EllipticCurvePrivateKey, *(one for one, _ in (*OKP.values(), *AKP.values())))


def kind_of(material: Material) -> tuple[str, str | None]:
    """Name the `kty` of parsed key material, and its curve or parameter set.

    Raises:
        InvalidKeyError: JOSE has no name for it.
    """
    if isinstance(material, bytes):
        return "oct", None
    if isinstance(material, (rsa.RSAPrivateKey, rsa.RSAPublicKey)):
        return "RSA", None
    if isinstance(material, (ec.EllipticCurvePrivateKey, ec.EllipticCurvePublicKey)):
        if material.curve.name in _CURVE_NAMES:
            return "EC", _CURVE_NAMES[material.curve.name]
    else:
        for kty, table in (("OKP", OKP), ("AKP", AKP)):
            for name, kinds in table.items():
                if isinstance(material, kinds):
                    return kty, name
    raise InvalidKeyError("no JOSE algorithm uses this type of key")


def is_private(material: Material) -> bool:
    """Tell whether the material must stay secret."""
    return isinstance(material, (bytes, *_PRIVATE))


def public_part(material: Material) -> Material:
    """Return what others may have: the public key; or the secret itself, which has no such part."""
    if isinstance(material, _PRIVATE):
        return material.public_key()
    return material


def generate(kty: str, crv: str | None, bits: int) -> Material:
    """Make a new random key pair.

    Args:
        kty: `"RSA"`, `"EC"`, `"OKP"` or `"AKP"`.
        crv: The curve or parameter set, for all but RSA.
        bits: The length of the modulus, for RSA.

    Raises:
        InvalidKeyError: The installed cryptography does not have the curve or parameter set.
    """
    try:
        if kty == "RSA":
            return rsa.generate_private_key(65537, bits)
        if kty == "EC":
            return ec.generate_private_key(EC[crv or ""][0])
        private, _ = OKP[crv or ""] if kty == "OKP" else AKP[crv or ""]
        return private.generate()
    except UnsupportedAlgorithm:
        raise InvalidKeyError(f"the installed cryptography does not have {crv}") from None
