"""Parsing the password hash formats of other systems, for importing users."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import struct
from functools import partial
from typing import TYPE_CHECKING

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.passwords import system_crypt
from gatepass.server.domain.credentials.passwords.foreign import (
    PBKDF2_WORK,
    SCRYPT_MEMORY,
    Bcrypt,
    Crypt,
    FirebaseScrypt,
    Log2,  # noqa: TC001 - msgspec reads the annotations of a struct
    Pbkdf2,
    Phpass,
    Scrypt,
    Small,  # noqa: TC001 - as above
    keep,
    scrypt_bytes,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from gatepass.server.domain.credentials.passwords.foreign import ForeignHash


_ARGON2_VERSIONS = {"1.0": "16", "1.3": "19"}
_SCRYPT_WORK = 1 << 30
"""Bytes that all lanes of one check may process, about two seconds: OpenSSL runs them one after the other."""
_NO_PASSWORD = re.compile(r"[!*].*", re.DOTALL)
_MOST_ROUNDS = 500_000
_LEAST_BYTES = 8


class FirebaseProject(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Firebase project's hash parameters, with the names and base64 of its console."""

    signer_key: str
    salt_separator: str
    rounds: Small
    mem_cost: Log2


def read_hash(text: str) -> str | None:
    """Convert a hash of Django, Werkzeug, passlib, PHC, crypt(3) and some others to our stored format.

    None for a marker of an unusable password: Django's `!…`, or `*` as in /etc/shadow.

    Raises:
        Refusal: `unknown_password_hash`, also for one whose cost is out of bounds.
    """
    if _NO_PASSWORD.fullmatch(text):
        return None
    if argon2 := _ARGON2.fullmatch(text):
        return _within_bounds(argon2)
    for pattern, build in _SPELLINGS:
        if found := pattern.fullmatch(text):
            return _kept(partial(build, found))
    raise _unknown()


def read_keycloak(*, secret_data: str, credential_data: str) -> str:
    """Convert a `password` credential of a Keycloak export; both arguments are the JSON texts in it.

    Raises:
        Refusal: `unknown_password_hash`.
    """
    try:
        secret = msgspec.json.decode(secret_data, type=_KeycloakSecret)
        credential = msgspec.json.decode(credential_data, type=_KeycloakCredential)
    except (ValueError, msgspec.MsgspecError) as error:
        raise _unknown() from error
    if secret.value.startswith("$") and (hashed := read_hash(secret.value)):
        return hashed  # how the providers of others for bcrypt and argon2 keep it
    if credential.algorithm == "argon2":
        return _keycloak_argon2(secret, credential)

    def build() -> ForeignHash:
        digest = credential.algorithm.removeprefix("pbkdf2").removeprefix("-") or "sha1"
        if not credential.algorithm.startswith("pbkdf2"):
            raise _unknown()
        fields = {"digest": digest, "iterations": credential.hash_iterations}
        return msgspec.convert(
            fields | {"type": "pbkdf2", "salt": _base64(secret.salt), "hash": _base64(secret.value)}, Pbkdf2
        )

    return _kept(build)


def read_scrypt(*, n: int, block: int, lanes: int, salt: bytes, hashed: bytes) -> str:
    """Convert the parts of a scrypt hash.

    Raises:
        Refusal: `unknown_password_hash`.
    """
    fields = {"type": "scrypt", "block": block, "lanes": lanes, "salt": salt, "hash": hashed}
    return _kept(lambda: msgspec.convert(fields | {"log_n": _log2(str(n))}, Scrypt))


def read_firebase(*, password_hash: str, salt: str, project: FirebaseProject) -> str:
    """Convert the password hash of a user in `firebase auth:export`.

    Raises:
        Refusal: `unknown_password_hash`.
    """
    return _kept(
        lambda: FirebaseScrypt(
            log_n=project.mem_cost,
            block=project.rounds,
            salt=_base64(salt),
            separator=_base64(project.salt_separator),
            signer_key=_base64(project.signer_key),
            hash=_base64(password_hash),
        )
    )


class _KeycloakSecret(msgspec.Struct, frozen=True):
    value: str
    salt: str = ""


class _KeycloakCredential(msgspec.Struct, frozen=True, rename="camel"):
    algorithm: str
    hash_iterations: int = 0
    additional_parameters: dict[str, list[str]] = {}


def _keycloak_argon2(secret: _KeycloakSecret, credential: _KeycloakCredential) -> str:
    """Keycloak's default since version 25, written as PHC does."""
    given = {name: values[0] for name, values in credential.additional_parameters.items() if values}
    kind, memory, lanes = given.get("type", "id"), given.get("memory", ""), given.get("parallelism", "")
    version = _ARGON2_VERSIONS.get(given.get("version", "1.3"), "")
    salt, hashed = secret.salt.rstrip("="), secret.value.rstrip("=")
    text = f"$argon2{kind}$v={version}$m={memory},t={credential.hash_iterations},p={lanes}${salt}${hashed}"
    found = _ARGON2.fullmatch(text)
    if found is None:
        raise _unknown()
    return _within_bounds(found)


