"""Users of Auth0: what its exports write, what its bulk import reads, and the file of hashes that its support sends.

The export extension lets people name the columns; these are read under the names of the API and of its own example.
"""

from __future__ import annotations

import base64
import binascii
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from gatepass.server.base.errors import Refusal
from gatepass.server.domain.credentials.passwords.spellings import read_hash, read_scrypt
from gatepass.server.features.admin.imports.files import decoded, elements_of, lines_of
from gatepass.server.features.admin.imports.foreign_user import ForeignIdentity, ForeignUser, read_rows, seconds_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gatepass.server.features.admin.imports.foreign_user import Row
    from gatepass.server.features.admin.imports.source import Source

_OWN = "auth0"
"""The provider of users with a password, and how their ids begin."""
_EXTENSION_NAMES = {
    "Id": "user_id",
    "Email": "email",
    "Email Verified": "email_verified",
    "Name": "name",
    "Nickname": "nickname",
    "Picture": "picture",
    "Created At": "created_at",
    "Blocked": "blocked",
}
_AS_PHC = ("argon2", "bcrypt", "pbkdf2")


class _Auth0Link(msgspec.Struct, frozen=True):
    provider: str
    user_id: str | int
    connection: str = ""
    profile_data: dict[str, Any] = msgspec.field(default_factory=dict[str, Any], name="profileData")


class _Encoded(msgspec.Struct, frozen=True):
    value: str
    encoding: str = "utf8"
    position: str = "prefix"


class _CustomHash(msgspec.Struct, frozen=True, rename={"block_size": "blockSize"}):
    algorithm: str
    hash: _Encoded
    salt: _Encoded | None = None
    cost: int = 16_384
    block_size: int = 8
    parallelization: int = 1


class _Oid(msgspec.Struct, frozen=True, rename={"oid": "$oid"}):
    oid: str


class _Auth0User(msgspec.Struct, frozen=True, rename={"oid": "_id", "secret": "passwordHash"}):
    email: str = ""
    user_id: str = ""
    email_verified: bool = False
    blocked: bool = False
    name: str | None = None
    nickname: str | None = None
    picture: str | None = None
    created_at: str | None = None
    user_metadata: dict[str, Any] | None = None
    app_metadata: dict[str, Any] | None = None
    identities: list[_Auth0Link] = []
    password_hash: str | None = None
    custom_password_hash: _CustomHash | None = None
    mfa_factors: list[Any] = []
    oid: _Oid | None = None
    secret: str | None = None


def read_auth0(source: Source) -> Iterator[Row]:
    """The users; in a file for bulk import, the ids are still without the prefix that Auth0 gives them."""
    if source.shape == "array":
        return read_rows(elements_of(source.path), partial(_read, prefix=f"{_OWN}|"))
    return read_rows(lines_of(source.path), partial(_read, prefix=""))


def _read(record: bytes, *, prefix: str) -> ForeignUser:
    fields = {_EXTENSION_NAMES.get(name, name): value for name, value in decoded(record).items()}
    user = msgspec.convert(fields, _Auth0User)
    name = user.name or user.nickname or ""
    return ForeignUser(
        id=_id(user, prefix),
        email=user.email,
        password=partial(_password, user),
        email_verified=user.email_verified,
        disabled=user.blocked,
        created_at=seconds_of(user.created_at),
        name="" if name == user.email else name,
        metadata=user.user_metadata or {},
        app_metadata=user.app_metadata or {},
        identities=tuple(map(_identity, (each for each in user.identities if each.provider != _OWN))),
        notes=("The second factors do not come along.",) if user.mfa_factors else (),
    )


def _id(user: _Auth0User, prefix: str) -> str | None:
    if user.oid is not None:
        return f"{_OWN}|{user.oid.oid}"
    return prefix + user.user_id if user.user_id else None


def _identity(link: _Auth0Link) -> ForeignIdentity:
    named = link.provider if link.provider not in ("oidc", "oauth2", "samlp") else link.connection
    return ForeignIdentity(provider=named, subject=str(link.user_id), email=str(link.profile_data.get("email") or ""))


def _password(user: _Auth0User) -> str | None:
    given = user.password_hash or user.secret
    if given is not None:
        return read_hash(given)
    custom = user.custom_password_hash
    if custom is None:
        return None
    if custom.algorithm in _AS_PHC:
        return read_hash(custom.hash.value)
    if custom.algorithm == "scrypt" and custom.salt is not None:
        return read_scrypt(
            n=custom.cost,
            block=custom.block_size,
            lanes=custom.parallelization,
            salt=_decoded(custom.salt),
            hashed=_decoded(custom.hash),
        )
    raise Refusal("unknown_password_hash", f"Hashes of the algorithm {custom.algorithm[:20]!r} cannot be imported.")


def _decoded(encoded: _Encoded) -> bytes:
    try:
        match encoded.encoding:
            case "hex":
                return bytes.fromhex(encoded.value)
            case "base64":
                return base64.b64decode(encoded.value + "=" * (-len(encoded.value) % 4), validate=True)
            case _:
                return encoded.value.encode()
    except (ValueError, binascii.Error) as error:
        raise Refusal("unknown_password_hash", "The hash or its salt is not encoded as it says.") from error
