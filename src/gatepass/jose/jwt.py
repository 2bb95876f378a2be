"""JSON Web Tokens (RFC 7519): a claims set, signed, against an explicit policy (RFC 8725bis)."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Annotated, Any, NoReturn, TypeAlias, TypeVar, cast, overload

import msgspec
from msgspec import UNSET, UnsetType  # noqa: TC002 - msgspec reads the annotations

from . import base64url, jwe, jws, strict_json
from . import headers as _headers
from .errors import (
    BadClaimError,
    ExpiredError,
    InvalidPolicyError,
    MalformedError,
    MissingClaimError,
    NotYetValidError,
    WrongAudienceError,
    WrongIssuerError,
    WrongTypError,
)
from .limits import DEFAULT

if TYPE_CHECKING:
    from .errors import JoseError
    from .keys import Key, KeySet
    from .limits import Limits

T = TypeVar("T")

_AS_THEY_ARE = frozenset((str, int, float, bool, type(None), list, dict))
"""Types of claims that JSON has: none of them is a moment that must be written as a NumericDate first."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_LATEST = 2**53
"""Integers up to here are the same to everybody (RFC 8259 §6); as a date it is 285 million years away."""

_IN_BOUNDS = msgspec.Meta(ge=-_LATEST, le=_LATEST)

NumericDate: TypeAlias = Annotated[int, _IN_BOUNDS] | Annotated[float, _IN_BOUNDS]
"""RFC 7519 §2: seconds since 1970, with or without a fraction; no boolean, and nothing too large to be a moment."""

_DATES = frozenset(("exp", "nbf", "iat", "auth_time", "updated_at"))
"""RFC 7519 §4.1, OpenID Connect Core §2 and §5.1."""

_convert = msgspec.convert


