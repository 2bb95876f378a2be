"""Every algorithm, a row each (RFC 7518 §3, RFC 8037, RFC 9864). `none` has no row, and so does not exist.

A row says what kind of key an algorithm takes and how a key is prepared for it. Preparing happens once a key; the
function that it returns is called once a token.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.hmac import HMAC

from .errors import BadSignatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import ed25519, rsa

Sign: TypeAlias = Callable[[bytes], bytes]
"""message -> signature, in the octets that JWS carries."""

Verify: TypeAlias = Callable[[bytes, bytes], None]
"""(message, signature) -> nothing, or BadSignatureError."""


class SignatureAlgorithm(NamedTuple):
    """One row.

    Attributes:
        name: The `alg` value.
        kty: The key type of RFC 7518 §6.1.
        crv: The curve, where the key type has several.
        bits: The smallest key: a secret's or a modulus' length in bits.
        signer: Prepares a secret or private key for signing.
        verifier: Prepares a secret or public key for verifying.
        alias: An older `alg` value that means the same for this key; read, and written only when asked for.
    """

    name: str
    kty: str
    crv: str | None
    bits: int
    signer: Callable[[Any], Sign]
    verifier: Callable[[Any], Verify]
    alias: str | None = None


def _hmac(name: str, hash_: hashes.HashAlgorithm) -> SignatureAlgorithm:
    """RFC 7518 §3.2: the secret is at least as long as the hash output."""

    def signer(secret: bytes) -> Sign:
        keyed = HMAC(secret, hash_)

        def sign(message: bytes) -> bytes:
            context = keyed.copy()
            context.update(message)
            return context.finalize()

        return sign

    def verifier(secret: bytes) -> Verify:
        keyed = HMAC(secret, hash_)

        def verify(message: bytes, signature: bytes) -> None:
            context = keyed.copy()
            context.update(message)
            try:
                context.verify(signature)
            except InvalidSignature:
                raise BadSignatureError("the MAC does not fit") from None

        return verify

    return SignatureAlgorithm(name, "oct", None, hash_.digest_size * 8, signer, verifier)


def _rsa(name: str, hash_: hashes.HashAlgorithm, pad: padding.AsymmetricPadding) -> SignatureAlgorithm:
    """RFC 7518 §3.3 and §3.5: PKCS #1 v1.5, or PSS with MGF1 over the same hash and a salt as long as its output."""

    def signer(private: rsa.RSAPrivateKey) -> Sign:
        def sign(message: bytes) -> bytes:
            return private.sign(message, pad, hash_)

        return sign

    def verifier(public: rsa.RSAPublicKey) -> Verify:
        def verify(message: bytes, signature: bytes) -> None:
            try:
                public.verify(signature, message, pad, hash_)
            except InvalidSignature:
                raise BadSignatureError("the signature does not fit") from None

        return verify

    return SignatureAlgorithm(name, "RSA", None, 2048, signer, verifier)


def _pss(hash_: hashes.HashAlgorithm) -> padding.PSS:
    return padding.PSS(padding.MGF1(hash_), hash_.digest_size)


def _ecdsa(name: str, crv: str, hash_: hashes.HashAlgorithm, size: int) -> SignatureAlgorithm:
    """RFC 7518 §3.4: the signature is R and S, big-endian, each as long as the curve's order."""
    verifying = ec.ECDSA(hash_)

    def signer(private: ec.EllipticCurvePrivateKey) -> Sign:
        # RFC 8725bis §3.2 asks for RFC 6979: a bad random number then cannot give the key away.
        deterministic = ec.ECDSA(hash_, deterministic_signing=True)

        def sign(message: bytes) -> bytes:
            r, s = utils.decode_dss_signature(private.sign(message, deterministic))
            return r.to_bytes(size, "big") + s.to_bytes(size, "big")

        return sign

    def verifier(public: ec.EllipticCurvePublicKey) -> Verify:
        def verify(message: bytes, signature: bytes) -> None:
            if len(signature) != 2 * size:
                raise BadSignatureError("the signature has the wrong length")
            r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
            try:
                public.verify(utils.encode_dss_signature(r, s), message, verifying)
            except InvalidSignature:
                raise BadSignatureError("the signature does not fit") from None

        return verify

    return SignatureAlgorithm(name, "EC", crv, 0, signer, verifier)


def _eddsa(name: str) -> SignatureAlgorithm:
    """RFC 8037 §3.1 under the fully-specified name of RFC 9864; `EdDSA` is the old name."""

    def signer(private: ed25519.Ed25519PrivateKey) -> Sign:
        return private.sign

    def verifier(public: ed25519.Ed25519PublicKey) -> Verify:
        def verify(message: bytes, signature: bytes) -> None:
            try:
                public.verify(signature, message)
            except InvalidSignature:
                raise BadSignatureError("the signature does not fit") from None

        return verify

    return SignatureAlgorithm(name, "OKP", name, 0, signer, verifier, alias="EdDSA")


_SHA256, _SHA384, _SHA512 = hashes.SHA256(), hashes.SHA384(), hashes.SHA512()

SIGNATURES: dict[str, SignatureAlgorithm] = {
    row.name: row
    for row in (
        _hmac("HS256", _SHA256),
        _hmac("HS384", _SHA384),
        _hmac("HS512", _SHA512),
        _rsa("RS256", _SHA256, padding.PKCS1v15()),
        _rsa("RS384", _SHA384, padding.PKCS1v15()),
        _rsa("RS512", _SHA512, padding.PKCS1v15()),
        _rsa("PS256", _SHA256, _pss(_SHA256)),
        _rsa("PS384", _SHA384, _pss(_SHA384)),
        _rsa("PS512", _SHA512, _pss(_SHA512)),
        _ecdsa("ES256", "P-256", _SHA256, 32),
        _ecdsa("ES384", "P-384", _SHA384, 48),
        _ecdsa("ES512", "P-521", _SHA512, 66),
        _eddsa("Ed25519"),
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
