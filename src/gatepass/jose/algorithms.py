"""Every algorithm, a row each. `none` and `RSA1_5` have no row, and so do not exist.

A row says what kind of key an algorithm takes, how large it is, and which primitive it is. To add an algorithm, add
its row, its primitive and its vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512

from . import signing

if TYPE_CHECKING:
    from .signing import Scheme


class SignatureAlgorithm(NamedTuple):
    """One row of the signature algorithms.

    Attributes:
        name: The `alg` value.
        kty: The key type.
        crv: The curve, or for AKP keys the parameter set; None where the type has neither.
        bits: The smallest key: the length of a secret or a modulus. 0 where the curve decides.
        scheme: The primitive.
        alias: An older `alg` value that means the same for such a key; read, and written only when asked for.
    """

    name: str
    kty: str
    crv: str | None
    bits: int
    scheme: Scheme
    alias: str | None = None


SIGNATURES: dict[str, SignatureAlgorithm] = {
    row.name: row
    for row in (
        # RFC 7518 §3.2: a secret is at least as long as the hash.
        SignatureAlgorithm("HS256", "oct", None, 256, signing.hmac(SHA256())),
        SignatureAlgorithm("HS384", "oct", None, 384, signing.hmac(SHA384())),
        SignatureAlgorithm("HS512", "oct", None, 512, signing.hmac(SHA512())),
        # RFC 7518 §3.3 and §3.5: 2048 bits or more.
        SignatureAlgorithm("RS256", "RSA", None, 2048, signing.rsa_pkcs1(SHA256())),
        SignatureAlgorithm("RS384", "RSA", None, 2048, signing.rsa_pkcs1(SHA384())),
        SignatureAlgorithm("RS512", "RSA", None, 2048, signing.rsa_pkcs1(SHA512())),
        SignatureAlgorithm("PS256", "RSA", None, 2048, signing.rsa_pss(SHA256())),
        SignatureAlgorithm("PS384", "RSA", None, 2048, signing.rsa_pss(SHA384())),
        SignatureAlgorithm("PS512", "RSA", None, 2048, signing.rsa_pss(SHA512())),
        # RFC 7518 §3.4, RFC 8812 §3.2.
        SignatureAlgorithm("ES256", "EC", "P-256", 0, signing.ecdsa(SHA256(), 32)),
        SignatureAlgorithm("ES384", "EC", "P-384", 0, signing.ecdsa(SHA384(), 48)),
        SignatureAlgorithm("ES512", "EC", "P-521", 0, signing.ecdsa(SHA512(), 66)),
        SignatureAlgorithm("ES256K", "EC", "secp256k1", 0, signing.ecdsa(SHA256(), 32)),
        # RFC 9864 §2.2: the fully-specified names of RFC 8037's EdDSA.
        SignatureAlgorithm("Ed25519", "OKP", "Ed25519", 0, signing.plain(), alias="EdDSA"),
        SignatureAlgorithm("Ed448", "OKP", "Ed448", 0, signing.plain(), alias="EdDSA"),
        # RFC 9964.
        SignatureAlgorithm("ML-DSA-44", "AKP", "ML-DSA-44", 0, signing.plain()),
        SignatureAlgorithm("ML-DSA-65", "AKP", "ML-DSA-65", 0, signing.plain()),
        SignatureAlgorithm("ML-DSA-87", "AKP", "ML-DSA-87", 0, signing.plain()),
    )
}

SIGNATURE_NAMES = frozenset(SIGNATURES) | {row.alias for row in SIGNATURES.values() if row.alias}
"""Every `alg` value that a JWS header may carry."""

_SINGLE_PURPOSE = {(row.kty, row.crv): row for row in SIGNATURES.values() if row.crv is not None}


def named(name: str, crv: str | None = None) -> SignatureAlgorithm | None:
    """Look up a row by its name. What an old name means depends on the key's curve; without one, it is Ed25519."""
    return SIGNATURES.get((crv or "Ed25519") if name == "EdDSA" else name)


def implied_by(kty: str, crv: str | None) -> SignatureAlgorithm | None:
    """Look up the only algorithm that a key of this type and curve can be for, if there is just one."""
    return None if crv is None else _SINGLE_PURPOSE.get((kty, crv))