class Registered(msgspec.Struct, gc=False):
    """RFC 7519 §4.1: the registered claims, and what each may be."""

    iss: str | UnsetType = UNSET
    sub: str | UnsetType = UNSET
    aud: str | list[str] | UnsetType = UNSET
    exp: NumericDate | UnsetType = UNSET
    nbf: NumericDate | UnsetType = UNSET
    iat: NumericDate | UnsetType = UNSET
    jti: str | UnsetType = UNSET


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
        claims: A mapping or a `msgspec.Struct`. Datetimes with a time zone become NumericDates: seconds since 1970,
            with a fraction if they have one.
        key: A private key or secret; `alg` and `kid` come from it.
        typ: The kind of token, such as `"at+jwt"`; None leaves it out.
        headers: More header parameters.

    Raises:
        BadClaimError: A registered claim has a type or value that no verifier would accept.
        InvalidKeyError: The key cannot sign.
        InvalidPolicyError: `headers` contradict the key, or something is not JSON.
    """
    return _headers.writer(key, typ, headers)(encode_claims(claims))


def encode_claims(claims: Mapping[str, Any] | msgspec.Struct) -> bytes:
    """Write claims as the JSON octets that `sign` would sign, for a signer elsewhere.

    Raises:
        BadClaimError: A registered claim has a type or value that no verifier would accept.
        InvalidPolicyError: A claim is not JSON.
    """
    plain = claims if isinstance(claims, dict) else _to_dict(claims)
    if not _AS_THEY_ARE.issuperset(map(type, plain.values())):
        plain = {name: _numeric_date(name, value) for name, value in plain.items()}
    try:
        _convert(plain, Registered)
    except msgspec.ValidationError as error:
        raise _wrong_type(error) from None
    except (TypeError, ValueError, RecursionError):
        raise InvalidPolicyError("the claims cannot be written as JSON") from None
    return strict_json.encode(plain)


def _to_dict(claims: object) -> dict[str, Any]:
    if isinstance(claims, msgspec.Struct):
        return _struct_to_dict(claims)
    if isinstance(claims, Mapping):
        return dict(cast("Mapping[str, Any]", claims))
    raise InvalidPolicyError("claims are a mapping or a msgspec.Struct")


def _struct_to_dict(claims: msgspec.Struct) -> dict[str, Any]:
    """Write a Struct as msgspec would encode it, but for datetimes, which JSON has another form for than a claim."""
    try:
        plain: object = msgspec.to_builtins(claims, builtin_types=(datetime,))
    except (TypeError, ValueError, RecursionError):
        raise InvalidPolicyError("the claims cannot be written as JSON") from None
    if not isinstance(plain, dict):
        raise InvalidPolicyError("claims are a Struct with names")
    return cast("dict[str, Any]", plain)


def _numeric_date(name: str, value: object) -> object:
    """Write a moment as RFC 7519 §2 does, and leave anything else as it is."""
    if isinstance(value, datetime):
        try:
            since = value - _EPOCH
        except TypeError:
            raise BadClaimError("a datetime without a time zone is no moment", claim=name) from None
        return since.total_seconds() if since.microseconds else since.days * 86_400 + since.seconds
    if isinstance(value, Decimal) and name in _DATES:
        try:
            seconds = float(value)
        except ValueError:
            raise BadClaimError("the date is no number", claim=name) from None
        return int(seconds) if seconds.is_integer() else seconds
    return value


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
    try:
        registered = _convert(claims, Registered)
        for name in required:
            if name not in claims:
                raise _missing(name, required)
    except (msgspec.ValidationError, TypeError) as error:
        raise _wrong_type(error) from None
    present = time.time() if now is None else _seconds(now)
    if leeway:
        _check_leeway(leeway)
    if registered.exp is not UNSET and registered.exp <= present - leeway:
        raise ExpiredError("the token has expired", claim="exp")
    if registered.nbf is not UNSET and registered.nbf > present + leeway:
        raise NotYetValidError("the token is not valid yet", claim="nbf")
    if issuer is not None and issuer != registered.iss:
        raise _wrong_issuer(registered, issuer)
    if audience is not None and (audience.__class__ is not str or audience != registered.aud):
        _check_audience(registered, audience)
    return claims if into is dict else _typed(claims, into)


def sign_and_encrypt(  # noqa: PLR0913 - the call reads as its policy
    claims: Mapping[str, Any] | msgspec.Struct,
    signing_key: Key,
    encryption_key: Key,
    enc: str | None = None,
    *,
    typ: str | None = "JWT",
    headers: Mapping[str, Any] | None = None,
) -> str:
    """RFC 7519 §7.1 and §11.2: write a token that is signed, and then encrypted for its recipient.

    Args:
        claims: As for `sign`.
        signing_key: A private key or secret.
        encryption_key: The recipient's public key, or a shared secret for encryption.
        enc: How to encrypt; `"A256GCM"` by default, and for a `dir` key what it is bound to.
        typ: The kind of token, of the signed one inside; the outer header says `cty: JWT`.
        headers: More parameters of the signed token's header.

    Raises:
        JoseError: As `sign` and `jwe.encrypt`.
    """
    signed = sign(claims, signing_key, typ, headers)
    return jwe.encrypt(signed.encode(), encryption_key, enc, {"cty": "JWT"})


@overload
def decrypt_and_verify(
    token: str | bytes,
    decryption_keys: Key | KeySet,
    verification_keys: Key | KeySet,
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
def decrypt_and_verify(
    token: str | bytes,
    decryption_keys: Key | KeySet,
    verification_keys: Key | KeySet,
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


def decrypt_and_verify(  # noqa: PLR0913 - the call reads as its policy
    token: str | bytes,
    decryption_keys: Key | KeySet,
    verification_keys: Key | KeySet,
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
    """RFC 7519 §7.2: decrypt a token, and verify the signed one inside. Both layers are checked, or it raises.

    A token that is signed only, or encrypted only, is refused: whoever has the public key could have encrypted it.

    Args:
        token: The compact serialisation of a JWE whose header says `cty: JWT` (RFC 7519 §5.2).
        decryption_keys: The private key or shared secret, or a set from which `kid` chooses.
        verification_keys: The signer's key, or a set of them.
        issuer: As for `verify`, like everything else.
        audience: As for `verify`.
        typ: As for `verify`, of the signed token inside.
        required: As for `verify`.
        leeway: As for `verify`.
        now: As for `verify`.
        into: As for `verify`.
        limits: Bounds on what is read, outside and inside.

    Raises:
        JoseError: As `jwe.decrypt` and `verify`.
    """
    decrypted = jwe.decrypt(token, decryption_keys, limits=limits)
    if _headers.media_type(decrypted.headers.get("cty")) != _headers.media_type("JWT"):
        raise MalformedError("the encrypted content is not a JWT")
    return verify(
        decrypted.plaintext,
        verification_keys,
        issuer=issuer,
        audience=audience,
        typ=typ,
        required=required,
        leeway=leeway,
        now=now,
        into=into,
        limits=limits,
    )


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


def _check_typ(actual: str | None, typ: object) -> None:
    if not isinstance(typ, str):
        raise InvalidPolicyError("typ is a string or None")
    if _headers.media_type(actual) != _headers.media_type(typ):
        raise WrongTypError(f"the token is not a {typ}")


def _wrong_type(error: msgspec.ValidationError | TypeError) -> JoseError:
    """A registered claim of a wrong type is refused, never taken for an absent one."""
    if isinstance(error, msgspec.ValidationError):
        claim = _claim_in(error)
        return BadClaimError(f"{claim} has the wrong type", claim=claim)
    return InvalidPolicyError("required is a collection of names")


def _missing(name: str, required: Collection[str]) -> JoseError:
    if isinstance(required, str):
        return InvalidPolicyError("required is a collection of names")
    return MissingClaimError(f"{name} is required", claim=name)


def _wrong_issuer(claims: Registered, issuer: object) -> JoseError:
    if not isinstance(issuer, str):
        return InvalidPolicyError("issuer is a string or None")
    if claims.iss is UNSET:
        return MissingClaimError("iss is required", claim="iss")
    return WrongIssuerError("iss is not the expected issuer", claim="iss")


def _check_audience(claims: Registered, audience: str | Collection[str]) -> None:
    expected = _expected_audiences(audience)
    if claims.aud is UNSET:
        raise MissingClaimError("aud is required", claim="aud")
    named = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if not any(one in expected for one in named):
        raise WrongAudienceError("aud does not name the expected audience", claim="aud")


def _expected_audiences(audience: object) -> Collection[str]:
    expected = (audience,) if isinstance(audience, str) else audience
    if not isinstance(expected, Collection) or not expected:
        raise InvalidPolicyError("audience is a string, a collection of strings or None")
    return [_text("audience", one) for one in cast("Collection[object]", expected)]


def _text(name: str, value: object) -> str:
    if not isinstance(value, str):
        raise InvalidPolicyError(f"{name} is not a string")
    return value


def _seconds(now: object) -> float:
    if isinstance(now, datetime) and now.tzinfo is not None:
        return now.timestamp()
    if isinstance(now, (int, float)) and -_LATEST <= now <= _LATEST:
        return now
    raise InvalidPolicyError("now is a number of seconds or a datetime with a time zone")


def _check_leeway(leeway: object) -> None:
    if not isinstance(leeway, (int, float)) or not 0 <= leeway <= _LATEST:
        raise InvalidPolicyError("leeway is a number of seconds")


def _typed(claims: dict[str, Any], into: type[T]) -> T:
    try:
        return _convert(claims, into, dec_hook=_unfillable)
    except msgspec.ValidationError as error:
        raise BadClaimError("the claims do not fit the type", claim=_claim_in(error)) from None
    except (TypeError, ValueError, RecursionError):
        raise InvalidPolicyError("into is a type that msgspec can fill") from None


def _unfillable(kind: type, _: object) -> NoReturn:
    """What msgspec calls for a type that it does not know, alone or inside of another."""
    raise InvalidPolicyError(
        f"into is a type that msgspec can fill, and {kind.__name__} is none; a model of pydantic takes the claims "
        "that verify returns without into: Model.model_validate(claims)"
    )


def _claim_in(error: msgspec.ValidationError) -> str:
    """Find the claim that msgspec's message points to; the rest of the message may quote the token.

    It ends with "- at `$.exp`", or says "missing required field `exp`"; else it is about no claim of the type.
    """
    message = str(error)
    if message.startswith("Object contains unknown field"):
        return ""
    _, found, path = message.rpartition("at `$.")
    if not found:
        _, _, path = message.partition("missing required field `")
    return path.partition("`")[0].partition("[")[0].partition(".")[0]
