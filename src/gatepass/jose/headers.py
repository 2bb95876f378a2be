"""The protected header of a JWS (RFC 7515 §4): reading it strictly, and writing it once per key."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import msgspec

from . import algorithms, base64url, strict_json
from .errors import (
    AlgNotAllowedError,
    InvalidPolicyError,
    JoseError,
    MalformedError,
    TokenTooLongError,
    UnsupportedCritError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .keys import Key
    from .limits import Limits
    from .signing import Verify

_TEXTS = ("alg", "kid", "typ", "cty", "jku", "x5u", "x5t", "x5t#S256")

_REGISTERED = frozenset((*_TEXTS, "jwk", "x5c", "crit", "enc", "zip", "epk", "apu", "apv", "iv", "tag", "p2s", "p2c"))
"""Names that `crit` must not hold, since every implementation understands them (RFC 7515 §4.1.11)."""


class Header(msgspec.Struct, frozen=True):
    """A header that has been read, and the key that it was found to be for.

    Attributes:
        key: The key.
        verify: The key's own `verify`.
        parameters: The header parameters.
        typ: The parameter `typ`, or None.
    """

    key: Key
    verify: Verify
    parameters: dict[str, Any]
    typ: str | None


def read(segment: str, limits: Limits) -> dict[str, Any]:
    """Decode a base64url header and check everything that can be checked without a key.

    Raises:
        TokenTooLongError: It is longer than `limits.header_length`.
        MalformedError: It is not strict JSON, or a parameter has the wrong type.
        AlgNotAllowedError: `alg` is unknown, or `none`.
        UnsupportedCritError: `crit` names an extension.
    """
    if len(segment) > limits.header_length:
        raise TokenTooLongError("the header is too long")
    parameters = strict_json.decode_object(base64url.decode(segment), limits.depth)
    check(parameters)
    return parameters


def check(parameters: Mapping[str, Any]) -> None:
    """Check the types of the registered parameters, `alg`, and `crit`."""
    for name in _TEXTS:
        if name in parameters and not isinstance(parameters[name], str):
            raise MalformedError(f"the header's {name} is not a string")
    alg = parameters.get("alg")
    if alg is None:
        raise MalformedError("the header has no alg")
    if alg not in algorithms.SIGNATURE_NAMES:
        raise AlgNotAllowedError("the header's alg is not a signature algorithm")
    if "crit" in parameters:
        _check_crit(parameters, parameters["crit"])


def _check_crit(parameters: Mapping[str, Any], crit: object) -> None:
    """RFC 7515 §4.1.11: a non-empty list of names of extensions that are present, and that we understand."""
    names = cast("list[object]", crit) if isinstance(crit, list) else []
    if not names or not all(isinstance(name, str) for name in names) or len({*names}) != len(names):
        raise MalformedError("crit is not a list of different names")
    if any(name in _REGISTERED or name not in parameters for name in names):
        raise MalformedError("crit names a registered or absent parameter")
    raise UnsupportedCritError("the token needs an extension that is not supported")


def media_type(typ: str | None) -> str | None:
    """RFC 7515 §4.1.9, RFC 8725bis §3.11: a `typ` without "/" is short for `application/` and it; case is ignored."""
    if typ is None:
        return None
    return typ.lower() if "/" in typ else "application/" + typ.lower()


def encode(key: Key, typ: str | None, extra: Mapping[str, Any] | None) -> str:
    """Encode the header that a key writes: `alg`, `typ` and `kid`, then the caller's own parameters.

    Raises:
        InvalidPolicyError: The caller's parameters contradict the key, or are not what a header may hold.
    """
    if extra is None:
        encoded = key.encoded_headers.get(typ)
        if encoded is None:
            encoded = _encode(_parameters(key, typ))
            if len(key.encoded_headers) < _REMEMBERED:
                key.encoded_headers[typ] = encoded
        return encoded
    return encode_given(_merge(key, _parameters(key, typ), extra))


_REMEMBERED = 32
"""How many headers a key remembers; a key that meets more is used unusually, and works without memory."""


def remember(memory: dict[str, Header], segment: str, header: Header) -> None:
    """Keep a header that came with a good signature, so that the next token with it is recognised by one lookup."""
    if len(memory) < _REMEMBERED:
        memory[segment] = header


def _parameters(key: Key, typ: str | None) -> dict[str, Any]:
    parameters: dict[str, Any] = {"alg": key.alg}
    if typ is not None:
        parameters["typ"] = typ
    if key.kid is not None:
        parameters["kid"] = key.kid
    return parameters


def encode_given(parameters: Mapping[str, Any]) -> str:
    """Encode a header that the caller wrote whole.

    Raises:
        InvalidPolicyError: It is not what a header may hold.
    """
    try:
        check(parameters)
    except JoseError as error:
        raise InvalidPolicyError(f"headers: {error}") from None
    return _encode(parameters)


def _merge(key: Key, parameters: dict[str, Any], extra: Mapping[str, Any]) -> dict[str, Any]:
    merged = parameters | dict(extra)
    strict_json.refuse_nan(merged)
    if merged["alg"] not in key.algs:
        raise InvalidPolicyError("headers: alg is not the key's")
    return merged


def _encode(parameters: Mapping[str, Any]) -> str:
    return base64url.encode(strict_json.encode(parameters))
