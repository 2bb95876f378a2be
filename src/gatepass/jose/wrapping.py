"""Key management (RFC 7518 §4): how the content encryption key reaches the recipient.

Each function prepares a key once for wrapping, with a secret or public key, and for unwrapping, with a secret or
private key.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, cast

from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.concatkdf import ConcatKDFHash
from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

from . import base64url, jwk, weakness
from .errors import DecryptionFailedError, MalformedError
from .material import generate, kind_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa, x448, x25519

    AgreementPrivate: TypeAlias = ec.EllipticCurvePrivateKey | x25519.X25519PrivateKey | x448.X448PrivateKey
    AgreementPublic: TypeAlias = ec.EllipticCurvePublicKey | x25519.X25519PublicKey | x448.X448PublicKey


class Wrapped(NamedTuple):
    """A content encryption key, as the sender has it and as it travels."""

    cek: bytes
    encrypted_key: bytes = b""
    parameters: dict[str, Any] = {}  # noqa: RUF012 - never written to


Wrap: TypeAlias = Callable[[bytes, Mapping[str, Any]], Wrapped]
"""(a random key of the right size, the header) -> the key to use, and how it travels."""

Unwrap: TypeAlias = Callable[[bytes, Mapping[str, Any], int], bytes]
"""(encrypted key, header, size of the key) -> the key. It raises, or answers nonsense, if the two do not fit."""


class Mechanism(NamedTuple):
    """How keys of one algorithm are prepared.

    Attributes:
        wrapper: Prepares a secret or public key.
        unwrapper: Prepares a secret or private key.
        direct: Whether the key or agreement is itself the content encryption key, so that nothing travels, and one
            recipient is all there can be.
        share: (key, header) -> what unwrapping takes of all that one document may cost.
    """

    wrapper: Callable[..., Wrap]
    unwrapper: Callable[..., Unwrap]
    direct: bool = False
    share: Callable[[Any, Mapping[str, Any]], float] = lambda _key, _header: 0


def direct() -> Mechanism:
    """RFC 7518 §4.5: the shared secret encrypts the content."""

    def wrapper(secret: bytes) -> Wrap:
        return lambda _cek, _header: Wrapped(secret)

    def unwrapper(secret: bytes) -> Unwrap:
        return lambda _encrypted, _header, _size: secret

    return Mechanism(wrapper, unwrapper, direct=True)


def aes_kw() -> Mechanism:
    """RFC 7518 §4.4: RFC 3394 with the default initial value."""

    def wrapper(secret: bytes) -> Wrap:
        return lambda cek, _header: Wrapped(cek, keywrap.aes_key_wrap(secret, cek))

    def unwrapper(secret: bytes) -> Unwrap:
        return lambda encrypted, _header, _size: keywrap.aes_key_unwrap(secret, encrypted)

    return Mechanism(wrapper, unwrapper)


def aes_gcm_kw() -> Mechanism:
    """RFC 7518 §4.7: the IV and the tag travel in the header."""

    def wrapper(secret: bytes) -> Wrap:
        cipher = AESGCM(secret)

        def wrap(cek: bytes, _: Mapping[str, Any]) -> Wrapped:
            iv = secrets.token_bytes(12)
            sealed = cipher.encrypt(iv, cek, None)
            return Wrapped(cek, sealed[:-16], {"iv": base64url.encode(iv), "tag": base64url.encode(sealed[-16:])})

        return wrap

    def unwrapper(secret: bytes) -> Unwrap:
        cipher = AESGCM(secret)

        def unwrap(encrypted: bytes, header: Mapping[str, Any], _: int) -> bytes:
            return cipher.decrypt(_octets(header, "iv", 12), encrypted + _octets(header, "tag", 16), None)

        return unwrap

    return Mechanism(wrapper, unwrapper)


def rsa_oaep(hash_: hashes.HashAlgorithm) -> Mechanism:
    """RFC 7518 §4.3: OAEP with the same hash inside MGF1."""
    pad = padding.OAEP(padding.MGF1(hash_), hash_, None)

    def wrapper(public: rsa.RSAPublicKey) -> Wrap:
        return lambda cek, _header: Wrapped(cek, public.encrypt(cek, pad))

    def unwrapper(private: rsa.RSAPrivateKey) -> Unwrap:
        return lambda encrypted, _header, _size: private.decrypt(encrypted, pad)

    def share(private: rsa.RSAPrivateKey, _: Mapping[str, Any]) -> float:
        return min(1, (private.key_size / 2048) ** 3 / 16)  # sixteen times 2048 bits, or twice 4096: some 12 ms

    return Mechanism(wrapper, unwrapper, share=share)


def ecdh_es() -> Mechanism:
    """RFC 7518 §4.6, direct: what both sides agree on is the content encryption key; `enc` names it."""

    def wrapper(public: AgreementPublic) -> Wrap:
        def wrap(cek: bytes, header: Mapping[str, Any]) -> Wrapped:
            agreed, epk = _agree_as_sender(public, header, header["enc"], len(cek))
            return Wrapped(agreed, parameters=epk)

        return wrap

    def unwrapper(private: AgreementPrivate) -> Unwrap:
        def unwrap(_: bytes, header: Mapping[str, Any], size: int) -> bytes:
            return _agree_as_recipient(private, header, header["enc"], size)

        return unwrap

    return Mechanism(wrapper, unwrapper, direct=True)


def ecdh_es_kw(size: int) -> Mechanism:
    """RFC 7518 §4.6, with key wrapping: what both sides agree on wraps the key; `alg` names it.

    Args:
        size: Octets of the wrapping key.
    """

    def wrapper(public: AgreementPublic) -> Wrap:
        def wrap(cek: bytes, header: Mapping[str, Any]) -> Wrapped:
            agreed, epk = _agree_as_sender(public, header, header["alg"], size)
            return Wrapped(cek, keywrap.aes_key_wrap(agreed, cek), epk)

        return wrap

    def unwrapper(private: AgreementPrivate) -> Unwrap:
        def unwrap(encrypted: bytes, header: Mapping[str, Any], _: int) -> bytes:
            return keywrap.aes_key_unwrap(_agree_as_recipient(private, header, header["alg"], size), encrypted)

        return unwrap

    return Mechanism(wrapper, unwrapper)


def _agree_as_sender(
    public: AgreementPublic, header: Mapping[str, Any], name: str, size: int
) -> tuple[bytes, dict[str, Any]]:
    ephemeral = cast("AgreementPrivate", generate(*kind_of(public), 0))
    epk = jwk.write(ephemeral.public_key(), private=False)
    return _derive(_exchange(ephemeral, public), header, name, size), {"epk": epk}


def _agree_as_recipient(private: AgreementPrivate, header: Mapping[str, Any], name: str, size: int) -> bytes:
    epk = header.get("epk")
    if not isinstance(epk, dict):
        raise MalformedError("epk is not an object")
    # Reading checks that the point is on its curve (RFC 8725bis §3.4); the curve must be the key's own.
    if jwk.has_private_members(cast("dict[str, Any]", epk)):
        raise DecryptionFailedError
    public = jwk.read(cast("dict[str, Any]", epk))
    if kind_of(public) != kind_of(private):
        raise DecryptionFailedError
    weakness.check(public, 0)
    return _derive(_exchange(private, cast("AgreementPublic", public)), header, name, size)


def _exchange(private: AgreementPrivate, public: AgreementPublic) -> bytes:
    if isinstance(private, ec.EllipticCurvePrivateKey):
        return private.exchange(ec.ECDH(), cast("ec.EllipticCurvePublicKey", public))
    return private.exchange(public)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def _derive(shared: bytes, header: Mapping[str, Any], name: str, size: int) -> bytes:
    """RFC 7518 §4.6.2: Concat KDF over the algorithm's name, both parties' info and the size in bits."""
    parts = (name.encode(), _optional_octets(header, "apu"), _optional_octets(header, "apv"))
    info = b"".join(len(part).to_bytes(4, "big") + part for part in parts) + (size * 8).to_bytes(4, "big")
    return ConcatKDFHash(hashes.SHA256(), size, info).derive(shared)


MIN_ITERATIONS = 1_000
"""RFC 7518 §4.8.1.2."""

MAX_ITERATIONS = 1_200_000
"""RFC 8725bis §3.13: twice what OWASP recommends; more is an attack on our time."""


class Password(NamedTuple):
    """A password, and how much work it is worth.

    Attributes:
        octets: The password.
        iterations: What we write in `p2c`.
        max_iterations: The highest `p2c` that we read.
    """

    octets: bytes
    iterations: int
    max_iterations: int


def pbes2(hash_: hashes.HashAlgorithm, size: int) -> Mechanism:
    """RFC 7518 §4.8: PBKDF2 makes a wrapping key of a password; `alg` and a random value are its salt.

    Args:
        hash_: The hash of the HMAC.
        size: Octets of the wrapping key.
    """

    def derive(password: bytes, header: Mapping[str, Any], salt: bytes, iterations: int) -> bytes:
        return PBKDF2HMAC(hash_, size, header["alg"].encode() + b"\0" + salt, iterations).derive(password)

    def wrapper(password: Password) -> Wrap:
        def wrap(cek: bytes, header: Mapping[str, Any]) -> Wrapped:
            salt = secrets.token_bytes(16)
            kek = derive(password.octets, header, salt, password.iterations)
            travels = {"p2s": base64url.encode(salt), "p2c": password.iterations}
            return Wrapped(cek, keywrap.aes_key_wrap(kek, cek), travels)

        return wrap

    def unwrapper(password: Password) -> Unwrap:
        def unwrap(encrypted: bytes, header: Mapping[str, Any], _: int) -> bytes:
            salt, iterations = _optional_octets(header, "p2s"), header.get("p2c")
            if len(salt) < 8:  # noqa: PLR2004 - RFC 7518 §4.8.1.1
                raise MalformedError("p2s is absent or short")
            if not isinstance(iterations, int) or not MIN_ITERATIONS <= iterations <= password.max_iterations:
                raise MalformedError("p2c is absent or out of bounds")
            return keywrap.aes_key_unwrap(derive(password.octets, header, salt, iterations), encrypted)

        return unwrap

    def share(password: Password, header: Mapping[str, Any]) -> float:
        iterations = header.get("p2c")
        if not isinstance(iterations, int) or not MIN_ITERATIONS <= iterations <= password.max_iterations:
            return 0  # `unwrap` refuses it
        return iterations / password.max_iterations

    return Mechanism(wrapper, unwrapper, share=share)


def _octets(header: Mapping[str, Any], name: str, size: int) -> bytes:
    octets = _optional_octets(header, name)
    if len(octets) != size:
        raise MalformedError(f"the header's {name} has the wrong length")
    return octets


def _optional_octets(header: Mapping[str, Any], name: str) -> bytes:
    text = header.get(name, "")
    if not isinstance(text, str):
        raise MalformedError(f"the header's {name} is not a string")
    return base64url.decode(text)
