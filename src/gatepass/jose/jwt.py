"""JSON Web Tokens (RFC 7519): a claims set, signed, against an explicit policy (RFC 8725bis)."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime
from math import isfinite
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import msgspec

from . import base64url, jws, strict_json
from . import headers as _headers
from .errors import (
    BadClaimError,
    ExpiredError,
    InvalidPolicyError,
    JoseError,
    MissingClaimError,
    NotYetValidError,
    WrongAudienceError,
    WrongIssuerError,
    WrongTypError,
)
from .limits import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Collection

    from .keys import Key, KeySet
    from .limits import Limits

T = TypeVar("T")

_DATES = ("exp", "nbf", "iat")
_TEXTS = ("iss", "sub", "jti")


class Unverified(msgspec.Struct, frozen=True):
    """What a token says of itself. Nobody has checked it: look, and do not trust.

    Attributes:
        headers: The header's parameters.
        claims: The claims.
    """

    headers: dict[str, Any]
    claims: dict[str, Any]


# ── signing ─────────────────────────────────────────────────────────────────────────────────────────────────────────


def sign(
    claims: Mapping[str, Any] | msgspec.Struct,
    key: Key,
    typ: str | None = "JWT",
    headers: Mapping[str, Any] | None = None,
) -> str:
    """RFC 7519 §7.1: write a signed token.

    Args:
        claims: A mapping or a `msgspec.Struct`. Datetimes with a time zone become NumericDates: seconds since 1970.
        key: A private key or secret; `alg` and `kid` come from it.
        typ: The kind of token, such as `"at+jwt"`; None leaves it out.
        headers: More header parameters.

    Raises:
        BadClaimError: A registered claim has a type or value that no verifier would accept.
        InvalidKeyError: The key cannot sign.
        InvalidPolicyError: `headers` contradict the key, or are not JSON.
    """
    return jws.sign_encoded(_headers.encode(jws.checked_key(key), typ, headers), encode_claims(claims), key)


def encode_claims(claims: Mapping[str, Any] | msgspec.Struct) -> bytes:
    """Write claims as the JSON octets that `sign` would sign, for a signer elsewhere.

    Raises:
        BadClaimError: A registered claim has a type or value that no verifier would accept.
    """
    plain = _to_dict(claims)
    for value in plain.values():
        if value.__class__ is datetime:
            plain = {name: _numeric_date(name, value) for name, value in plain.items()}
            break
    _check_types(plain)
    try:
        return strict_json.encode(plain)
    except (TypeError, ValueError, RecursionError, OverflowError):
        raise BadClaimError("a claim is not JSON", claim="") from None


def _to_dict(claims: Mapping[str, Any] | msgspec.Struct) -> dict[str, Any]:
    if claims.__class__ is dict:
        return cast("dict[str, Any]", claims)
    if isinstance(claims, msgspec.Struct):
        return {
            name: value
            for name, value in zip(claims.__struct_encode_fields__, msgspec.structs.astuple(claims), strict=True)
            if value is not msgspec.UNSET
        }
    if isinstance(cast("object", claims), Mapping):
        return dict(claims)
    raise InvalidPolicyError("claims are a mapping or a msgspec.Struct")


def _numeric_date(name: str, value: object) -> object:
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        raise BadClaimError("a datetime without a time zone says no moment", claim=name)
    seconds = value.timestamp()
    return int(seconds) if seconds.is_integer() else seconds


# ── verifying ───────────────────────────────────────────────────────────────────────────────────────────────────────


@overload
def verify(
    token: str | bytes,
    keys: Key | KeySet,
    *,
    issuer: str | None,
    audience: str | Collection[str] | None,
    typ: str | None,
    required: Collection[str] = ("exp",),
    leeway: float = 0,
    now: float | datetime | None = None,
    limits: Limits = DEFAULT,
) -> dict[str, Any]: ...


@overload
def verify(
    token: str | bytes,
    keys: Key | KeySet,
    *,
    issuer: str | None,
    audience: str | Collection[str] | None,
    typ: str | None,
    required: Collection[str] = ("exp",),
    leeway: float = 0,
    now: float | datetime | None = None,
    into: type[T],
    limits: Limits = DEFAULT,
) -> T: ...


def verify(  # noqa: PLR0913 - the call reads as its policy
    token: str | bytes,
    keys: Key | KeySet,
    *,
    issuer: str | None,
    audience: str | Collection[str] | None,
    typ: str | None,
    required: Collection[str] = ("exp",),
    leeway: float = 0,
    now: float | datetime | None = None,
    into: type[Any] = dict,
    limits: Limits = DEFAULT,
) -> Any:
    """RFC 7519 §7.2: return the claims of a token that satisfies the whole policy, or raise.

    The order is: shape, key, `alg`, signature, `typ`, claims; an error about a later step says that the earlier ones
    passed.

    Args:
        token: The compact serialisation.
        keys: The key, or a set from which `kid` chooses. The key decides the algorithm.
        issuer: What `iss` must be, exactly. None: any.
        audience: What `aud` must name; of several, one is enough. None: any.
        typ: The kind of token, such as `"at+jwt"` (RFC 8725bis §3.11). None: any.
        required: Claims that must be there; those that the policy names are required anyway.
        leeway: Seconds by which the issuer's clock may differ.
        now: The moment to judge by, in seconds since 1970 or as a datetime with a time zone. None: the present.
        into: `dict`, or a type that msgspec can fill, such as a `msgspec.Struct`, to get typed claims.
        limits: Bounds on what is read.

    Raises:
        MalformedError: Not a compact JWS with a JSON object inside.
        TokenTooLongError: It is longer than `limits` allow.
        UnsupportedCritError: It needs an extension.
        UnknownKeyError: No key, or more than one, fits.
        AlgNotAllowedError: Its `alg` is not the key's.
        BadSignatureError: The signature is not the key's.
        WrongTypError: It is another kind of token.
        BadClaimError: A claim has the wrong type, or does not fit `into`.
        MissingClaimError: A required claim is absent.
        ExpiredError: `exp` is now or past.
        NotYetValidError: `nbf` is in the future.
        WrongIssuerError: `iss` is not `issuer`.
        WrongAudienceError: `aud` does not name `audience`.
        InvalidPolicyError: An argument makes no sense.
    """
    header, payload = jws.open_compact(token, keys, limits)
    claims = strict_json.decode_object(payload, limits.depth)
    if typ is not None and typ != header.typ:
        _check_typ(header.typ, typ)
    _check_types(claims)
    for name in required:
        if name not in claims:
            raise _missing(name, required)
    _check_dates(claims, time.time() if now is None else _seconds(now), leeway)
    if issuer is not None and issuer != claims.get("iss"):
        raise _wrong_issuer(claims, issuer)
    if audience is not None and audience != claims.get("aud"):
        _check_audience(claims, audience)
    return claims if into is dict else _convert(claims, into)


def peek(token: str | bytes, *, limits: Limits = DEFAULT) -> Unverified:
    """Read a token without verifying anything.

    Raises:
        MalformedError: Not a compact JWS with a JSON object inside.
        TokenTooLongError: It is longer than `limits` allow.
        AlgNotAllowedError: Its `alg` is unknown, or `none`.
        UnsupportedCritError: It needs an extension.
    """
    segment, encoded_payload, encoded_signature = jws.split(token, limits)
    parameters = _headers.read(segment, limits)
    base64url.decode(encoded_signature)
    return Unverified(parameters, strict_json.decode_object(base64url.decode(encoded_payload), limits.depth))


# ── the checks, in their order ──────────────────────────────────────────────────────────────────────────────────────


def _check_typ(actual: str | None, typ: str) -> None:
    if not isinstance(typ, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InvalidPolicyError("typ is a string or None")
    if _headers.media_type(actual) != _headers.media_type(typ):
        raise WrongTypError(f"the token is not a {typ}")


def _check_types(claims: dict[str, Any]) -> None:
    """RFC 7519 §4.1: what a registered claim may be. A claim of a wrong type is never taken for an absent one."""
    get = claims.get
    for name in _DATES:
        value = get(name, 0)
        # By class, since a boolean is an int to isinstance.
        if value.__class__ is not int and not (value.__class__ is float and isfinite(value)):
            raise BadClaimError(f"{name} is not a number", claim=name)
    for name in _TEXTS:
        if get(name, "").__class__ is not str:
            raise BadClaimError(f"{name} is not a string", claim=name)
    if get("aud", "").__class__ is not str:
        _check_audience_list(claims["aud"])


def _check_audience_list(aud: object) -> None:
    if not isinstance(aud, (list, tuple)) or not all(isinstance(one, str) for one in cast("list[object]", aud)):
        raise BadClaimError("aud is neither a string nor a list of strings", claim="aud")


def _missing(name: str, required: Collection[str]) -> JoseError:
    if isinstance(required, str):
        return InvalidPolicyError("required is a collection of names")
    return MissingClaimError(f"{name} is required", claim=name)


def _check_dates(claims: dict[str, Any], now: float, leeway: float) -> None:
    if "exp" in claims and claims["exp"] <= now - leeway:
        raise ExpiredError("the token has expired", claim="exp")
    if "nbf" in claims and claims["nbf"] > now + leeway:
        raise NotYetValidError("the token is not valid yet", claim="nbf")


def _wrong_issuer(claims: dict[str, Any], issuer: str) -> JoseError:
    if not isinstance(issuer, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        return InvalidPolicyError("issuer is a string or None")
    if "iss" not in claims:
        return MissingClaimError("iss is required", claim="iss")
    return WrongIssuerError("iss is not the expected issuer", claim="iss")


def _check_audience(claims: dict[str, Any], audience: str | Collection[str]) -> None:
    expected = (audience,) if isinstance(audience, str) else tuple(audience)
    if not expected or not all(isinstance(cast("object", one), str) for one in expected):
        raise InvalidPolicyError("audience is a string, a collection of strings or None")
    if "aud" not in claims:
        raise MissingClaimError("aud is required", claim="aud")
    aud = claims["aud"]
    named = (aud,) if isinstance(aud, str) else aud
    if not any(one in expected for one in named):
        raise WrongAudienceError("aud does not name the expected audience", claim="aud")


def _seconds(now: float | datetime) -> float:
    if isinstance(now, datetime):
        if now.tzinfo is None:
            raise InvalidPolicyError("now is a datetime without a time zone")
        return now.timestamp()
    return now


def _convert(claims: dict[str, Any], into: type[T]) -> T:
    try:
        return msgspec.convert(claims, into)
    except msgspec.ValidationError as error:
        raise BadClaimError("the claims do not fit the type", claim=_claim_in(str(error))) from None
    except (TypeError, ValueError, RecursionError):
        raise InvalidPolicyError("into is a type that msgspec can fill") from None


def _claim_in(message: str) -> str:
    """Find the claim that msgspec's message points to, as in "… - at `$.exp`"; its text may quote values."""
    _, _, path = message.rpartition("at `$.")
    return path.partition("`")[0]
