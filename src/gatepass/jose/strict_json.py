"""JSON as JOSE means it (RFC 7515 §4, RFC 8259): UTF-8, no name twice at any depth, no NaN, bounded nesting."""

from __future__ import annotations

from math import isfinite, isinf
from typing import Annotated, Any, NoReturn, cast

import msgspec

from .errors import InvalidPolicyError, MalformedError

# Larger integers are looked at closely.
_Scalar = str | Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)] | float | bool | None
_Flat = _Scalar | list[_Scalar] | dict[str, _Scalar]
_Shallow = _Scalar | list[_Flat] | dict[str, _Flat]

# The type of the first decoder ends after three levels, so it bounds the depth of an ordinary document for nothing.
_decode_shallow = msgspec.json.Decoder(dict[str, _Shallow]).decode
_decode_any = msgspec.json.Decoder().decode

_encode = msgspec.json.Encoder().encode
_format = msgspec.json.format


def encode(value: object) -> bytes:
    """Encode a value as JSON without blanks.

    Raises:
        InvalidPolicyError: It cannot be written as JSON, or a number in it is not finite.
    """
    try:
        encoded = _encode(value)
        if b"null" in encoded:  # what msgspec writes for NaN and the infinities, too
            refuse_nan(msgspec.to_builtins(value))
    except (TypeError, ValueError, RecursionError):
        raise InvalidPolicyError("the value cannot be written as JSON") from None
    return encoded


def refuse_nan(value: object) -> None:
    """Refuse a value with NaN or an infinity anywhere inside: JSON has neither, and msgspec would write null.

    Raises:
        InvalidPolicyError: There is one.
    """
    try:
        if _has_nan(value):
            raise InvalidPolicyError("a number is not finite")
    except RecursionError:
        raise InvalidPolicyError("the value nests too deeply") from None


def _has_nan(value: object) -> bool:
    if isinstance(value, float):
        return not isfinite(value)
    if isinstance(value, dict):
        value = list(cast("dict[str, object]", value).values())
    return isinstance(value, (list, tuple)) and any(map(_has_nan, cast("list[object]", value)))


def decode_object(text: bytes, depth: int) -> dict[str, Any]:
    """Decode a JSON object.

    Args:
        text: The document.
        depth: How many arrays and objects may be nested, the outermost included; at least 3.

    Raises:
        MalformedError: It is not UTF-8, not JSON, not an object, names a member twice, nests too deeply, or holds a
            number that is larger than any double (RFC 8259 §6), with which nobody could calculate.
    """
    try:
        value = _decode_shallow(text)
        # Encoding again cannot write a name twice: equal octets prove that none was. Most tokens end here, and what
        # was written with a blank after each comma and colon, as Python does.
        encoded = _encode(value)
        if encoded == text or _format(encoded, indent=0) == text:
            return value
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # deeper than the type, or malformed: look closely
    return _look_closely(text, depth)


def _look_closely(text: bytes, depth: int) -> dict[str, Any]:
    try:
        value: object = _decode_any(text)
        if not isinstance(value, dict):
            raise MalformedError("the JSON is not an object")
        _check_depth(cast("object", value), depth)
        _check_names(text)
    except (msgspec.DecodeError, UnicodeDecodeError, ValueError, RecursionError):
        raise MalformedError("not strict JSON") from None
    return cast("dict[str, Any]", value)


def _check_depth(value: object, depth: int) -> None:
    level = [value]
    for _ in range(depth):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return
    raise MalformedError("the JSON nests too deeply")


def _children(value: object) -> list[object]:
    """The arrays and objects directly inside an array or object."""
    items = cast("dict[str, object]", value).values() if isinstance(value, dict) else cast("list[object]", value)
    return [item for item in items if isinstance(item, (dict, list))]


def _check_names(text: bytes) -> None:
    import json  # noqa: PLC0415 - only unusual documents need it, and it costs every importer milliseconds

    def unique(pairs: list[tuple[str, object]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise MalformedError("the JSON names a member twice")

    def refuse(_: str) -> NoReturn:
        raise MalformedError("not strict JSON")

    # Numbers were read already, and msgspec has refused fractions that are too large: `len` reads nothing.
    json.loads(
        text.decode(), object_pairs_hook=unique, parse_constant=refuse, parse_int=_check_integer, parse_float=len
    )


_MOST_DIGITS = 310
"""Of an integer that a double can hold, and its sign."""


def _check_integer(text: str) -> None:
    if len(text) > _MOST_DIGITS or isinf(float(text)):
        raise MalformedError("a number is too large")
