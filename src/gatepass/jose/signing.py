"""The signature primitives (RFC 7518 §3, RFC 8037 §3.1, RFC 8812, RFC 9964).

Each function prepares a key once and returns what is called once a token. They are the cells of the table in
`algorithms`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, padding, utils
from cryptography.hazmat.primitives.hmac import HMAC

from .errors import BadSignatureError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.hashes import HashAlgorithm

Sign: TypeAlias = Callable[[bytes], bytes]
"""message -> signature, in the octets that JWS carries."""

Verify: TypeAlias = Callable[[bytes, bytes], None]
"""(message, signature) -> nothing, or BadSignatureError."""


class Scheme(NamedTuple):
    """How keys of one algorithm are prepared: a secret or private key to sign, a secret or public key to verify."""

    signer: Callable[..., Sign]
    verifier: Callable[..., Verify]


def hmac(hash_: HashAlgorithm) -> Scheme:
    """RFC 7518 §3.2. The keyed context is made once; a token costs a copy of it."""

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

    return Scheme(signer, verifier)


def rsa_pkcs1(hash_: HashAlgorithm) -> Scheme:
    """RFC 7518 §3.3."""
    return _rsa(hash_, padding.PKCS1v15())


def rsa_pss(hash_: HashAlgorithm) -> Scheme:
    """RFC 7518 §3.5: MGF1 with the same hash, and a salt as long as its output."""
    return _rsa(hash_, padding.PSS(padding.MGF1(hash_), hash_.digest_size))


def _rsa(hash_: HashAlgorithm, pad: padding.AsymmetricPadding) -> Scheme:
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

    return Scheme(signer, verifier)


def ecdsa(hash_: HashAlgorithm, size: int) -> Scheme:
    """RFC 7518 §3.4: the signature is R and S, big-endian, each as long as the curve's order: `size` octets."""
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

    return Scheme(signer, verifier)


class _PlainPrivate(Protocol):
    def sign(self, data: bytes, /) -> bytes: ...


class _PlainPublic(Protocol):
    def verify(self, signature: bytes, data: bytes, /) -> None: ...


def plain() -> Scheme:
    """Algorithms with nothing to choose: EdDSA (RFC 8037 §3.1), and ML-DSA with an empty context (RFC 9964)."""

    def signer(private: _PlainPrivate) -> Sign:
        return private.sign

    def verifier(public: _PlainPublic) -> Verify:
        def verify(message: bytes, signature: bytes) -> None:
            try:
                public.verify(signature, message)
            except InvalidSignature:
                raise BadSignatureError("the signature does not fit") from None

        return verify

    return Scheme(signer, verifier)
