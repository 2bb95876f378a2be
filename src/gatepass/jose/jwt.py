"""JSON Web Tokens (RFC 7519): a claims set, signed, against an explicit policy (RFC 8725bis)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, cast, overload

import msgspec

from . import base64url, jwe, jws, strict_json
from . import headers as _headers
from .claims import Policy, Registered, typed
from .claims import wrong_type as _wrong_type
from .errors import BadClaimError, InvalidPolicyError, MalformedError
from .limits import DEFAULT

if TYPE_CHECKING:
    from collections.abc import Collection

    from .keys import Key, KeySet
    from .limits import Limits

T = TypeVar("T")

_AS_THEY_ARE = frozenset((str, int, float, bool, type(None), list, tuple, dict))
"""Types of claims that JSON has: none of them is a moment that must be written as a NumericDate first."""

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

_DATES = frozenset(("exp", "nbf", "iat", "auth_time", "updated_at"))
"""RFC 7519 §4.1, OpenID Connect Core §2 and §5.1."""

_convert = msgspec.convert


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
        token: The compact serialization.
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
    policy = Policy(issuer, audience, typ, required, leeway, now)
    header, payload = jws.open_compact(token, keys, limits)
    claims = strict_json.decode_object(payload, limits.depth)
    policy.check(header.typ, claims)
    return claims if into is dict else typed(claims, into)


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
        token: The compact serialization of a JWE whose header says `cty: JWT` (RFC 7519 §5.2).
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
    policy = Policy(issuer, audience, typ, required, leeway, now)
    decrypted = jwe.decrypt(token, decryption_keys, limits=limits)
    if _headers.media_type(decrypted.headers.get("cty")) != _headers.media_type("JWT"):
        raise MalformedError("the encrypted content is not a JWT")
    header, payload = jws.open_compact(decrypted.plaintext, verification_keys, limits)
    claims = strict_json.decode_object(payload, limits.depth)
    policy.check(header.typ, claims)
    return claims if into is dict else typed(claims, into)


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
