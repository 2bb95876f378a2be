"""Keys as PEM (RFC 7468): PKCS #8, PKCS #1, SEC 1, SubjectPublicKeyInfo, X.509."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from .errors import InvalidKeyError
from .weakness import SSH_PREFIXES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from .limits import Limits
    from .material import Material, Private, Public


def read(text: bytes | str, password: bytes | None, limits: Limits) -> Material:
    """Parse the key of a PEM document: the private one if it holds one, else its first public key or certificate.

    Raises:
        InvalidKeyError: There is none, or it cannot be read, or the password is wrong, missing or not needed.
    """
    # Imported here because it is a third of what importing this library costs, and verifiers read JWKs.
    from cryptography import x509  # noqa: PLC0415
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415

    label, block = _chosen(_octets(text, limits))
    try:
        if label == "CERTIFICATE":
            return cast("Public", x509.load_pem_x509_certificate(block).public_key())
        if label.endswith("PUBLIC KEY"):
            return cast("Public", serialization.load_pem_public_key(block))
        _check_password(block, password)
        return cast("Private", serialization.load_pem_private_key(block, password))
    except UnsupportedAlgorithm:
        raise InvalidKeyError(f"the {label} is of a type or a cipher that the installed cryptography lacks") from None
    except (ValueError, TypeError, OverflowError):
        if password is not None:
            raise InvalidKeyError(f"the {label} cannot be decrypted: the password is wrong, or it is damaged") from None
        raise InvalidKeyError(f"the {label} is damaged") from None


def _octets(text: object, limits: Limits) -> bytes:
    if isinstance(text, str):
        text = text.encode("utf-8", "surrogatepass")
    if not isinstance(text, bytes):
        raise InvalidKeyError("a PEM document is bytes or str")
    if len(text) > limits.pem_length:
        raise InvalidKeyError("the PEM document is too long")
    return text


_BEGIN, _END, _DASHES = b"-----BEGIN ", b"-----END ", b"-----"


def _chosen(document: bytes) -> tuple[str, bytes]:
    """Find the block to read, and what it is called."""
    blocks = list(_blocks(document))
    for is_one in (_is_private, _is_public):
        for label, block in blocks:
            if is_one(label):
                return label, block
    if blocks:
        raise InvalidKeyError(f"the PEM document holds no key, but a {blocks[0][0]}")
    raise InvalidKeyError(_what_else(document))


def _is_private(label: str) -> bool:
    if label == "OPENSSH PRIVATE KEY":
        raise InvalidKeyError("this is a key of OpenSSH: rewrite it in place by ssh-keygen -p -m PKCS8 -f FILE")
    return label.endswith("PRIVATE KEY")


def _is_public(label: str) -> bool:
    return label.endswith("PUBLIC KEY") or label == "CERTIFICATE"


def _blocks(document: bytes) -> Iterator[tuple[str, bytes]]:
    """RFC 7468 §2: what stands between BEGIN and END of one label, the two lines included."""
    at = 0
    while (begin := document.find(_BEGIN, at)) >= 0:
        label, dashes, _ = document[begin + len(_BEGIN) : begin + 64].partition(_DASHES)
        if not dashes or b"\\n" in document[begin : begin + 64]:
            raise InvalidKeyError(_what_else(document))
        last = _END + label + _DASHES
        end = document.find(last, begin)
        if end < 0:
            raise InvalidKeyError("the PEM document is cut off: the line that ends its key is missing")
        at = end + len(last)
        yield label.decode("latin-1"), document[begin:at]


def _check_password(block: bytes, password: object) -> None:
    if not isinstance(password, bytes | None):
        raise InvalidKeyError("the password is not bytes: pass password.encode()")
    is_encrypted = b"ENCRYPTED" in block
    if is_encrypted and not password:
        raise InvalidKeyError("the private key is encrypted: pass its password=")
    if password is not None and not is_encrypted:
        raise InvalidKeyError("the private key is not encrypted: leave out password=")


def _what_else(document: bytes) -> str:
    """Say what a document without a block of PEM seems to be, and what to do with it; nothing of it is repeated."""
    text = document.strip(b"\0\xef\xbb\xbf \t\r\n")
    if b"\\n" in document and _BEGIN in document:
        return "the PEM document spells its line ends as backslash and n: pass text.replace('\\\\n', '\\n')"
    if text.startswith(SSH_PREFIXES):
        return "this is a public key of OpenSSH: write it as PEM by ssh-keygen -e -m PKCS8 -f FILE"
    if text.startswith((b"{", b"[")):
        return "this is JSON: a JWK is read by Key.from_jwk, a set of them by KeySet.from_jwks"
    if text.startswith(b"\x30"):
        return "this is DER: write it as PEM by openssl pkey -inform DER"
    if text.endswith((b".pem", b".key", b".crt", b".cer")):
        return "this is no PEM document, which begins with -----BEGIN: pass what the file holds, not its name"
    return "this is no PEM document, which begins with -----BEGIN; a shared secret is read by Key.from_secret"


def write(material: Material, password: bytes | None) -> bytes:
    """Write a private key as PKCS #8, encrypted if there is a password, or a public key as SubjectPublicKeyInfo."""
    from cryptography.hazmat.primitives import serialization  # noqa: PLC0415 - as above

    from .material import is_private  # noqa: PLC0415

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
        raise InvalidKeyError("the password is not bytes (pass password.encode()), or too long") from None
