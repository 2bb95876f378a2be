"""Content encryption (RFC 7518 §5): authenticated encryption of a plaintext under a key used once."""

from __future__ import annotations

import hmac
from collections.abc import Callable
from typing import NamedTuple, TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers import Cipher, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.ciphers.algorithms import AES

from .errors import DecryptionFailedError

Seal: TypeAlias = Callable[[bytes, bytes, bytes, bytes], tuple[bytes, bytes]]
"""(cek, iv, plaintext, aad) -> ciphertext and tag."""

Open: TypeAlias = "Callable[[bytes, bytes, bytes, bytes, bytes], bytes]"
"""(cek, iv, ciphertext, tag, aad) -> plaintext, or DecryptionFailedError."""


class Mode(NamedTuple):
    """A mode of operation, for one size of key."""

    seal: Seal
    open: Open
    iv_size: int
    tag_size: int


def aes_gcm() -> Mode:
    """RFC 7518 §5.3: a 96-bit IV and a 128-bit tag, both exactly."""

    def seal(cek: bytes, iv: bytes, plaintext: bytes, aad: bytes) -> tuple[bytes, bytes]:
        sealed = AESGCM(cek).encrypt(iv, plaintext, aad)
        return sealed[:-16], sealed[-16:]

    def open_(cek: bytes, iv: bytes, ciphertext: bytes, tag: bytes, aad: bytes) -> bytes:
        try:
            return AESGCM(cek).decrypt(iv, ciphertext + tag, aad)
        except InvalidTag:
            raise DecryptionFailedError from None

    return Mode(seal, open_, iv_size=12, tag_size=16)


def aes_cbc_hmac(hash_name: str, size: int) -> Mode:
    """RFC 7518 §5.2: AES-CBC, then HMAC; each has half of the key, the MAC the first, and the tag is half of the MAC.

    Args:
        hash_name: The hash of the HMAC.
        size: Octets of the AES key, of the MAC key and of the tag.
    """

    def mac(cek: bytes, iv: bytes, ciphertext: bytes, aad: bytes) -> bytes:
        length = (len(aad) * 8).to_bytes(8, "big")
        return hmac.digest(cek[:size], aad + iv + ciphertext + length, hash_name)[:size]

    def seal(cek: bytes, iv: bytes, plaintext: bytes, aad: bytes) -> tuple[bytes, bytes]:
        padding = 16 - len(plaintext) % 16
        encryptor = Cipher(AES(cek[size:]), modes.CBC(iv)).encryptor()
        ciphertext = encryptor.update(plaintext + bytes([padding]) * padding) + encryptor.finalize()
        return ciphertext, mac(cek, iv, ciphertext, aad)

    def open_(cek: bytes, iv: bytes, ciphertext: bytes, tag: bytes, aad: bytes) -> bytes:
        # The tag is checked before anything is decrypted, so that padding tells an attacker nothing.
        if not hmac.compare_digest(mac(cek, iv, ciphertext, aad), tag) or not ciphertext or len(ciphertext) % 16:
            raise DecryptionFailedError
        decryptor = Cipher(AES(cek[size:]), modes.CBC(iv)).decryptor()
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        padding = padded[-1]
        if not 1 <= padding <= 16 or padded[-padding:] != bytes([padding]) * padding:  # noqa: PLR2004 - AES's block
            raise DecryptionFailedError
        return padded[:-padding]

    return Mode(seal, open_, iv_size=16, tag_size=size)
