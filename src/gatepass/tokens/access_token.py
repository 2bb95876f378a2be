"""Access tokens (RFC 9068): their claims, their encoding for signing, and their checks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, NamedTuple, TypeVar, cast

import msgspec

from gatepass.jose import base64url, jwt
from gatepass.jose.claims import NumericDate  # noqa: TC001 - msgspec reads the annotations
from gatepass.jose.errors import (
    BadClaimError,
    InvalidPolicyError,
    IssuedInFutureError,
    JoseError,
    MissingClaimError,
    WrongAudienceError,
    WrongTypError,
)
from gatepass.tokens.protected import protected_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from gatepass.jose import Key, KeySet

TYP = "at+jwt"
"""The header's `typ` (RFC 9068 §2.1)."""

MAX_LIFETIME = 3600
"""The longest lifetime of an access token in seconds; the snapshot of revoked tokens covers no more."""

MAX_CLOCK_LEAD = 60
"""How many seconds `iat` may be ahead of our clock."""

REQUIRED = ("iss", "exp", "aud", "sub", "client_id", "iat", "jti")
"""RFC 9068 §2.2. They are required when checking too: a token without `jti` could never be revoked."""

REQUIRED_OF_OTHERS = ("iss", "exp", "sub")

_NOT_ACCESS_TOKENS = ("events", "at_hash", "c_hash")

_KINDS_OF_OTHERS = {"token_use": ("id",), "typ": ("ID", "Refresh", "Offline", "Logout")}
"""The claims by which Cognito and Keycloak mark other types of token."""

Text = Annotated[str, msgspec.Meta(min_length=1)]
Claims = TypeVar("Claims", bound=msgspec.Struct)


class UnprovenCnfError(JoseError):
    """`cnf` binds the token to a key or certificate, and nothing proved that its sender has it (RFC 7800 §3.1)."""

    code: ClassVar[str] = "unproven_cnf"


class AccessToken(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The claims of an access token as Gatepass issues it (RFC 9068 §2.2).

    No standard defines the claims of organizations, so those of other issuers can be of any type.

    Attributes:
        iss: The issuer's URL.
        sub: Who signed in: a user's id, or the client's own where no user is involved.
        aud: The APIs that it is for, one or several.
        exp: When it ends, in seconds since 1970.
        iat: When it was made, in seconds since 1970.
        jti: Its name: never given twice.
        client_id: The application that it was given to.
        sid: The sign-in that it belongs to.
        scope: What it allows, separated by spaces (RFC 8693 §4.2).
        roles: What its subject is (RFC 9068 §2.2.3.1).
        org_id: The organization that it is for.
        org_slug: What that one is called in URLs.
        org_roles: What its subject is in that organization, and nowhere else.
        auth_time: When the subject last proved who they are, in seconds since 1970.
        acr: How strongly they proved it (RFC 9470 §6.1).
        amr: By which means (RFC 8176).
        cnf: The key that its sender must prove to have (RFC 7800).
        act: Who acts for the subject, around those who acted before (RFC 8693 §4.1).
        status: Where its revocation can be read (Token Status List).
        act_status: Where that of those is who act: clients that exchanged another token for it, or an operator.
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
    org_id: Any = None
    org_slug: Any = None
    org_roles: Any = None
    auth_time: NumericDate | None = None
    acr: str | None = None
    amr: tuple[str, ...] = ()
    cnf: dict[str, Any] | None = None
    act: dict[str, Any] | None = None
    status: dict[str, Any] | None = None
    act_status: tuple[dict[str, Any], ...] = ()


class OtherAccessToken(msgspec.Struct, frozen=True, kw_only=True):
    """The claims read from an access token whose issuer does not follow RFC 9068.

    `azp`, `cid` and `appid` are used by several issuers for `client_id`, `scp` for `scope`, `session_id` for `sid`.
    Claims that are not required are None if they have another type than here: see `read_other`.
    """

    iss: Text
    sub: Text
    exp: NumericDate
    aud: Text | tuple[Text, ...] | None = None
    iat: NumericDate | None = None
    nbf: NumericDate | None = None
    jti: str | None = None
    client_id: str | None = None
    azp: str | None = None
    cid: str | None = None
    appid: str | None = None
    sid: str | None = None
    session_id: str | None = None
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


def signing_input(claims: AccessToken, *, alg: str, kid: str, custom: Mapping[str, object] = {}) -> bytes:
    """The octets that the token's signature covers (RFC 7515 §5.1).

    Args:
        claims: What the token says.
        alg: The algorithm of the key that will sign.
        kid: The name of that key in the issuer's JWKS.
        custom: Claims of the application. None of them stands in for one of the token's own.

    Raises:
        InvalidPolicyError: It would live longer than `MAX_LIFETIME`, or end before it begins.
    """
    if not 0 < claims.exp - claims.iat <= MAX_LIFETIME:
        raise InvalidPolicyError(f"an access token lives between 1 and {MAX_LIFETIME} seconds")
    every: object = claims
    if custom:
        others = {name: value for name, value in custom.items() if name not in AccessToken.__struct_fields__}
        every = msgspec.to_builtins(claims) | others
    return f"{protected_of(alg, TYP, kid)}.{base64url.encode(msgspec.json.encode(every))}".encode()


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
        token: The compact serialization.
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
    audience_claim: str = "aud",
) -> Checked[OtherAccessToken]:
    """Check an access token of an issuer with another `typ`, or none, and fewer claims than RFC 9068 requires.

    Only `aud` distinguishes such an issuer's access tokens from its other tokens, so it is required here too, or the
    claim that is configured in its place; what is recognizable as an ID token, a logout token or a security event is
    refused (RFC 8725bis §3.12).

    Args:
        token: The compact serialization.
        keys: The issuer's keys.
        issuer: What `iss` must be, exactly.
        audience: What `aud` must name: this, or one of these.
        typ: What the header's `typ` must be; None for any.
        now: The time, in seconds since 1970.
        leeway: Seconds that `exp` and `nbf` may be off.
        thumbprint: The key that its sender proved to have, as for `check`.
        audience_claim: Which claim has the audience, for an issuer without `aud`.

    Raises:
        JoseError: It is refused; `code` says why, as for `check`.
    """
    every = jwt.verify(
        token,
        keys,
        issuer=issuer,
        audience=audience if audience_claim == "aud" else None,
        typ=typ,
        required=REQUIRED_OF_OTHERS,
        leeway=leeway,
        now=now,
    )
    if any(name in every for name in _NOT_ACCESS_TOKENS) or any(
        every.get(name) in kinds for name, kinds in _KINDS_OF_OTHERS.items()
    ):
        raise WrongTypError("the claims are those of an ID token or a security event")
    if audience_claim != "aud":
        _check_audience(every, audience_claim, audience)
    refuse_unproven(every, thumbprint)
    claims = read_other(every)
    if claims.iat is not None:
        _refuse_future(claims.iat, now)
    return Checked(claims, every)


