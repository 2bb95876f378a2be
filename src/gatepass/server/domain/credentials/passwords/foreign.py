"""Password hashes of other systems: read at import, checked at the first sign-in, and then replaced by ours.

Each algorithm is one struct, stored as a line of its fields like a PHC string. Costs are bounded, so that an imported
file cannot stop the server with a single sign-in.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Annotated, ClassVar, Literal, TypeAlias

import msgspec
from msgspec import Meta

from gatepass.jose import base64url
from gatepass.server.domain.credentials.passwords import system_crypt

PREFIX = "$foreign$"
"""The prefix of stored hashes that are not in our own format."""

_OUR_COST = "$m=19456,t=2,p=1"
"""Argon2's default type here. If another is configured, all hashes belong to a named kind, which is harmless."""
_BCRYPT_BYTES = 72
"""The bytes of a password that bcrypt uses; it ignores the rest."""
SCRYPT_MEMORY = 256 << 20
"""Memory limit of one check, in bytes."""
PBKDF2_WORK = 5_000_000
"""Limit of iterations in one check: each block of a long hash costs as much as the first (RFC 8018 §5.2)."""

_ITOA64 = "./0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

Iterations = Annotated[int, Meta(ge=1, le=PBKDF2_WORK)]
Log2 = Annotated[int, Meta(ge=1, le=20)]
Small = Annotated[int, Meta(ge=1, le=32)]
Digest = Literal["sha1", "sha256", "sha384", "sha512"]


class Pbkdf2(msgspec.Struct, frozen=True, kw_only=True, tag="pbkdf2"):
    """RFC 8018 §5.2: Django, Werkzeug, Keycloak, passlib."""

    digest: Digest
    iterations: Iterations
    salt: bytes
    hash: bytes

    @property
    def kind(self) -> str:
        """What it costs, in a word."""
        return f"pbkdf2 {self.digest} {self.iterations} {len(self.hash)}"

    def matches(self, password: bytes) -> bool:
        """Whether the password is the one."""
        made = hashlib.pbkdf2_hmac(self.digest, password, self.salt, self.iterations, len(self.hash))
        return hmac.compare_digest(made, self.hash)


class Scrypt(msgspec.Struct, frozen=True, kw_only=True, tag="scrypt"):
    """RFC 7914: Django, Werkzeug, passlib. `log_n` is the logarithm of the cost, base 2."""

    log_n: Log2
    block: Small
    lanes: Small
    salt: bytes
    hash: bytes

    @property
    def kind(self) -> str:
        """What it costs, in a word."""
        return f"scrypt {self.log_n} {self.block} {self.lanes}"

    def matches(self, password: bytes) -> bool:
        """Whether the password is the one."""
        return hmac.compare_digest(_scrypt(password, self, len(self.hash)), self.hash)


class FirebaseScrypt(msgspec.Struct, frozen=True, kw_only=True, tag="firebase-scrypt"):
    """Firebase's variant: scrypt derives the key that encrypts the project's `signer_key`; the result is the hash."""

    log_n: Log2
    block: Small
    salt: bytes
    separator: bytes
    signer_key: bytes
    hash: bytes

    lanes: ClassVar[int] = 1
    key_bytes: ClassVar[int] = 32

    @property
    def kind(self) -> str:
        """What it costs, in a word."""
        return f"firebase {self.log_n} {self.block}"

    def matches(self, password: bytes) -> bool:
        """Whether the password is the one."""
        from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes  # noqa: PLC0415 - seldom needed

        salted = msgspec.structs.replace(self, salt=self.salt + self.separator)
        key = _scrypt(password, salted, self.key_bytes)
        made = Cipher(algorithms.AES(key), modes.CTR(bytes(16))).encryptor().update(self.signer_key)
        return hmac.compare_digest(made, self.hash)