_ARGON2 = re.compile(
    r"(?:argon2)?(\$argon2(?:id|i|d)\$(?:v=(?:16|19)\$)?m=([1-9]\d{0,5}),t=([1-9]\d?),p=([1-9]\d?)"
    r"\$[A-Za-z0-9+/]{11,86}\$[A-Za-z0-9+/]{11,86})",
    re.ASCII,
)
"""Salt and hash of 8 to 64 bytes each, without padding: no shorter salt is legal (RFC 9106 §3.1), nor hash safe."""
_MOST_ARGON2 = (262_144, 16, 16)
"""KiB, passes and lanes."""


def _within_bounds(found: re.Match[str]) -> str:
    memory, _, lanes = costs = tuple(map(int, found.groups()[1:]))
    if memory < 8 * lanes or any(cost > most for cost, most in zip(costs, _MOST_ARGON2, strict=True)):  # RFC 9106 §3.1
        raise _unknown()
    return found[1]


def _django_pbkdf2(found: re.Match[str]) -> ForeignHash:
    return _pbkdf2(found, salt=found["salt"].encode(), hashed=_base64(found["hash"]))


def _werkzeug_pbkdf2(found: re.Match[str]) -> ForeignHash:
    return _pbkdf2(found, salt=found["salt"].encode(), hashed=bytes.fromhex(found["hash"]))


def _passlib_pbkdf2(found: re.Match[str]) -> ForeignHash:
    return _pbkdf2(found, salt=_base64(found["salt"]), hashed=_base64(found["hash"]))


def _phc_pbkdf2(found: re.Match[str]) -> ForeignHash:
    """As Auth0 spells it, with the length of the hash."""
    made = _passlib_pbkdf2(found)
    if not isinstance(made, Pbkdf2) or len(made.hash) != int(found["length"]):
        raise _unknown()
    return made


def _pbkdf2(found: re.Match[str], *, salt: bytes, hashed: bytes) -> ForeignHash:
    fields = {"digest": found["digest"] or "sha1", "iterations": int(found["cost"])}
    return msgspec.convert(fields | {"type": "pbkdf2", "salt": salt, "hash": hashed}, Pbkdf2)


def _django_scrypt(found: re.Match[str]) -> ForeignHash:
    return _scrypt_of(found, log_n=_log2(found["n"]), salt=found["salt"].encode(), hashed=_base64(found["hash"]))


def _werkzeug_scrypt(found: re.Match[str]) -> ForeignHash:
    return _scrypt_of(found, log_n=_log2(found["n"]), salt=found["salt"].encode(), hashed=bytes.fromhex(found["hash"]))


def _phc_scrypt(found: re.Match[str]) -> ForeignHash:
    return _scrypt_of(found, log_n=int(found["n"]), salt=_base64(found["salt"]), hashed=_base64(found["hash"]))


def _scrypt_of(found: re.Match[str], *, log_n: int, salt: bytes, hashed: bytes) -> ForeignHash:
    fields = {"log_n": log_n, "block": int(found["r"]), "lanes": int(found["p"])}
    return msgspec.convert(fields | {"type": "scrypt", "salt": salt, "hash": hashed}, Scrypt)


def _bcrypt(found: re.Match[str]) -> ForeignHash:
    return msgspec.convert({"type": "bcrypt", "hash": found["hash"], "prehashed": bool(found["sha256"])}, Bcrypt)


_ASP_NET_DIGESTS = ("sha1", "sha256", "sha512")


def _asp_net(found: re.Match[str]) -> ForeignHash:
    """ASP.NET Core Identity: version 3 has its parameters as 32-bit numbers, version 2 has fixed ones."""
    raw = _base64(found[0])
    if raw[0] == 0:
        fields: dict[str, object] = {"digest": "sha1", "iterations": 1_000, "salt": raw[1:17], "hash": raw[17:]}
    else:
        digest, iterations, length = struct.unpack(">III", raw[1:13])
        salt, hashed = raw[13 : 13 + length], raw[13 + length :]
        fields = {"digest": _ASP_NET_DIGESTS[digest], "iterations": iterations, "salt": salt, "hash": hashed}
        if len(salt) < _LEAST_BYTES or len(hashed) < _LEAST_BYTES:
            raise _unknown()
    return msgspec.convert(fields | {"type": "pbkdf2"}, Pbkdf2)


def _better_auth(found: re.Match[str]) -> ForeignHash:
    """better-auth: the salt is the text of a hexadecimal number."""
    return Scrypt(log_n=14, block=16, lanes=1, salt=found["salt"].encode(), hash=bytes.fromhex(found["hash"]))


def _crypt(found: re.Match[str]) -> ForeignHash:
    if int(found["rounds"] or 0) > _MOST_ROUNDS or not system_crypt.knows(found[0]):
        raise _unknown()
    return Crypt(hash=found[0])


