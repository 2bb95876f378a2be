"""Keys as PEM (RFC 7468): PKCS #8, PKCS #1, SEC 1, SubjectPublicKeyInfo, X.509."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .errors import InvalidKeyError

if TYPE_CHECKING:
    from .jwk import Material, Private, Public
    from .limits import Limits


def read(text: bytes | str, password: bytes | None, limits: Limits) -> Material:
    """Parse the first key or certificate of a PEM document.

    Raises:
        InvalidKeyError: There is none, or it cannot be read, or the password is wrong, missing or not needed.
    """
    # Imported here because it is a third of what importing this library costs, and verifiers read JWKs.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    octets = _octets(text, limits)
    try:
        if b"-----BEGIN CERTIFICATE-----" in octets:
            return cast("Public", x509.load_pem_x509_certificate(octets).public_key())
        if b"PUBLIC KEY-----" in octets:
            return cast("Public", serialization.load_pem_public_key(octets))
        return cast("Private", serialization.load_pem_private_key(octets, password))
    except (ValueError, TypeError, UnsupportedAlgorithm, OverflowError):
        raise InvalidKeyError("the PEM document or its password cannot be read") from None


def _octets(text: object, limits: Limits) -> bytes:
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogatepass")
    if not isinstance(text, bytes):
        raise InvalidKeyError("a PEM document is bytes or str")
    if len(text) > limits.pem_length:
        raise InvalidKeyError("the PEM document is too long")
    return text


def write(material: Material, password: bytes | None) -> bytes:
    """Write a private key as PKCS #8, encrypted if there is a password, or a public key as SubjectPublicKeyInfo."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    from .jwk import is_private  # noqa: PLC0415

    if isinstance(material, bytes):
        raise InvalidKeyError("a secret has no PEM form")
    if not is_private(material):
        public = cast("Public", material)
        return public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    try:
        encryption = serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption()
        return cast("Private", material).private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
    except (ValueError, TypeError):
        raise InvalidKeyError("the password is not bytes, or too long") from None
