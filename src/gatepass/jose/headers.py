"""The protected header of a JWS (RFC 7515 §4): reading it strictly, and writing it once per key."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from . import algorithms, base64url, strict_json
from .errors import (
    AlgNotAllowedError,
    InvalidPolicyError,
    JoseError,
    MalformedError,
    TokenTooLongError,
    UnsupportedCritError,
)
from .keys import checked_key

if TYPE_CHECKING:
    from collections.abc import Callable

    from .keys import Header, Key
    from .limits import Limits

_TEXTS = ("alg", "enc", "zip", "kid", "typ", "cty", "jku", "x5u", "x5t", "x5t#S256")

_REGISTERED = frozenset((*_TEXTS, "jwk", "x5c", "crit", "epk", "apu", "apv", "iv", "tag", "p2s", "p2c"))
"""Names that `crit` must not hold, since every implementation understands them (RFC 7515 §4.1.11)."""


B64 = frozenset(("b64",))
"""The one extension that JWS understands here (RFC 7797)."""

NONE: frozenset[str] = frozenset()


def read(segment: str, limits: Limits, extensions: frozenset[str] = NONE) -> dict[str, Any]:
    """Decode a base64url header and check everything that can be checked without a key.

    Raises:
        TokenTooLongError: It is longer than `limits.header_length`.
        MalformedError: It is not strict JSON, or a parameter has the wrong type.
        AlgNotAllowedError: `alg` is unknown, or `none`.
        UnsupportedCritError: `crit` names an extension that is not among `extensions`.
    """
    parameters = decode(segment, limits)
    check(parameters, extensions)
    return parameters


def decode(segment: str, limits: Limits) -> dict[str, Any]:
    """Decode a base64url header, whatever it says."""
    if len(segment) > limits.header_length:
        raise TokenTooLongError("the header is too long")
    return strict_json.decode_object(base64url.decode(segment), limits.depth)


def check(
    parameters: Mapping[str, Any],
    extensions: frozenset[str],
    algs: frozenset[str] = algorithms.SIGNATURE_NAMES,
) -> None:
    """Check the types of the registered parameters, that `alg` is one of `algs`, and `crit`."""
    for name in _TEXTS:
        if name in parameters and not isinstance(parameters[name], str):
            raise MalformedError(f"the header's {name} is not a string")
    alg = parameters.get("alg")
    if alg is None:
        raise MalformedError("the header has no alg")
    if alg not in algs:
        raise AlgNotAllowedError("the header's alg is none, unknown or for something else")
    if "crit" in parameters:
        _check_crit(parameters, parameters["crit"], extensions)
    if not isinstance(parameters.get("b64", True), bool):
        raise MalformedError("b64 is not a boolean")
    # RFC 7797 §6: who does not know b64 must refuse the token, not read other octets than were signed.
    if parameters.get("b64") is False and "crit" not in parameters:
        raise MalformedError("b64 is false and not in crit")


def _check_crit(parameters: Mapping[str, Any], crit: object, extensions: frozenset[str]) -> None:
    """RFC 7515 §4.1.11: a non-empty list of names of extensions that are present, and that we understand."""
    names = cast("list[object]", crit) if isinstance(crit, list) else []
    texts = {name for name in names if isinstance(name, str)}
    if not names or len(texts) != len(names):
        raise MalformedError("crit is not a list of different names")
    if texts & _REGISTERED or not texts <= parameters.keys():
        raise MalformedError("crit names a registered or absent parameter")
    if not texts <= extensions:
        raise UnsupportedCritError("the token needs an extension that is not supported")


def merge(protected: dict[str, Any], unprotected: object) -> dict[str, Any]:
    """RFC 7515 §4: the parts of a JSON serialization's header name different parameters.

    Raises:
        MalformedError: They do not, or what must be protected is not (§4.1.11, RFC 7797 §3).
    """
    if not isinstance(unprotected, dict):
        raise MalformedError("header is not an object")
    others = cast("dict[str, Any]", unprotected)
    if protected.keys() & others.keys():
        raise MalformedError("a parameter is both protected and unprotected")
    if "crit" in others or "b64" in others:
        raise MalformedError("crit or b64 is not protected")
    return protected | others


def media_type(typ: str | None) -> str | None:
    """RFC 7515 §4.1.9, RFC 8725bis §3.11: a `typ` without "/" is short for `application/` and it; case is ignored."""
    if typ is None:
        return None
    return typ.lower() if "/" in typ else "application/" + typ.lower()


def encode(key: Key, typ: str | None, extra: Mapping[str, Any] | None, *, b64: bool = True) -> str:
    """Encode the header that a key writes: `alg`, `typ` and `kid`, then the caller's own parameters.

    Raises:
        InvalidPolicyError: The caller's parameters contradict the key, or are not what a header may hold.
    """
    if not b64:
        return _encode(_merged(key, typ, extra) | {"b64": False, "crit": ["b64"]})
    return _encode(_merged(key, typ, extra))


def writer(key: Key, typ: str | None, extra: Mapping[str, Any] | None) -> Callable[[bytes], str]:
    """Return what signs a payload under the header of `encode`; it is kept for each header that a key often writes.

    Raises:
        InvalidKeyError: The key cannot sign.
        InvalidPolicyError: As for `encode`.
    """
    memory = typ if extra is None else _memory_of(typ, extra)
    try:
        found = key.encoded_headers.get(memory)
    except (TypeError, AttributeError):
        checked_key(key)
        raise InvalidPolicyError("typ is a string or None") from None
    if found is None:
        found = checked_key(key).writer(_encode(_merged(key, typ, extra)))
        if memory is not _NOWHERE and len(key.encoded_headers) < _REMEMBERED:
            key.encoded_headers[memory] = found
    return found


_NOWHERE = object()


def _memory_of(typ: str | None, extra: Mapping[str, Any]) -> object:
    """Return the name under which a header is remembered: only headers of plain strings are."""
    if extra.__class__ is not dict:
        return _NOWHERE
    memory = (typ, *extra, *extra.values())
    for part in memory:
        if part.__class__ is not str and part is not typ:
            return _NOWHERE
    return memory


_REMEMBERED = 32
"""How many headers a key remembers; further ones are parsed each time."""


def remember(memory: dict[str, Header], segment: str, header: Header) -> None:
    """Keep a header that came with a good signature, so that the next token with it is recognized by one lookup."""
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
    return _encode(_checked(as_dict(parameters)))


def as_dict(headers: object) -> dict[str, Any]:
    """Return the caller's header parameters, none if there are none.

    Raises:
        InvalidPolicyError: They are not a mapping from names.
    """
    parameters: object = {} if headers is None else headers
    if not isinstance(parameters, Mapping) or not all(isinstance(name, str) for name in cast("Any", parameters)):
        raise InvalidPolicyError("headers are a mapping from names")
    return dict(cast("Mapping[str, Any]", parameters))


def _merged(key: Key, typ: str | None, extra: Mapping[str, Any] | None) -> dict[str, Any]:
    merged = _checked(_parameters(key, typ) | as_dict(extra))
    if merged["alg"] not in key.algs:
        raise InvalidPolicyError("headers: alg is not the key's")
    return merged


def _checked(parameters: dict[str, Any]) -> dict[str, Any]:
    if "crit" in parameters or "b64" in parameters:
        raise InvalidPolicyError("headers: crit and b64 are not written by hand")
    try:
        check(parameters, NONE)
    except JoseError as error:
        raise InvalidPolicyError(f"headers: {error}") from None
    return parameters


def _encode(parameters: Mapping[str, Any]) -> str:
    return base64url.encode(strict_json.encode(parameters))