def _phpass(found: re.Match[str]) -> ForeignHash:
    return msgspec.convert({"type": "phpass", "hash": found[0]}, Phpass)


_SPELLINGS: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], ForeignHash]], ...] = (
    (re.compile(r"pbkdf2_(?P<digest>sha\d+)\$(?P<cost>\d+)\$(?P<salt>[^$]+)\$(?P<hash>[^$]+)"), _django_pbkdf2),
    (re.compile(r"scrypt\$(?P<n>\d+)\$(?P<salt>[^$]+)\$(?P<r>\d+)\$(?P<p>\d+)\$(?P<hash>[^$]+)"), _django_scrypt),
    (re.compile(r"bcrypt(?P<sha256>_sha256)?\$(?P<hash>\$2[aby]\$.+)"), _bcrypt),
    (re.compile(r"(?P<sha256>)(?P<hash>\$2[aby]\$.+)"), _bcrypt),
    (re.compile(r"pbkdf2:(?P<digest>sha\d+):(?P<cost>\d+)\$(?P<salt>[^$]+)\$(?P<hash>[0-9a-f]+)"), _werkzeug_pbkdf2),
    (re.compile(r"scrypt:(?P<n>\d+):(?P<r>\d+):(?P<p>\d+)\$(?P<salt>[^$]+)\$(?P<hash>[0-9a-f]+)"), _werkzeug_scrypt),
    (re.compile(r"\$pbkdf2(?:-(?P<digest>sha\d+))?\$(?P<cost>\d+)\$(?P<salt>[^$]+)\$(?P<hash>[^$]+)"), _passlib_pbkdf2),
    (
        re.compile(
            r"\$pbkdf2-(?P<digest>sha\d+)\$i=(?P<cost>\d+),l=(?P<length>\d+)\$(?P<salt>[^$]+)\$(?P<hash>[^$]+)",
            re.ASCII,
        ),
        _phc_pbkdf2,
    ),
    (re.compile(r"\$scrypt\$ln=(?P<n>\d+),r=(?P<r>\d+),p=(?P<p>\d+)\$(?P<salt>[^$]+)\$(?P<hash>[^$]+)"), _phc_scrypt),
    (re.compile(r"\$[56]\$(?:rounds=(?P<rounds>\d{1,9})\$)?[^$:\s]{0,16}\$[./0-9A-Za-z]{43,86}", re.ASCII), _crypt),
    (re.compile(r"(?P<rounds>)\$y\$j[./0-9A-D][./0-9A-T]\$[./0-9A-Za-z]{1,86}\$[./0-9A-Za-z]{43}"), _crypt),
    (re.compile(r"\$[PH]\$.{31}"), _phpass),
    (re.compile(r"(AQAAAA[A-Za-z0-9+/]{40,340}|AA[A-Za-z0-9+/]{64})={0,2}"), _asp_net),
    (re.compile(r"(?P<salt>[0-9a-f]{32}):(?P<hash>[0-9a-f]{128})"), _better_auth),
)


def _kept(build: Callable[[], ForeignHash]) -> str:
    try:
        made = build()
    except (ValueError, IndexError, binascii.Error, struct.error, msgspec.MsgspecError) as error:
        raise _unknown() from error
    if isinstance(made, Scrypt | FirebaseScrypt) and not _is_bearable_scrypt(made):
        raise _unknown()
    if isinstance(made, Pbkdf2) and not _is_bearable_pbkdf2(made):
        raise _unknown()
    return keep(made)


def _is_bearable_pbkdf2(made: Pbkdf2) -> bool:
    blocks = -(-len(made.hash) // hashlib.new(made.digest, usedforsecurity=False).digest_size)
    return blocks * made.iterations <= PBKDF2_WORK


def _is_bearable_scrypt(made: Scrypt | FirebaseScrypt) -> bool:
    """Whether the hash can be checked (RFC 7914 §2: N is less than 2^(128 * r / 8)), within memory and time."""
    work = (128 * made.block << made.log_n) * made.lanes
    return made.log_n < 16 * made.block and scrypt_bytes(made) <= SCRYPT_MEMORY and work <= _SCRYPT_WORK


def _log2(n: str) -> int:
    value = int(n)
    if value < 2 or value & (value - 1):  # noqa: PLR2004 - RFC 7914 §2: N is a power of 2 above 1
        raise _unknown()
    return value.bit_length() - 1


def _base64(text: str) -> bytes:
    """Decode base64 in any variant: with or without padding, URL-safe, and passlib's with `.` for `+`."""
    plain = text.rstrip("=").replace("-", "+").replace("_", "/").replace(".", "+")
    return base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)


def _unknown() -> Refusal:
    return Refusal(
        "unknown_password_hash",
        "This password hash cannot be imported: its format is unknown, or its cost is out of bounds.",
    )