class Bcrypt(msgspec.Struct, frozen=True, kw_only=True, tag="bcrypt"):
    """`$2a$`, `$2b$` and `$2y$`, of the password or, where Django did so, of its SHA-256 in hexadecimal."""

    hash: Annotated[str, Meta(pattern=r"^\$2[aby]\$(0[4-9]|1[0-6])\$[./A-Za-z0-9]{21}[.Oeu][./A-Za-z0-9]{31}$")]
    prehashed: bool = False

    @property
    def kind(self) -> str:
        """What it costs, in a word."""
        return f"bcrypt {self.hash[4:6]}"

    def matches(self, password: bytes) -> bool:
        """Whether the password is the one."""
        import bcrypt  # noqa: PLC0415 - seldom needed

        told = hashlib.sha256(password).hexdigest().encode() if self.prehashed else password
        return bcrypt.checkpw(told[:_BCRYPT_BYTES], self.hash.encode())


class Crypt(msgspec.Struct, frozen=True, kw_only=True, tag="crypt"):
    """SHA-crypt and yescrypt as in /etc/shadow, by the system's own crypt(3)."""

    hash: str

    @property
    def kind(self) -> str:
        """What it costs, in a word."""
        return f"crypt {self.hash.rpartition('$')[0].rpartition('$')[0]}"

    def matches(self, password: bytes) -> bool:
        """Whether the password is the one."""
        return hmac.compare_digest(system_crypt.made(password, self.hash), self.hash.encode())


class Phpass(msgspec.Struct, frozen=True, kw_only=True, tag="phpass"):
    """The portable hashes of phpass, `$P$` and `$H$`: WordPress before 6.8, phpBB."""

    hash: Annotated[str, Meta(pattern=r"^\$[PH]\$[5-9A-I][./0-9A-Za-z]{30}$")]

    @property
    def kind(self) -> str:
        """What it costs, in a word."""
        return f"phpass {self.hash[3]}"

    def matches(self, password: bytes) -> bool:
        """Whether the password is the one: MD5, two to the power of the fourth letter times."""
        salt = self.hash[4:12].encode()
        made = hashlib.md5(salt + password, usedforsecurity=False).digest()
        for _ in range(1 << _ITOA64.index(self.hash[3])):
            made = hashlib.md5(made + password, usedforsecurity=False).digest()
        return hmac.compare_digest(_as_itoa64(made), self.hash[12:])


ForeignHash: TypeAlias = Pbkdf2 | Scrypt | FirebaseScrypt | Bcrypt | Crypt | Phpass


# ── the stored format ──


def kind_of(password_hash: str) -> str:
    """The kind of a hash; hashes of one kind take equally long to check. Empty for our own kind."""
    if not is_foreign(password_hash):
        cost = password_hash.rpartition("$")[0].rpartition("$")[0]
        return "" if cost.endswith(_OUR_COST) else cost
    return _read(password_hash).kind


def keep(foreign: ForeignHash) -> str:
    """Format a hash for the store."""
    return PREFIX + base64url.encode(msgspec.msgpack.encode(foreign))


def is_foreign(kept: str) -> bool:
    """Whether a stored hash is of another system."""
    return kept.startswith(PREFIX)


def matches(password: str, kept: str) -> bool:
    """Whether the password matches a hash formatted by `keep`."""
    return _read(kept).matches(password.encode())


def _read(kept: str) -> ForeignHash:
    encoded = base64url.decode(kept.removeprefix(PREFIX).rstrip("="))
    foreign: ForeignHash = msgspec.msgpack.decode(encoded, type=ForeignHash)
    return foreign


def scrypt_bytes(cost: Scrypt | FirebaseScrypt) -> int:
    """The memory that scrypt needs (RFC 7914 §2, §6), with room for OpenSSL's overhead."""
    return 128 * cost.block * ((1 << cost.log_n) + cost.lanes + 2)


def _scrypt(password: bytes, cost: Scrypt | FirebaseScrypt, length: int) -> bytes:
    return hashlib.scrypt(
        password,
        salt=cost.salt,
        n=1 << cost.log_n,
        r=cost.block,
        p=cost.lanes,
        maxmem=scrypt_bytes(cost) + (1 << 20),
        dklen=length,
    )


def _as_itoa64(raw: bytes) -> str:
    """Encode as phpass does: six bits per character, the lowest first, from three bytes at a time."""
    characters: list[str] = []
    for start in range(0, len(raw), 3):
        three = raw[start : start + 3]
        value = int.from_bytes(three, "little")
        characters += [_ITOA64[value >> 6 * place & 63] for place in range(len(three) + 1)]
    return "".join(characters)