def _check_audience(every: Mapping[str, Any], claim: str, audience: str | Collection[str]) -> None:
    if claim not in every:
        raise MissingClaimError(f"{claim} is required", claim=claim)
    expected = {audience} if isinstance(audience, str) else set(audience)
    found: object = every[claim]
    named = cast("list[object]", found) if isinstance(found, list) else [found]
    if not any(isinstance(one, str) and one in expected for one in named):
        raise WrongAudienceError(f"{claim} does not name the expected audience", claim=claim)


def read_other(every: Mapping[str, Any], *, strict: Collection[str] = ()) -> OtherAccessToken:
    """Read the claims of an issuer that does not follow RFC 9068.

    An optional claim never refuses a token: one of another type is read where it has a meaning (`amr` as text or a list
    of objects, roles as text or an object), and is otherwise ignored, so that it grants nothing.

    Args:
        every: The claims.
        strict: Claims that must have their type all the same.

    Raises:
        BadClaimError: One that is asked for has another type.
    """
    claims = dict(every)
    while True:
        try:
            return _read(claims, OtherAccessToken)
        except BadClaimError as error:
            name = error.claim
            if name in (*_ASKED_OF_OTHERS, *strict) or name not in claims:
                raise
            value = claims.pop(name)
            if name in ("amr", "roles") and (names := names_in(value)) is not None:
                claims[name] = names


_ASKED_OF_OTHERS = ("iss", "sub", "exp", "aud", "iat")


def names_in(claim: object) -> tuple[str, ...] | None:
    """Read a claim that lists names, in any format that issuers use; None if it lists none.

    A string is one name; an object's members are names, except those with false or null; a list has names, or objects
    with a `method` (Supabase's `amr`).
    """
    if isinstance(claim, str):
        return (claim,)
    if isinstance(claim, Mapping):
        members = cast("Mapping[str, object]", claim)
        return tuple(name for name, value in members.items() if value is not None and value is not False)
    if not isinstance(claim, (list, tuple)):
        return None
    names = [
        cast("Mapping[str, object]", one).get("method") if isinstance(one, Mapping) else one
        for one in cast("list[object]", claim)
    ]
    return tuple(cast("list[str]", names)) if all(isinstance(name, str) for name in names) else None


def refuse_unproven(every: Mapping[str, Any], thumbprint: str | None) -> None:
    """Refuse a token bound to anything but the sender's proved key, and a proof for an unbound token.

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
