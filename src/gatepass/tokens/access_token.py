"""Access tokens (RFC 9068): what one says, how it is put into bytes for signing, and how it is checked."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, NamedTuple, TypeVar

import msgspec

from gatepass.jose import base64url, jws, jwt
from gatepass.jose.errors import BadClaimError, InvalidPolicyError, IssuedInFutureError, JoseError, WrongTypError
from gatepass.jose.jwt import NumericDate  # noqa: TC001 - msgspec reads the annotations

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from gatepass.jose import Key, KeySet

TYP = "at+jwt"
"""The header's `typ` (RFC 9068 §2.1)."""

MAX_LIFETIME = 3600
"""Seconds that an access token may live: the snapshot of revoked tokens reaches back no further."""

MAX_CLOCK_LEAD = 60
"""Seconds that the issuer's clock may be ahead of ours before its `iat` is refused."""

REQUIRED = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")
"""RFC 9068 §2.2. They are required when checking too: a token without `jti` could never be revoked."""

REQUIRED_OF_OTHERS = ("iss", "exp", "sub")

_NOT_ACCESS_TOKENS = ("events", "at_hash", "c_hash")

Text = Annotated[str, msgspec.Meta(min_length=1)]
Claims = TypeVar("Claims", bound=msgspec.Struct)


class UnprovenCnfError(JoseError):
    """`cnf` binds the token to a key or certificate, and nothing proved that its sender has it (RFC 7800 §3.1)."""

    code: ClassVar[str] = "unproven_cnf"


class AccessToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims of an access token as Gatepass issues it (RFC 9068 §2.2).

    Attributes:
        iss: The issuer's URL.
        sub: Who signed in: a user's id, or the client's own where no person is involved.
        aud: The APIs that it is for, one or several.
        exp: When it ends, in seconds since 1970.
        iat: When it was made, in seconds since 1970.
        jti: Its name: never given twice.
        client_id: The application that it was given to.
        sid: The sign-in that it belongs to.
        scope: What it allows, separated by spaces (RFC 8693 §4.2).
        roles: What its subject is (RFC 9068 §2.2.3.1).
        auth_time: When the subject last proved who they are, in seconds since 1970.
        acr: How strongly they proved it (RFC 9470 §6.1).
        amr: By which means (RFC 8176).
        cnf: The key that its sender must prove to have (RFC 7800).
        status: Where its revocation can be read (Token Status List).
    """

    iss: Text
    sub: Text
    aud: Text | tuple[Text, ...]
    exp: NumericDate
    iat: NumericDate
    jti: Text
    client_id: Text
    sid: str | None = None
    scope: str | None = None
    roles: tuple[str, ...] = ()
    auth_time: NumericDate | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    cnf: dict[str, Any] | None = None
    status: dict[str, Any] | None = None


class OtherAccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """The claims that we read of an access token whose issuer does not follow RFC 9068.

    `azp` and `scp` are what several of them write for `client_id` and `scope`.
    """

    iss: Text
    sub: Text
    exp: NumericDate
    aud: Text | tuple[Text, ...] | None = None
    iat: NumericDate | None = None
    jti: str | None = None
    client_id: str | None = None
    azp: str | None = None
    sid: str | None = None
    scope: str | tuple[str, ...] | None = None
    scp: str | tuple[str, ...] | None = None
    roles: tuple[str, ...] = ()
    auth_time: NumericDate | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()


class Checked(NamedTuple, Generic[Claims]):
    """A token that passed every check.

    Attributes:
        claims: The claims that the kind of token defines.
        every: The whole claims set as it was decoded, unknown claims included.
    """

    claims: Claims
    every: dict[str, Any]


def signing_input(claims: AccessToken, *, alg: str, kid: str) -> bytes:
    """Put the token into the octets that its signature covers (RFC 7515 §5.1).

    Args:
        claims: What the token says.
        alg: The algorithm of the key that will sign.
        kid: The name of that key in the issuer's JWKS.

    Raises:
        InvalidPolicyError: It would live longer than `MAX_LIFETIME`, or end before it begins.
    """
    if not 0 < claims.exp - claims.iat <= MAX_LIFETIME:
        raise InvalidPolicyError(f"an access token lives between 1 and {MAX_LIFETIME} seconds")
    return f"{_protected(alg, kid)}.{base64url.encode(msgspec.json.encode(claims))}".encode()


@lru_cache(maxsize=16)
def _protected(alg: str, kid: str) -> str:
    return jws.protected({"alg": alg, "typ": TYP, "kid": kid})


def check(  # noqa: PLR0913 - the call reads as its policy
    token: str,
    keys: Key | KeySet,
    *,
    issuer: str,
    audience: str | Collection[str],
    now: float,
    leeway: float = 0,
    thumbprint: str | None = None,
) -> Checked[AccessToken]:
    """Check an access token by every rule of RFC 9068 §4.

    Args:
        token: The compact serialisation.
        keys: The issuer's keys.
        issuer: What `iss` must be, exactly.
        audience: What `aud` must name: this, or one of these.
        now: The time, in seconds since 1970.
        leeway: Seconds that `exp` and `nbf` may be off.
        thumbprint: The key that its sender proved to have: `cnf` must bind the token to this one, and if nothing was
            proven the token must not be bound.

    Raises:
        JoseError: It is refused; `code` says why: those of `jwt.verify`, `unproven_cnf` or `issued_in_future`.
    """
    every = jwt.verify(
        token, keys, issuer=issuer, audience=audience, typ=TYP, required=REQUIRED, leeway=leeway, now=now
    )
    refuse_unproven(every, thumbprint)
    claims = _read(every, AccessToken)
    _refuse_future(claims.iat, now)
    return Checked(claims, every)


def check_other(  # noqa: PLR0913 - the call reads as its policy
    token: str,
    keys: Key | KeySet,
    *,
    issuer: str,
    audience: str | Collection[str],
    typ: str | None,
    now: float,
    leeway: float = 0,
    thumbprint: str | None = None,
) -> Checked[OtherAccessToken]:
    """Check an access token of an issuer that writes another `typ`, or none, and fewer claims than RFC 9068 asks for.

    `aud` alone keeps such an issuer's other tokens apart from its access tokens, so it is required here too; what is
    visibly an ID token, a logout token or a security event is refused (RFC 8725bis §3.12).

    Args:
        token: The compact serialisation.
        keys: The issuer's keys.
        issuer: What `iss` must be, exactly.
        audience: What `aud` must name: this, or one of these.
        typ: What the header's `typ` must be; None for any.
        now: The time, in seconds since 1970.
        leeway: Seconds that `exp` and `nbf` may be off.
        thumbprint: The key that its sender proved to have, as for `check`.

    Raises:
        JoseError: It is refused; `code` says why, as for `check`.
    """
    every = jwt.verify(
        token,
        keys,
        issuer=issuer,
        audience=audience,
        typ=typ,
        required=REQUIRED_OF_OTHERS,
        leeway=leeway,
        now=now,
    )
    if any(name in every for name in _NOT_ACCESS_TOKENS):
        raise WrongTypError("the claims are those of an ID token or a security event")
    refuse_unproven(every, thumbprint)
    claims = _read(every, OtherAccessToken)
    if claims.iat is not None:
        _refuse_future(claims.iat, now)
    return Checked(claims, every)


def refuse_unproven(every: Mapping[str, Any], thumbprint: str | None) -> None:
    """Refuse a token that is bound to anything but what its sender proved, and a proof that binds nothing.

    Args:
        every: The token's claims.
        thumbprint: The key that the sender proved to have, or None.

    Raises:
        UnprovenCnfError: They do not belong together. A `cnf` with more members than `jkt` asks for more than a key.
    """
    if "cnf" not in every:
        if thumbprint is not None:
            raise UnprovenCnfError("the token is not bound to the key that was proven")
    elif thumbprint is None or every["cnf"] != {"jkt": thumbprint}:
        raise UnprovenCnfError("the token is bound to a key that was not proven")


def _refuse_future(iat: float, now: float) -> None:
    if iat > now + MAX_CLOCK_LEAD:
        raise IssuedInFutureError("iat is further ahead than clocks may differ", claim="iat")


def _read(every: dict[str, Any], into: type[Claims]) -> Claims:
    try:
        return msgspec.convert(every, into)
    except msgspec.ValidationError as error:
        # msgspec ends its message with the place, as "- at `$.auth_time`" or "- at `$.amr[0]`".
        claim = str(error).rpartition("`$.")[2].partition("`")[0].partition("[")[0]
        raise BadClaimError(f"{claim} has a type that its definition does not allow", claim=claim) from None
