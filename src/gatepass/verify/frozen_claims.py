"""Immutable claims, because several requests share a principal."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, cast

_intern = sys.intern

_REPEATED = frozenset({"iss", "aud", "client_id", "azp", "scope", "scp"})
"""Claims that are equal in thousands of cached tokens, which share one string."""


_PLAIN = frozenset({str, int, float, bool, type(None)})


def read_only(claims: dict[str, Any]) -> Mapping[str, Any]:
    """Make a claims set immutable, in place; the caller must hold the only reference."""
    for name, value in claims.items():
        kind = value.__class__
        if kind is str:
            if name in _REPEATED:
                claims[name] = _intern(value)
        elif kind is list or kind is dict:
            claims[name] = _frozen(value)
    return MappingProxyType(claims)


def thawed(value: object) -> Any:  # noqa: ANN401 - JSON
    """Undo `_frozen`: return plain JSON types."""
    if isinstance(value, Mapping):
        return {name: thawed(item) for name, item in cast("Mapping[str, object]", value).items()}
    return [thawed(item) for item in cast("tuple[object, ...]", value)] if isinstance(value, tuple) else value


def _frozen(value: object) -> object:
    """Make JSON immutable. Its depth is that of a token, which `jose` limits."""
    if value.__class__ is list:
        items = cast("list[object]", value)
        return tuple(items) if _PLAIN.issuperset(map(type, items)) else tuple(_frozen(item) for item in items)
    if value.__class__ is dict:
        return MappingProxyType({name: _frozen(item) for name, item in cast("dict[str, object]", value).items()})
    return value
