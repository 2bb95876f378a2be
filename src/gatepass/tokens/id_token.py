"""ID tokens (OpenID Connect Core 1.0 §2): what a client is told of a sign-in.

It is for the client alone and opens no API: its header's `typ` is JWT, an access token's `at+jwt`. An issuer accepts
its own back only as `id_token_hint`, which says whom a request is about and proves nothing more.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Annotated

import msgspec

from gatepass.jose import base64url, jwt
from gatepass.jose.claims import NumericDate  # noqa: TC001 - msgspec reads the annotations
from gatepass.jose.errors import InvalidPolicyError
from gatepass.tokens.protected import protected_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gatepass.jose import Key, KeySet

TYP = "JWT"
"""The header's `typ`."""

LIFETIME = 900
"""Seconds in which a client must have read it; what it says of the sign-in is true for as long as the client likes."""

_HASHES = {"256": hashlib.sha256, "384": hashlib.sha384, "512": hashlib.sha512}
_REQUIRED_OF_HINTS = ("iss", "sub", "aud", "exp", "iat", "auth_time", "jti")

Text = Annotated[str, msgspec.Meta(min_length=1)]


class IdToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims of an ID token as Gatepass issues it.

    Attributes:
        iss: The issuer's URL.
        sub: Who signed in, as this client knows them.
        aud: The client.
        exp: When it ends, in seconds since 1970.
        iat: When it was made, in seconds since 1970.
        auth_time: When the person last proved who they are, in seconds since 1970.
        jti: Its name: never given twice.
        nonce: What the client sent along, as it sent it.
        acr: How strongly the person proved who they are.
        amr: By which means (RFC 8176).
        azp: The client that asked, where that is another one than `aud`.
        sid: The sign-in (OpenID Connect Front-Channel Logout 1.0 §3).
        at_hash: The access token that came with it (§3.1.3.6).
    """

    iss: Text
    sub: Text
    aud: Text
    exp: NumericDate
    iat: NumericDate
    auth_time: NumericDate
    jti: Text
    nonce: str | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    azp: str | None = None
    sid: str | None = None
    at_hash: str | None = None


def signing_input(claims: IdToken, *, alg: str, kid: str, about_person: Mapping[str, object] = {}) -> bytes:
    """Put the token into the octets that its signature covers (RFC 7515 §5.1).

    Args:
        claims: What the token says of the sign-in.
        alg: The algorithm of the key that will sign.
        kid: The name of that key in the issuer's JWKS.
        about_person: Claims about the person (§5.1). None of them stands in for one of the token's own.

    Raises:
        InvalidPolicyError: `alg` is symmetric: then the client could sign for the issuer.
    """
    if alg.startswith("HS"):
        raise InvalidPolicyError("an ID token is signed by a key pair")
    own = msgspec.to_builtins(claims)
    every = {**{name: value for name, value in about_person.items() if name not in IdToken.__struct_fields__}, **own}
    return f"{protected_of(alg, TYP, kid)}.{base64url.encode(jwt.encode_claims(every))}".encode()


def at_hash(access_token: str, alg: str) -> str:
    """§3.1.3.6: the left half of the access token's hash, by the hash of the ID token's algorithm.

    Ed25519 is made with SHA-512 (RFC 8032 §5.1), and so is its `at_hash` at every implementation that knows it.
    """
    digest = _HASHES["512" if alg in ("Ed25519", "EdDSA") else alg[-3:]](access_token.encode("ascii")).digest()
    return base64url.encode(digest[: len(digest) // 2])


def check_hint(token: str, keys: Key | KeySet, *, issuer: str, client_id: str | None) -> IdToken:
    """Check an `id_token_hint` (§3.1.2.1): that it is ours, and was this client's. That it has expired, is no matter.

    Args:
        token: The compact serialization.
        keys: The issuer's keys, those that are retired too, and none that may belong to another issuer.
        issuer: What `iss` must be, exactly.
        client_id: What `aud` must be; None where the hint itself says which client it was given to.

    Raises:
        JoseError: It is refused; `code` says why.
    """
    return jwt.verify(
        token,
        keys,
        issuer=issuer,
        audience=client_id,
        typ=TYP,
        required=_REQUIRED_OF_HINTS,
        now=0,  # nothing has expired by then
        into=IdToken,
    )
